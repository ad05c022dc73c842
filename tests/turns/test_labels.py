"""One label per prediction and source; only its own source corrects it; every split of arrivals counts the same."""

import itertools
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from monitor.store.protocol import StoredLabel
from monitor.turns.labels import Arrived, Effect, Weight, join, truths

TRUSTED = {"ops", "audit"}.__contains__


def arrived(source, label, key=1, time=10.0):
    return Arrived(key, source, label, time)


def run(*labels, known=frozenset({1}), held=None):
    return join(labels, known=known, held=held or {}, trusted=TRUSTED)


def net(effects):
    """What the effects add up to, per (weight, prediction, label)."""
    total = Counter()
    for effect in effects:
        total[(effect.weight, effect.key, effect.label)] += effect.sign
    return {cell: count for cell, count in total.items() if count}


def test_a_trusted_label_counts_as_the_truth():
    assert run(arrived("ops", 1)).effects == [Effect(1, 1, 10.0, Weight.OUTCOME, +1)]


def test_an_untrusted_label_moves_only_agreement():
    assert net(run(arrived("crowd/7", 1)).effects) == {(Weight.AGREEMENT, 1, 1): 1}


def test_a_hostile_source_cannot_overwrite_a_trusted_label():
    result = run(arrived("ops", 1), arrived("crowd/7", 0), arrived("crowd/7", 1), arrived("crowd/7", 0))
    assert net(result.effects)[(Weight.OUTCOME, 1, 1)] == 1
    assert (Weight.OUTCOME, 1, 0) not in net(result.effects)


def test_the_same_source_corrects_its_label_by_minus_the_old_plus_the_new():
    result = run(arrived("ops", 1), arrived("ops", 0, time=99.0))
    assert net(result.effects) == {(Weight.OUTCOME, 1, 0): 1}
    assert result.corrected == 1


def test_a_correction_keeps_the_time_of_the_first_label_so_that_lag_stays():
    result = run(arrived("ops", 1), arrived("ops", 0, time=99.0))
    assert {effect.time for effect in result.effects} == {10.0}


def test_a_repeated_label_counts_once():
    result = run(arrived("ops", 1), arrived("ops", 1))
    assert (len(result.effects), result.repeated) == (1, 1)


def test_a_prediction_counts_once_however_many_trusted_sources_label_it():
    result = run(arrived("ops", 1), arrived("audit", 0))
    assert net(result.effects) == {(Weight.OUTCOME, 1, 1): 1}
    assert result.held[(1, "audit")].weight is Weight.NOTHING


def test_a_label_without_its_prediction_waits_and_the_last_of_a_source_waits():
    result = run(arrived("ops", 1), arrived("ops", 0), known=frozenset())
    assert not result.effects
    assert [label.label for label in result.waiting.values()] == [0]


def test_a_label_that_is_corrected_while_it_waits_keeps_its_turn_and_its_time():
    result = run(arrived("ops", 1), arrived("audit", 1), arrived("ops", 0, time=99.0), known=frozenset())
    assert list(result.waiting.values()) == [arrived("ops", 0), arrived("audit", 1)]


LABELS = st.lists(
    st.builds(arrived, st.sampled_from(["ops", "audit", "crowd/1", "crowd/2"]), st.integers(0, 2), st.integers(1, 3)),
    max_size=30,
)


@given(LABELS, st.lists(st.integers(0, 30), max_size=4))
def test_any_split_into_folds_gives_the_same_counts(labels, cuts):
    whole = join(labels, known={1, 2, 3}, held={}, trusted=TRUSTED)
    edges = sorted({0, *cuts, len(labels)})
    effects, held = [], {}
    for low, high in itertools.pairwise(edges):
        by_key = {}
        for one in held.values():
            by_key.setdefault(one.key, []).append(one)
        part = join(labels[low:high], known={1, 2, 3}, held=by_key, trusted=TRUSTED)
        effects += part.effects
        held |= part.held
    assert net(effects) == net(whole.effects)
    assert held == whole.held


@given(LABELS)
def test_every_prediction_has_at_most_one_truth(labels):
    total = net(join(labels, known={1, 2, 3}, held={}, trusted=TRUSTED).effects)
    for key in (1, 2, 3):
        truths = [count for (weight, k, _), count in total.items() if weight is Weight.OUTCOME and k == key]
        assert truths in ([], [1])


def test_a_label_whose_prediction_was_sampled_out_is_counted_and_does_not_wait():
    result = join(
        [arrived("ops", 1, key=2), arrived("ops", 1, key=3)], known={1}, held={}, trusted=TRUSTED, sampled_out={2}
    )
    assert result.sampled_out == 1
    assert list(result.waiting) == [(3, "ops")]
    assert result.effects == []


def test_the_truth_of_a_prediction_is_the_label_that_counts():
    stored = [
        StoredLabel("m", 1, "crowd/7", 0.0, Weight.AGREEMENT.value, 10.0, 5.0),
        StoredLabel("m", 1, "ops", 2.5, Weight.OUTCOME.value, 10.0, 5.0),
        StoredLabel("m", 2**64 - 1, "audit", 1.0, Weight.NOTHING.value, 10.0, 5.0),
    ]
    found = truths(stored, np.array([2**64 - 1, 1, 1], np.uint64))
    assert np.array_equal(found, [np.nan, 2.5, 2.5], equal_nan=True)


def test_a_regression_label_is_corrected_like_any_other():
    result = run(arrived("ops", 1.25), arrived("ops", 1.5))
    assert net(result.effects) == {(Weight.OUTCOME, 1, 1.5): 1}
