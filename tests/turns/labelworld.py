"""Hours of rows with labels, against the bands of a reference that was built from labelled rows."""

import numpy as np
from tickworld import banded
from world import SCHEMA, Turns, answer, label, profile, reference

from monitor.decisions.budget import Watch
from monitor.detectors.sequential import Ledger
from monitor.panes.layout import Layout
from monitor.settings import LabelFeed

HOUR = 3600.0
WATCH = Watch(Ledger(), 60.0)
FEED = LabelFeed(trusted_sources=("ops",))  # windows of an hour, .9 of the rows, three days


def labelling(directory, feed=FEED, **more):
    """A world whose v1 is watched under a budget, its reference labelled: one answer in three is wrong."""
    layouts = banded(profile(SCHEMA, rows=3000)), banded(Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8)))
    turns = Turns(directory, **({"watch": WATCH, "layouts": layouts} | more))
    turns.watched.settings = turns.watched.settings.model_copy(update={"labels": feed})
    turns.serve((0.0, "v1"))
    return turns


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
