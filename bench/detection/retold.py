"""The same streams with their labels, as a user would try them: written as a history, replayed by `tocsin backtest`.

The tables of `replay.py` bet on what comes in, a look in every minute with rows. Here a tick is ten minutes and
everything the product bets on is bet on: windows of labels as they close, how many rows each minute had, numbers that
stand still. Planted beside it: one label in ten another class, and silence, five onsets each.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from monitor.backtest.answer import Demands, incidents, report
from monitor.backtest.plants import read_plants
from monitor.backtest.replay import History, replay_history
from monitor.backtest.report import Report
from monitor.backtest.terms import Terms
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.errors import SettingsError
from monitor.facts import Schema
from monitor.panes.build import HistoryBatch
from monitor.panes.layout import Layout
from monitor.panes.reference import Reference
from monitor.panes.rows import Column, NumericColumn
from monitor.panes.schema import ColumnNames

EVERY = "10m"
PLANTS = ("label~10%", "silence")
NAMES = ColumnNames("its_answer", time="its_time", score="its_score", label="its_label")
TOLD_MAX = 12  # alerts by labels, volume and standing numbers that are listed
FAMILIES = ("labels", "volume")


@dataclass(frozen=True, slots=True, eq=False)
class Retold:
    """What `tocsin backtest` says of one stream."""

    report: Report

    def pages(self, family: str) -> int:
        """How many pages of a family."""
        return sum(rate.count for rate in self.report.rates if (rate.tier, rate.family) == ("page", family))

    def spells(self, family: str) -> int:
        """How many of its pages began while no other of the family lasted."""
        return incidents(one for one in self.report.fired if one.family == family)

    def before(self, family: str, until: float) -> int:
        """How many pages of a family began before that time."""
        return sum((one.tier, one.family) == ("page", family) and one.start < until for one in self.report.fired)

    def first(self, family: str, since: float) -> float | None:
        """Hours from `since` to the first page of a family after it; None: there is none."""
        found = [one.start for one in self.report.fired if (one.tier, one.family) == ("page", family)]
        after = [start for start in found if start >= since]
        return (min(after) - since) / 3600 if after else None

    def lines(self) -> list[str]:
        """As Markdown."""
        report = self.report
        rows = ["With labels, a tick in ten minutes (`tocsin backtest`):\n", "| tier | family | alerts | 30 days |"]
        rows.append("|---|---|---:|---:|")
        rows += [
            f"| {r.tier} | {r.family} | {r.count} | {r.per_month or 0:.2f} |"
            for r in report.rates
            if r.tier != "rollback"
        ]
        mine = [one for one in report.fired if one.tier == "page" and one.family in FAMILIES]
        rows += ["", *(f"- {_when(one.start)} {one.group}: {one.words}" for one in mine[:TOLD_MAX])]
        if len(mine) > TOLD_MAX:
            rows.append(f"- and {len(mine) - TOLD_MAX} more")
        if report.labels is not None:
            closed = f"{report.labels.by_coverage} closed by coverage, {report.labels.by_deadline} at their deadline"
            rows.append(f"- windows of labels: {closed}; {report.labels.labels:,} labels came")
        planted = (
            (f"{each.plant} on {_when(each.onset)}", _outcome(each.delay_s, each.outcome)) for each in report.planted
        )
        rows += [f"- planted {what}: {outcome}" for what, outcome in planted]
        return [*rows, *(f"- not bet on: {words}" for words in report.not_read), ""]


def retell(reference: Reference, batches: Iterable[HistoryBatch], plants: Sequence[str] = PLANTS) -> Retold:
    """Replay rows with their labels against a reference that was learned from others."""
    pack = parse_pack({"version": 1, "sequential": {"every": EVERY}}, DETECTORS)
    terms = Terms(Layout.of(reference), pack)
    with TemporaryDirectory() as folder:
        history = write(Path(folder, "live.parquet"), reference.schema, batches)
        asked = read_plants(plants, terms.layout)
        try:
            found = replay_history(terms, history, asked, lambda _: None)
        except SettingsError:  # nobody knows how many rows there should be: silence cannot be planted
            left = [plant for plant in asked if plant.column == "label"]
            found = replay_history(terms, history, left, lambda _: None)
    return Retold(report(terms, "live.parquet", found, Demands()))


def write(path: Path, schema: Schema, batches: Iterable[HistoryBatch]) -> History:
    """Write batches as one file, in the order of its times."""
    tables = [_table(schema, batch) for batch in batches]
    table = pa.concat_tables(tables, promote_options="default").combine_chunks()
    pq.write_table(table.sort_by(NAMES.time), path)
    timed = "its_label_time" in table.schema.names
    names = ColumnNames(
        NAMES.prediction,
        NAMES.time,
        NAMES.score,
        NAMES.label,
        label_time="its_label_time" if timed else None,
    )
    return History(path, schema, names)


def _table(schema: Schema, batch: HistoryBatch) -> pa.Table:
    rows, classes = batch.predictions, np.array(schema.classes, dtype=object)
    known = ~np.isnan(batch.labels)
    truths = np.full(rows.n, None, dtype=object)
    truths[known] = classes[batch.labels[known].astype(int)]
    columns = {name: _values(column) for name, column in rows.columns.items()}
    columns |= {"its_time": rows.times, "its_answer": classes[rows.outputs], "its_score": rows.scores}
    columns["its_label"] = pa.array(truths, pa.string())
    if batch.label_times is not None:
        columns["its_label_time"] = pa.array(batch.label_times, from_pandas=True)
    return pa.table(columns)


def _values(column: Column) -> pa.Array:
    if isinstance(column, NumericColumn):
        return pa.array(column.values, mask=column.missing)
    values = np.array([*column.values, None], dtype=object)
    return pa.array(values[np.where(column.codes < 0, len(values) - 1, column.codes)], pa.string())


def _outcome(delay_s: float | None, outcome: str) -> str:
    return outcome if delay_s is None else f"{outcome} after {delay_s / 3600:.1f} h"


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
