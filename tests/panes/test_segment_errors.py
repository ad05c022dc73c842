"""The bands of segments' errors: their own where the history has them, what the others leave, wider, or unknown."""

from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace
from watchedworld import label_counts, learned, stream

from monitor.facts import Task
from monitor.panes.rhythm import Band
from monitor.panes.sections import OTHER
from monitor.panes.segment_errors import NO_LABELS, NOT_APART, SAID, TOO_WIDE, count_part, watch_segments
from monitor.panes.segments import Chosen, Segments
from monitor.panes.signals import What

MANY = 1000


@cache
def watched(task=Task.CLASSIFICATION, most=MANY, **columns):
    layout, table = learned(task)
    segments = Segments.of({name: Chosen(values) for name, values in columns.items()}, layout)
    return table, {part.segment: part for part in watch_segments(table, layout.reference.rhythm, segments, most)}


def slice_band(task, value):
    layout, table = learned(task)
    [place] = [i for i, s in enumerate(table.signals) if (s.what, s.column, s.item) == (What.SLICE_ERROR, "c", value)]
    return layout.reference.rhythm.signals[place]


def borrowing(**changes):
    """The table, whose slices are all known but for the category blue's, and what is watched then."""
    layout, table = learned()
    rhythm = layout.reference.rhythm
    bands = list(rhythm.signals)
    for place, signal in enumerate(table.signals):
        if signal.what is What.SLICE_ERROR and signal.item == "blue":
            bands[place] = Band(None, 0.0, 0.0, 0.0, 1.0, why="few")
        elif signal.what is What.SLICE_ERROR and changes:
            bands[place] = replace(bands[place], **changes)
    segments = Segments.of({"c": Chosen(("blue",))}, layout)
    found = watch_segments(table, replace(rhythm, signals=tuple(bands)), segments, MANY)
    return {part.segment: part for part in found}["c=blue"]


@pytest.mark.parametrize("task", [Task.CLASSIFICATION, Task.REGRESSION])
def test_a_category_that_the_history_has_a_slice_of_has_that_band(task):
    _, parts = watched(task, c=("red", "blue"))
    assert parts["c=blue"].band == slice_band(task, "blue")
    assert parts["c=blue"].band.centre is not None


def test_the_pooled_segment_has_the_error_of_what_the_named_ones_leave():
    _, parts = watched(c=("red", "blue"))
    own, pooled = slice_band(Task.CLASSIFICATION, "green"), parts[f"c={OTHER}"]
    assert pooled.band.centre == pytest.approx(own.centre, abs=1e-5)  # green is all that is left
    assert pooled.labelled == learned()[0].reference.rows - parts["c=red"].labelled - parts["c=blue"].labelled


def test_the_pooled_band_is_as_wide_as_its_widest_kin():
    _, parts = watched(c=("red", "blue"))
    kin, pooled = [parts["c=red"].band, parts["c=blue"].band], parts[f"c={OTHER}"].band
    assert pooled.design >= max(band.design for band in kin)
    assert pooled.reach >= max(band.reach for band in kin)
    assert pooled.wander / pooled.spread >= max(band.wander / band.spread for band in kin) * (1 - 1e-5)


def test_a_rare_category_borrows_the_whole_s_error_and_how_much_slices_differ():
    own, lent = slice_band(Task.CLASSIFICATION, "blue"), borrowing().band
    assert lent.centre == pytest.approx(own.centre, abs=0.02)  # here all categories err alike
    assert lent.wander > own.wander
    assert lent.reach >= own.reach


def test_where_slices_differ_by_too_much_a_rare_category_is_unknown():
    assert (borrowing(wander=0.5).band.centre, borrowing(wander=0.5).band.why) == (None, TOO_WIDE)


def test_what_senders_say_is_unknown():
    _, parts = watched(device=("ios",))
    assert {part.band.why for part in parts.values()} == {SAID}


def test_of_a_regression_what_has_no_slice_is_unknown():
    _, parts = watched(Task.REGRESSION, c=("red", "blue"))
    assert parts[f"c={OTHER}"].band.why == NOT_APART


def test_a_pooled_segment_of_which_nothing_came_is_unknown():
    _, parts = watched(c=("red", "green", "blue"))
    pooled = parts[f"c={OTHER}"]
    assert (pooled.rows, pooled.band.centre, pooled.band.why) == (0, None, NO_LABELS)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_the_known_ones_come_first_and_of_them_the_most_frequent(most):
    _, parts = watched(most=most, device=("ios",), c=("green", "red"))
    assert list(parts) == ["c=red", "c=green", f"c={OTHER}"][:most]


@pytest.mark.parametrize("task", Task)
def test_a_segment_s_pane_is_read_as_its_slice_of_the_whole(task, receipts_of):
    table, parts = watched(task, c=("blue",))
    layout, batch = learned(task)[0], stream(3, days=1, task=task)
    blue = np.flatnonzero(batch.predictions.columns["c"].codes == 2)
    part = type(batch)(batch.predictions.take(blue), batch.labels[blue])
    mine, whole = (label_counts(layout, each, receipts_of) for each in (part, batch))
    extended = table.beside((parts["c=blue"].signal,))
    at = len(table.signals)
    found = count_part(extended, at, parts["c=blue"], mine)
    [place] = [i for i, s in enumerate(table.signals) if (s.what, s.item) == (What.SLICE_ERROR, "blue")]
    counted = table.count_labels(whole)
    assert (found.x[at], found.n[at]) == (counted.x[place], counted.n[place])
    assert (found.n.sum(), found.n[at] > 0) == (found.n[at], True)
