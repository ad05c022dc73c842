"""NannyML's data sets with an estimate, as rows of the product: a reference and the panes of its chunks."""

import numpy as np
import pyarrow as pa
from pyarrow import csv

from bench.detection.columns import take_columns
from bench.detection.wheels import data_file
from monitor.facts import Feature, FeatureKind, ModelName, Pane, Schema, Task
from monitor.panes.build import HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.rows import Predictions

CARDS = ("prepaid_card", "highstreet_card", "upmarket_card")
PRICE = ("car_age", "km_driven", "price_new", "accident_count", "door_count"), ("fuel", "transmission")


def car_loan(*, fetch: bool = True) -> tuple[Layout, list[Pane]]:
    """Two classes; ten chunks of 5,000 rows, the last five after the drift."""

    def rows(table: pa.Table) -> Predictions:
        scores = numbers(table, "y_pred_proba")
        return made(table, outputs=numbers(table, "y_pred").astype(np.uint8), scores=scores)

    schema = Schema(ModelName("car_loan"), (), ("not_repaid", "repaid"), "repaid")
    reference, live = (read(f"synthetic_car_loan_{part}", fetch=fetch) for part in ("reference", "analysis"))
    return chunks(schema, HistoryBatch(rows(reference), numbers(reference, "repaid")), rows(live), 5_000)


def credit_card(*, fetch: bool = True) -> tuple[Layout, list[Pane]]:
    """Three classes; ten chunks of 6,000 rows, the last five after the drift."""

    def classes(table: pa.Table, name: str) -> np.ndarray:
        return np.array([CARDS.index(each) for each in table[name].to_pylist()])

    def rows(table: pa.Table) -> Predictions:
        outputs = classes(table, "y_pred")
        scores = np.stack([numbers(table, f"y_pred_proba_{card}") for card in CARDS])
        return made(table, outputs=outputs.astype(np.uint8), scores=scores[outputs, np.arange(len(outputs))])

    schema = Schema(ModelName("credit_card"), (), CARDS)
    reference, live = (read(f"mc_{part}", fetch=fetch) for part in ("reference", "analysis"))
    return chunks(schema, HistoryBatch(rows(reference), classes(reference, "y_true").astype(float)), rows(live), 6_000)


def car_price(*, fetch: bool = True) -> tuple[Layout, list[Pane]]:
    """A regression; ten chunks of 6,000 rows, the last five after the drift."""

    def rows(table: pa.Table) -> Predictions:
        return made(table, values=numbers(table, "y_pred"), columns=take_columns(table, *PRICE))

    kinds = (FeatureKind.NUMERIC, FeatureKind.CATEGORICAL)
    features = tuple(Feature(name, kind) for names, kind in zip(PRICE, kinds, strict=True) for name in names)
    schema = Schema(ModelName("car_price"), features, task=Task.REGRESSION)
    reference, live = (read(f"regression_synthetic_{part}", fetch=fetch) for part in ("reference", "analysis"))
    return chunks(schema, HistoryBatch(rows(reference), numbers(reference, "y_true")), rows(live), 6_000)


def read(name: str, *, fetch: bool) -> pa.Table:
    return csv.read_csv(data_file(f"{name}.csv", fetch=fetch))


def numbers(table: pa.Table, name: str) -> np.ndarray:
    return table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)


def made(table: pa.Table, *, outputs=None, scores=None, values=None, columns=None) -> Predictions:
    n = table.num_rows
    return Predictions.unsent(
        columns or {},
        times=np.full(n, np.nan),
        outputs=np.zeros(n, np.uint8) if outputs is None else outputs,
        scores=np.full(n, np.nan) if scores is None else scores,
        values=values,
    )


def chunks(schema: Schema, history: HistoryBatch, live: Predictions, size: int) -> tuple[Layout, list[Pane]]:
    layout = Layout.of(build_reference(lambda: iter([history]), schema, lambda _: None))
    parts = [live.take(slice(start, start + size)) for start in range(0, live.n, size)]
    return layout, [count_rows(layout, bin_rows(layout, part)) for part in parts]
