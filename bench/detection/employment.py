"""US census employment in Massachusetts, 2015 learned, 2016 to 2018 live: the negative control, almost nothing drifts.

The file says the year of a row and no more, so times are made: the households of a year in an order drawn with a fixed
seed, their rows spread evenly from the first to the last second of the year, one in eight minutes. Households stay
together (a row whose RELP is 0 begins one, one in group quarters is alone), as a survey would meet them. The order of
the file is the publisher's and no time: in 2017 and 2018 it puts all group quarters into one block of 5,000 rows.
"""

import calendar
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.detection.columns import rows_of, take_columns
from bench.detection.wheels import data_file
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.build import HistoryBatch
from monitor.panes.rows import Predictions

NUMERIC = ("AGEP",)
CATEGORICAL = (
    *("SCHL", "MAR", "RELP", "DIS", "ESP", "CIT", "MIG", "MIL", "ANC", "NATIVITY", "DEAR", "DEYE", "DREM", "SEX"),
    "RAC1P",
)
SEED = 2015
GROUP_QUARTERS = 16  # RELP from here on


def schema() -> Schema:
    """What the model is fed."""
    numeric = tuple(Feature(name, FeatureKind.NUMERIC) for name in NUMERIC)
    categorical = tuple(Feature(name, FeatureKind.CATEGORICAL) for name in CATEGORICAL)
    return Schema(ModelName("employment"), numeric + categorical, ("no", "yes"), "yes")


def history(seed: int = SEED) -> list[HistoryBatch]:
    """The year 2015, with its truths."""
    table = pq.read_table(data_file("employment_MA_reference.pq"))
    rows, order = _year(table, 2015, seed)
    return [HistoryBatch(rows, table["employed"].to_numpy().astype(np.float64)[order])]


def live(seed: int = SEED) -> Iterator[Predictions]:
    """The years 2016, 2017, 2018."""
    table = pq.read_table(data_file("employment_MA_analysis.pq"))
    year = np.array([int(value) for value in table["year"].cast(pa.string()).to_pylist()])
    for each in (2016, 2017, 2018):
        yield _year(table.filter(pa.array(year == each)), each, seed)[0]


def labelled(seed: int = SEED) -> Iterator[HistoryBatch]:
    """The same years with their truths; nobody says when these came."""
    table = pq.read_table(data_file("employment_MA_analysis.pq"))
    truths = pq.read_table(data_file("employment_MA_analysis_target.pq"))["employed"].to_numpy().astype(np.float64)
    year = np.array([int(value) for value in table["year"].cast(pa.string()).to_pylist()])
    for each in (2016, 2017, 2018):
        rows, order = _year(table.filter(pa.array(year == each)), each, seed)
        yield HistoryBatch(rows, truths[year == each][order])


def _year(table: pa.Table, year: int, seed: int) -> tuple[Predictions, NDArray[np.intp]]:
    order = _household_order(pc.cast(table["RELP"].cast(pa.string()), pa.int64()).to_numpy(), (seed, year))
    table = table.take(pa.array(order))
    start, end = (calendar.timegm((each, 1, 1, 0, 0, 0)) for each in (year, year + 1))
    times = start + (np.arange(len(order)) + 0.5) / len(order) * (end - start)
    outputs = table["prediction"].to_numpy().astype(np.uint8)
    scores = table["predicted_probability"].to_numpy().astype(np.float64)
    return rows_of(take_columns(table, NUMERIC, CATEGORICAL), times, outputs, scores), order


def _household_order(relation: NDArray[np.int64], seed: tuple[int, int]) -> NDArray[np.intp]:
    """Rows with their households shuffled."""
    begins = (relation == 0) | (relation >= GROUP_QUARTERS)
    household = np.cumsum(begins)
    rank = np.random.default_rng(seed).permutation(int(household[-1]) + 1)
    return np.argsort(rank[household], kind="stable")
