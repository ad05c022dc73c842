"""Hours of rows with labels, against the bands of a reference that was built from labelled rows.

What windows of labels must bear, whether they are of the whole or of segments, is lived through here: any split, stop
and start (`live_through`), and a death around the commit of a window that closes (`cut_off`).
"""

import numpy as np
import pytest
from hypothesis import strategies as st
from msgspec.structs import replace
from tickworld import armed, banded
from world import SCHEMA, Killed, Turns, answer, label, profile, reference

from monitor.decisions.budget import Watch
from monitor.detectors.sequential import Ledger
from monitor.panes.layout import Layout
from monitor.settings import LabelFeed
from monitor.turns.ticking import Armed

HOUR = 3600.0
WATCH = Watch(Ledger(), 60.0)
FEED = LabelFeed(trusted_sources=("ops",))  # windows of an hour, .9 of the rows, three days
STEPS = st.sampled_from(["", "fold", "restart", "fold restart", "lost", "lost fold restart"])  # of an hour


def labelling(directory, feed=FEED, **more):
    """A world whose v1 is watched under a budget, its reference labelled: one answer in three is wrong."""
    layouts = banded(profile(SCHEMA, rows=3000)), banded(Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8)))
    turns = Turns(directory, **({"watch": WATCH, "layouts": layouts} | more))
    change_settings(turns, labels=feed)
    turns.serve((0.0, "v1"))
    return turns


def change_settings(turns, **changes):
    """As a reload does."""
    turns.watched.settings = turns.watched.settings.model_copy(update=changes)


def hour(at, n=120, wrong=lambda i, row: i % 3 == 0):
    """Rows of the hour `at`, and the labels that say of which the answer was wrong."""
    rng = np.random.default_rng(int(at) + 11)
    rows = [answer(SCHEMA, rng, f"{at}-{i}", HOUR * at + i) for i in range(n)]
    said = [label(row.id, float(row.output ^ bool(wrong(i, row))), row.time + 600.0) for i, row in enumerate(rows)]
    return rows, said


def hours(turns, first, last, labels=True, **rest):
    """Rows, labels and a look each hour; what the last look found."""
    found = None
    for at in range(first, last):
        rows, said = hour(at, **rest)
        turns.count(rows)
        if labels:
            turns.count(said)
        found = turns.looked(HOUR * (at + 1) + 60.0)
    return found


def live_through(turns, steps, **rest):
    """An hour for each of the steps; what the last look found, and the state that is stored, whatever its fold."""
    for at, what in enumerate(steps):
        rows, said = hour(at, **rest)
        turns.count(rows)
        turns.send(said[:60])
        if "fold" in what:
            turns.count()
        if "restart" in what:
            turns.restart()
            turns.serve((0.0, "v1"))
        turns.count(said[60:])
        if "lost" in what:
            turns.looked(HOUR * (at + 1) + 60, commit=False)
        found = turns.looked(HOUR * (at + 1) + 60)
    kept = armed(turns)
    turns.close()
    return found, replace(kept, fold=0)


def cut_off(turns, moment):
    """Die "before" or "after" the commit of the bets of a window that closes, start, and look twice more."""
    turns.settle(0.0)
    change_settings(turns, labels=FEED)
    turns.send(*hour(0))
    turns.dies(moment, lambda put: isinstance(put, Armed))
    with pytest.raises(Killed):
        turns.settle(HOUR + 60)
    turns.restart()
    turns.settle(HOUR + 60)
    turns.settle(HOUR + 120)
    return armed(turns)
