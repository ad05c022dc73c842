"""Small simulated histories as files, the profile that was built of the first days, and packs to judge them by."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.worlds import GRID, W1, Block, draw
from bench.worlds_panes import MONDAY, history, rows, schema
from monitor.backtest.replay import History, Replayed, replay_history
from monitor.backtest.terms import Terms
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.panes.build import build_reference
from monitor.panes.layout import Layout
from monitor.panes.schema import ColumnNames

WORLD = replace(W1, features=3, rows=30.0)
DAYS = 4  # of the reference; what is live begins after them
START = 60.0 * (MONDAY + DAYS * 1440)  # seconds: the first live minute
NAMES = ColumnNames("answer", time="at")
SCHEMA = """
model: W1
features: {f0: numeric, f1: numeric, f2: numeric}
classes: ["no", "yes"]
positive: "yes"
columns: {prediction: answer, time: at}
"""


@cache
def built():
    """The profile of the first days."""
    return build_reference(lambda: history(WORLD, 1, DAYS), schema(WORLD), lambda _: None)


def terms(*rules, **sequential) -> Terms:
    """The profile under a pack with a budget and these rules."""
    document = {"version": 1, "sequential": sequential, "readings": [], "rules": list(rules)}
    return Terms(Layout.of(built()), parse_pack(document, DETECTORS))


@cache
def live(minutes: int, seed: int = 2, shift: float = 0.0, since: int = 0) -> pa.Table:
    """What came after the reference's days; f1 moved by `shift` sigma from minute `since` on."""

    def moves(at):
        return np.outer(at >= DAYS * 1440 + since, [0.0, shift, 0.0])

    blocks = draw(WORLD, seed, minutes, moves, start=DAYS * 1440)
    return pa.concat_tables([table(block) for block in blocks])


def table(block: Block) -> pa.Table:
    found = rows(WORLD, block)
    columns = {name: column.values for name, column in found.columns.items()}
    answers = np.array(["no", "yes"])[found.outputs]
    return pa.table({"at": found.times, "answer": answers} | columns)


def written(folder: Path, rows: pa.Table, name: str = "live.parquet") -> History:
    """The table as a file."""
    path = folder / name
    pq.write_table(rows, path)
    return History(path, schema(WORLD), NAMES)


def replayed(folder: Path, rows: pa.Table, *rules, plants=(), **more) -> Replayed:
    """Replay a table."""
    return replay_history(terms(*rules), written(folder, rows), plants, lambda _: None, **more)


def grid(values):
    """On the grid of the world."""
    return np.round(np.asarray(values) * GRID) / GRID
