"""Of a regression's pairs, how much the served model errs more: a mean that is bet on as a share is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from watchedworld import learned, receipts, stream

from monitor.facts import FIXED_POINT, Task
from monitor.panes.errors import split_sums, worse_rows
from monitor.panes.outcomes import count_outcomes
from monitor.panes.rhythm_labels import NO_LABELS, complete_labels
from monitor.panes.signals import What
from monitor.panes.tilts import ETAS

SHARES = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=5)


def counted(known_good, receipts_of, sign=1):
    """The layout, its table and one day's pane, whose known-good said `known_good(values, labels)`."""
    (layout, table), batch = learned(Task.REGRESSION), stream(3, days=1, task=Task.REGRESSION)
    found, labels = receipts(layout, batch, receipts_of)
    found["known_good_value"] = known_good(found["value"], labels)
    rest = {"lags_s": np.full(len(labels), np.nan), "sign": np.full(len(labels), sign, np.int8)}
    return layout, table, found, labels, count_outcomes(layout, receipts=found, labels=labels, **rest).counts


def told(table, counts):
    said = table.count_labels(counts)
    [at] = [i for i, s in enumerate(table.signals) if s.what is What.PAIRED_LOSS]
    return int(said.x[at]), int(said.n[at])


def test_it_is_the_cut_difference_of_errors_in_scales_shared_out_over_the_pairs(receipts_of):
    def beside(values, labels):
        return labels + np.where(np.arange(len(values)) % 2, 0.0, 50.0)

    layout, table, found, labels, counts = counted(beside, receipts_of)
    scale = layout.reference.error_scale
    apart = np.abs(found["value"] - labels) - np.abs(found["known_good_value"] - labels)
    exact = ((1 + np.clip(apart / scale, -1, 1)) / 2).sum()
    x, n = told(table, counts)
    assert (x, n) == (math.floor(exact + 1e-6), len(labels))
    assert (np.abs(apart) > scale).mean() > 0.1, "some are cut"


def test_two_models_that_err_as_much_share_the_pairs(receipts_of):
    _, table, _, labels, counts = counted(lambda values, labels: 2 * labels - values, receipts_of)
    assert told(table, counts)[0] == pytest.approx(len(labels) / 2, abs=1)


def test_rows_that_nobody_else_answered_are_no_pairs(receipts_of):
    _, table, _, _, counts = counted(lambda values, labels: np.full(len(values), np.nan), receipts_of)
    assert told(table, counts) == (0, 0)


def test_a_label_that_is_taken_back_takes_back_what_it_added(receipts_of):
    more, less = (counted(lambda v, labels: labels + 0.3, receipts_of, sign)[-1] for sign in (1, -1))
    assert not (more + less).any()


@given(st.lists(st.floats(-1, 1), max_size=40))
def test_it_never_says_more_than_the_rows_did_nor_a_whole_row_less(apart):
    rows = np.array(apart)
    high, low = split_sums([rows], np.ones(len(rows), np.int64)).tolist()
    exact = float(((1 + rows) / 2).sum())
    assert exact - 1 - len(rows) / FIXED_POINT < worse_rows(len(rows), high, low) <= exact + len(rows) / FIXED_POINT


@given(SHARES, st.data())
def test_the_bet_on_a_mean_of_values_in_0_to_1_gains_nothing_at_its_edge_whatever_their_law(values, data):
    """E[e^(eta s)] <= 1 + u (e^eta - 1), u the mean of s."""
    weights = np.array(data.draw(st.lists(st.floats(0.01, 1), min_size=len(values), max_size=len(values))))
    law, s = weights / weights.sum(), np.array(values)
    for eta in ETAS:
        assert law @ np.exp(eta * s) <= (1 + (law @ s) * np.expm1(eta)) * (1 + 1e-12)


def test_the_null_is_one_half_and_the_tolerance_and_rows_hang_together_as_errors_do():
    layout, table = learned(Task.REGRESSION)
    rhythm = layout.reference.rhythm
    [at] = [i for i, s in enumerate(table.signals) if s.what is What.PAIRED_LOSS]
    assert rhythm.bounds(0).high[at] == pytest.approx(0.52, abs=1e-5)
    cuts = [b.design for s, b in zip(table.signals, rhythm.signals, strict=True) if s.what is What.ERROR]
    assert rhythm.signals[at].design == max(cuts) >= 1


def test_without_labels_in_the_history_the_design_effect_is_the_assumed_one_and_errors_are_unknown():
    table, rhythm = learned(Task.REGRESSION)[1], learned(Task.REGRESSION)[0].reference.rhythm
    signals, bands = table.signals[table.labels], rhythm.signals[table.labels]
    none = [replace(band, centre=None, why="few") for band in bands]
    found = dict(zip(signals, complete_labels(signals, none, labelled=False, design=4.0), strict=True))
    assert [b.design for s, b in found.items() if s.what is What.PAIRED_LOSS] == [4.0]
    assert {b.why for s, b in found.items() if s.what is What.ERROR} == {NO_LABELS}
