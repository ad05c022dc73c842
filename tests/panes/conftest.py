"""Rows and references to count, made from plain lists."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from monitor.facts import Feature, FeatureKind, ModelName, Schema, Task
from monitor.panes.count import NOT_ASKED, bin_rows
from monitor.panes.layout import Layout
from monitor.panes.receipts import write_receipts
from monitor.panes.reference import FORMAT, Bins, CategoryBins, NumericBins, Reference
from monitor.panes.rows import INVALID, MISSING, CategoricalColumn, Column, NumericColumn, Predictions

BAD = "<bad>"  # stands for a cell of the wrong type


def numbers(cells: Sequence[float | str | None]) -> NumericColumn:
    values = [float("nan") if cell is None or cell == BAD else float(cell) for cell in cells]
    missing, invalid = [cell is None for cell in cells], [cell == BAD for cell in cells]
    return NumericColumn(np.array(values, float), np.array(missing, bool), np.array(invalid, bool))


def words(cells: Sequence[str | None]) -> CategoricalColumn:
    values = tuple(dict.fromkeys(cell for cell in cells if cell not in (None, BAD)))
    codes = [MISSING if cell is None else INVALID if cell == BAD else values.index(cell) for cell in cells]
    return CategoricalColumn(np.array(codes, np.int32), values)


def make_rows(
    columns: dict[str, Column], n: int, *, outputs=None, scores=None, times=None, values=None, probabilities=None
) -> Predictions:
    return Predictions.unsent(
        columns,
        times=np.arange(n, dtype=float) if times is None else np.array(times, float),
        outputs=np.zeros(n, np.uint8) if outputs is None else np.array(outputs, np.uint8),
        scores=np.full(n, np.nan) if scores is None else np.array(scores, float),
        values=None if values is None else np.array(values, float),
        probabilities=None if probabilities is None else np.array(probabilities, np.float32),
    )


def make_receipts(layout: Layout, rows: Predictions, known_good=None, **rest) -> np.ndarray:
    """The receipts of rows that may lack the features."""
    zeros = np.zeros(rows.n, np.uint32)
    nobody = np.full(rows.n, NOT_ASKED if layout.task is Task.CLASSIFICATION else np.nan)
    said = nobody if known_good is None else np.array(known_good)
    given = {"epochs": zeros, "segments": zeros, "sources": zeros, **rest}
    return write_receipts(layout, rows, bin_rows(layout, rows), known_good=said, **given)


def make_layout(
    columns: Sequence[Bins], classes: int = 2, name: str = "sha256:test", task=Task.CLASSIFICATION, **rest
) -> Layout:
    kinds = [FeatureKind.NUMERIC if isinstance(c, NumericBins) else FeatureKind.CATEGORICAL for c in columns]
    features = tuple(Feature(column.name, kind) for column, kind in zip(columns, kinds, strict=True))
    classes = classes if task is Task.CLASSIFICATION else 0
    names = tuple(f"class {i}" for i in range(classes)) if classes > 8 else tuple("abcdefgh"[:classes])
    schema = Schema(ModelName("m"), features, names, "b" if classes == 2 else None, task)
    reference = Reference(FORMAT, schema, tuple(columns), 1, None, None, labelled=False, counts=(), **rest)
    return Layout.draft(reference, name)


@pytest.fixture(scope="session")
def rows() -> Callable[..., Predictions]:
    """Build rows from columns: rows({"x": [1, None, "<bad>"]}, outputs=[...])."""

    def build(columns: dict[str, Sequence], **rest) -> Predictions:
        n = rest.pop("n") if "n" in rest else len(next(iter(columns.values())))
        made = {name: words(cells) if name.startswith("c") else numbers(cells) for name, cells in columns.items()}
        return make_rows(made, n, **rest)

    return build


@pytest.fixture(scope="session")
def layout_of() -> Callable[..., Layout]:
    """Lay out a reference of these bins: layout_of(NumericBins(...), ..., classes=2)."""

    def build(*columns: Bins, classes: int = 2, name: str = "sha256:test", **rest) -> Layout:
        return make_layout(columns, classes, name, **rest)

    return build


@pytest.fixture(scope="session")
def receipts_of() -> Callable[..., np.ndarray]:
    """Write receipts: receipts_of(layout, rows, known_good=[...])."""
    return make_receipts


@pytest.fixture(scope="session")
def regression() -> Layout:
    """One numeric feature, predictions around 100 in ten bins of 2, errors in units of 4."""
    edges = tuple(float(edge) for edge in range(90, 111, 2))
    return make_layout(
        (NumericBins("x", (0.0, 1.0, 2.0)),),
        task=Task.REGRESSION,
        output=NumericBins("output", edges, 100.0, 8.0),
        error_scale=4.0,
    )


@pytest.fixture(scope="session")
def ranking() -> Layout:
    """One numeric feature, lists of 1 to 20 items."""
    return make_layout(
        (NumericBins("x", (0.0, 1.0, 2.0)),), task=Task.RANKING, output=NumericBins("output", (1.0, 10.0, 20.0))
    )


@pytest.fixture(scope="session")
def small() -> Layout:
    """One numeric feature of two bins, one categorical of two categories and one more known, two classes."""
    return make_layout((NumericBins("x", (0.0, 1.0, 2.0)), CategoryBins("c", ("red", "blue"), ("green",))))
