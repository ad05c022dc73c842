"""What is watched beside columns: the reference lies in its own bands, and what is planted lies outside of them."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from watchedworld import MONDAY_S, Fault, beyond, built, label_counts, learned, receipts, row_counts, schema, stream

from monitor.facts import Family, Task
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_repeated
from monitor.panes.label_margins import place_labels
from monitor.panes.layout import Layout
from monitor.panes.reference import digest, encode_reference
from monitor.panes.rhythm_count import Labelled, Plan, Tally
from monitor.panes.rhythm_labels import NO_LABELS
from monitor.panes.signals import Signals, What


def whats(signals):
    return {signal.what for signal in signals}


def planted_rows(**fault):
    """Signals that a day of rows with a fault puts outside of their bands."""
    layout, table = learned()
    return beyond(layout, table, table.count(row_counts(layout, stream(5, days=1, fault=Fault(**fault)))))


def planted_labels(write, task=Task.CLASSIFICATION, **fault):
    layout, table = learned(task)
    return beyond(
        layout, table, table.count_labels(label_counts(layout, stream(5, fault=Fault(**fault), task=task), write))
    )


@pytest.mark.parametrize("task", Task)
def test_the_reference_lies_inside_its_own_bands(task):
    layout, table = learned(task)
    counts = layout.reference_pane().counts
    assert beyond(layout, table, table.count(counts)) == []
    assert beyond(layout, table, table.count_labels(counts)) == []


def test_everything_that_history_can_tell_has_a_band():
    layout, table = learned()
    known = Counter(
        s.what for s, b in zip(table.signals, layout.reference.rhythm.signals, strict=True) if b.centre is not None
    )
    others = {What.HIT, What.PAIRED_LOSS, What.SEGMENT_ERROR}  # of other tasks, and of other tables
    assert set(What) - set(known) == others
    assert (known[What.CONCORDANT], known[What.CONTENT], known[What.RATE], known[What.STALE]) == (1, 64, 3, 2)
    assert known[What.SLICE_ERROR] == 3 + 2 * 5


def test_rows_say_nothing_of_labels_and_labels_nothing_of_rows():
    _, table = learned()
    counts = learned()[0].reference_pane().counts
    rows, labels = table.count(counts), table.count_labels(counts)
    assert not rows.n[table.labels].any()
    assert not labels.n[: table.labels.start].any()
    told = {s.what: n for s, n in zip(table.signals[table.labels], labels.n[table.labels].tolist(), strict=True)}
    assert {what for what, n in told.items() if not n} == {What.PAIRED_ERROR, What.AGREEMENT}
    assert not labels.bins.any()


def test_two_numbers_that_come_apart_are_seen():
    assert What.CONCORDANT not in whats(planted_rows())
    found = [s for s in planted_rows(correlation=0.3) if s.what is What.CONCORDANT]
    assert [(s.group, s.column) for s in found] == [("features/pairs", "x & y")]


def test_numbers_that_come_apart_move_no_column_of_their_own():
    assert whats(planted_rows(correlation=0.3)) == {What.CONCORDANT}


def test_copies_fill_one_bucket():
    found = [s for s in planted_rows(copies=0.05) if s.what is What.CONTENT]
    assert len(found) == 1
    assert (found[0].family, found[0].group) == (Family.QUALITY, "quality/contents")
    assert What.CONTENT not in whats(planted_rows())


def test_ids_that_come_again_are_outside_above_two_in_a_hundred():
    layout, table = learned()
    rows = row_counts(layout, stream(5, days=1))
    seen = [whats(beyond(layout, table, table.count(rows + count_repeated(layout, n).counts))) for n in (200, 400)]
    assert [What.REPEATED in found for found in seen] == [False, True]


def test_errors_of_one_slice_are_told_from_those_of_others(receipts_of):
    found = planted_labels(receipts_of, blue_wrong=0.15)
    assert [(s.column, s.item) for s in found if s.what is What.SLICE_ERROR] == [("c", "blue")]
    assert {s.family for s in found} == {Family.LABELS}


def test_errors_anywhere_are_seen_in_the_whole_the_classes_and_the_calibration(receipts_of):
    found = planted_labels(receipts_of, wrong=0.15)
    assert {What.ERROR, What.CLASS_ERROR, What.CALIBRATION, What.SLICE_ERROR} <= whats(found)
    assert planted_labels(receipts_of) == []


def test_a_bias_is_seen_on_its_side_and_in_slices(receipts_of):
    above = planted_labels(receipts_of, Task.REGRESSION, bias=0.8)
    assert whats(above) == {What.ERROR, What.SLICE_ERROR}
    assert all(s.rises for s in above)
    below = planted_labels(receipts_of, Task.REGRESSION, bias=-0.8)
    assert all(s.falls for s in below if s.what is What.ERROR)
    assert What.ERROR in whats(below)


def test_smaller_errors_are_no_alarm():
    _, table = learned(Task.REGRESSION)
    outer = [s for s in table.signals if s.what is What.ERROR]
    assert (outer[0].rises, outer[0].falls, outer[-1].rises, outer[-1].falls) == (False, True, True, False)
    assert [s for s in outer if s.rises and s.falls] == [outer[4]]


def test_lists_whose_relevant_item_stands_further_down_are_seen(receipts_of):
    found = planted_labels(receipts_of, Task.RANKING, place=4)
    hits = [s.item for s in found if s.what is What.HIT]
    assert hits == ["in the first 1", "in the first 3", "in the first 5", "in the first 10"]
    assert planted_labels(receipts_of, Task.RANKING) == []


def test_without_labels_nothing_is_known_of_errors():
    batch = stream(2, days=3)
    reference = built(HistoryBatch(batch.predictions, np.full(batch.predictions.n, NO_LABEL)))
    table = Signals.table(Layout.of(reference))
    bands = dict(zip(table.signals[table.labels], reference.rhythm.signals[table.labels], strict=True))
    assert {s.what for s, band in bands.items() if band.centre is not None} == {What.PAIRED_ERROR}
    assert {band.why for s, band in bands.items() if s.what is What.ERROR} == {NO_LABELS}


def test_words_of_a_sensitive_feature_are_places_and_its_name_is_a_name():
    table = Signals.table(Layout.of(built(stream(2, days=2, rows_a_minute=2), sensitive=("x", "c"))))
    slices = {s.item for s in table.signals if s.what is What.SLICE_ERROR and s.column in {"x", "c"}}
    assert slices == {
        "0 % to 20 %",
        "20 % to 40 %",
        "40 % to 60 %",
        "60 % to 80 %",
        "80 % to 100 %",
        *(f"category {i}" for i in (1, 2, 3)),
    }
    assert "x & y" in {s.column for s in table.signals}


@pytest.mark.parametrize("task", Task)
def test_history_is_counted_by_slots_as_panes_are(task, receipts_of):
    layout, table = learned(task)
    batch = stream(3, days=2, task=task)
    batch.labels[::7] = NO_LABEL
    tally = Tally(table.margins, Plan.of(np.array([0, 1]) + int(MONDAY_S // 86_400), table.margins.size))
    found, labels = receipts(layout, batch, receipts_of)
    labelled = Labelled(np.flatnonzero(~np.isnan(batch.labels)), place_labels(layout, found, labels))
    tally.update(bin_rows(layout, batch.predictions), batch.predictions.times, labelled)
    whole = table.margins.sum(row_counts(layout, batch) + label_counts(layout, batch, receipts_of))
    assert np.array_equal(slots_of(table, tally), whole)


def slots_of(table, tally):
    """All slots added up, a column of marginal cells at a time."""
    ends = [*tally._starts, table.margins.size]
    parts = [tally.by_slot(*each).sum(axis=0) for each in pairwise(ends) if each[0] < each[1]]
    return np.concatenate(parts)


@pytest.mark.parametrize("task", list(Task))
def test_a_digest_is_that_of_the_data_however_it_came(task):
    whole, facts = stream(3, days=3, rows_a_minute=2, task=task), schema(task)
    cuts = [np.arange(first, min(first + 997, len(whole.labels))) for first in range(0, len(whole.labels), 997)]
    parts = [HistoryBatch(whole.predictions.take(rows), whole.labels[rows]) for rows in cuts]
    references = [build_reference(lambda given=given: iter(given), facts, lambda _: None) for given in ([whole], parts)]
    assert references[0].rhythm.timed
    assert len({digest(encode_reference(reference)) for reference in references}) == 1
