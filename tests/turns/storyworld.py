"""Hours of rows with labels, as a daemon gets them and as a history file, and a profile whose bands know all of it."""

from dataclasses import dataclass, field
from functools import cache
from math import inf

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec.structs import replace
from tickworld import banded
from world import SCHEMA, answer, label, profile, reference

from monitor.backtest.replay import History
from monitor.panes.layout import Layout
from monitor.panes.rhythm import Band
from monitor.panes.schema import ColumnNames
from monitor.panes.signals import Signals, What
from monitor.panes.volume import Volume
from monitor.settings import LabelFeed

HOUR = 3600.0
NAMES = ColumnNames("answer", time="at", score="p", label="truth", label_time="told")
USUAL = Volume((8,) * 24, (12,) * 24)
PROMPT = 20.0  # seconds from a row to its label


@dataclass(frozen=True)
class Story:
    """Rows, ten a minute, and labels of nine in ten, until most are wrong, nobody sends, or `x` stands still or moves.

    Labels come `lag_s`, twice or three times that after their rows; none of rows from `unlabelled_from` on.
    """

    hours: float = 5.0
    wrong_from: float = inf
    right_from: float = inf  # again
    unlabelled_from: float = inf
    silence: tuple[float, float] = (inf, inf)
    stuck_from: float = inf
    moved: tuple[tuple[float, float], ...] = ()  # hours in which `x` comes from the upper half
    volume: Volume | None = USUAL  # None: nobody counts minutes
    lag_s: float = PROMPT
    feed: LabelFeed = field(default_factory=lambda: LabelFeed(trusted_sources=("ops",), close_coverage=0.8))

    def rows(self):
        """Every row, and its label or None."""
        rng = np.random.default_rng(5)
        for minute in range(round(60 * self.hours)):
            hour = minute / 60
            if self.silence[0] <= hour < self.silence[1]:
                continue
            for nth in range(10):
                row = answer(SCHEMA, rng, f"{minute}-{nth}", 60.0 * minute + 5 * nth)
                if hour >= self.stuck_from:
                    row = replace(row, features=row.features | {"x": 0.4})
                if any(since <= hour < until for since, until in self.moved):
                    row = replace(row, features=row.features | {"x": 0.5 + row.features["x"] / 2})
                wrong = (nth % 3 == 0) != (self.wrong_from <= hour < self.right_from)
                given = label(row.id, float(row.output ^ wrong), row.time + self.lag_s * (1 + nth % 3))
                yield row, given if nth and hour < self.unlabelled_from else None


@cache
def layouts(volume=USUAL):
    """Of v1, whose minutes, with a `volume`, and labels have bands too, and of v2."""
    other = Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
    plain = banded(profile(SCHEMA, rows=3000), volume=volume)
    return plain if volume is None else still(plain), banded(other)


def still(layout):
    """The layout with a band of numbers that stand still: next to no minute."""
    rhythm, stale = layout.reference.rhythm, Band(0.0, 5000.0, 0.0, 0.005, 0.0)
    signals = zip(Signals.table(layout).signals, rhythm.signals, strict=True)
    bands = tuple(stale if signal.what is What.STALE else band for signal, band in signals)
    return Layout.of(replace(layout.reference, rhythm=replace(rhythm, signals=bands)))


def history(directory, story):
    """The rows as a file, labels beside them."""
    pairs = list(story.rows())
    names = ("no", "yes")
    columns = {
        "at": [row.time for row, _ in pairs],
        "answer": [names[row.output] for row, _ in pairs],
        "p": [row.score for row, _ in pairs],
        "truth": [None if said is None else names[int(said.label)] for _, said in pairs],
        "told": [None if said is None else said.time for _, said in pairs],
    }
    columns |= {name: [row.features[name] for row, _ in pairs] for name in ("x", "c")}
    pq.write_table(pa.table(columns), directory / "history.parquet")
    return History(directory / "history.parquet", SCHEMA, NAMES)
