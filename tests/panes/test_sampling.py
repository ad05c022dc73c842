"""The choice of rows: repeatable, bounded, and no estimate from it leans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.panes.sampling import Chosen, Flag, below, choose

SEEDS = 400
COMMON, RARE = 9_000, 30  # rows of two strata


def keys_of(seed, n):
    return np.random.default_rng(seed).integers(0, 2**64 - 1, n, np.uint64, endpoint=True)


def rare_and_common():
    return np.repeat(np.array([0, 1], np.uint8), [COMMON, RARE])


def chosen(keys, strata=None, flags=None, **how):
    strata = np.zeros(len(keys), np.uint8) if strata is None else strata
    flags = np.zeros(len(keys), np.uint32) if flags is None else flags
    return choose(keys, strata, flags, **({"share": 0.0, "per_stratum_min": 0, "flagged_max": 0} | how))


def weight(choice: Chosen, of):
    """The Horvitz-Thompson estimate of a sum over all rows."""
    return float((of[choice.rows] / choice.probability).sum())


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50), st.floats(0, 1))
def test_below_keeps_exactly_the_hashes_under_the_threshold(values, p):
    expected = [p >= 1 or value < int(min(p, 1 - 2**-53) * 2**64) for value in values]
    assert below(np.array(values, np.uint64), p).tolist() == expected


@given(st.permutations(range(60)), st.integers(0, 1_000))
def test_the_order_of_the_rows_changes_no_choice(order, seed):
    keys, strata = keys_of(seed, 60), np.arange(60, dtype=np.uint8) % 3
    flags = (np.arange(60) % 4 == 0).astype(np.uint32)
    how = {"share": 0.2, "per_stratum_min": 3, "flagged_max": 5}
    one = chosen(keys, strata, flags, **how)
    other = chosen(keys[order], strata[order], flags[order], **how)
    assert set(keys[one.rows].tolist()) == set(keys[order][other.rows].tolist())


@given(st.integers(0, 200), st.integers(0, 1_000))
def test_by_share_alone_any_split_into_folds_chooses_the_same_rows(cut, seed):
    keys = keys_of(seed, 200)
    whole = chosen(keys, share=0.3).rows.tolist()
    assert whole == chosen(keys[:cut], share=0.3).rows.tolist() + [
        cut + row for row in chosen(keys[cut:], share=0.3).rows.tolist()
    ]


def test_a_rare_stratum_is_kept_whole_when_it_is_smaller_than_its_minimum():
    choice = chosen(keys_of(1, COMMON + RARE), rare_and_common(), share=0.01, per_stratum_min=50)
    assert choice.rows[choice.rows >= COMMON].tolist() == list(range(COMMON, COMMON + RARE))
    assert set(choice.probability[choice.rows >= COMMON].tolist()) == {1.0}


def test_flagged_rows_are_all_kept_up_to_the_cap():
    flags = np.zeros(100, np.uint32)
    flags[[3, 70]] = Flag.UNSEEN | Flag.DISAGREES
    choice = chosen(keys_of(1, 100), flags=flags, flagged_max=2)
    assert (choice.rows.tolist(), choice.probability.tolist()) == ([3, 70], [1.0, 1.0])


def test_over_the_cap_exactly_the_cap_is_kept_and_the_probability_says_so():
    choice = chosen(keys_of(1, 1_000), flags=np.ones(1_000, np.uint32), flagged_max=50, share=0.5)
    assert (len(choice.rows), set(choice.probability.tolist())) == (50, {0.05})


def test_a_flagged_row_is_no_reason_to_keep_fewer_of_the_others():
    flags = np.zeros(2_000, np.uint32)
    flags[:1_000] = 1
    keys = keys_of(2, 2_000)
    alone = chosen(keys[1_000:], share=0.1).rows + 1_000
    assert chosen(keys, flags=flags, share=0.1).rows.tolist() == alone.tolist()


@pytest.mark.parametrize("share", [0.0, 0.01, 1.0])
def test_no_row_gives_no_choice(share):
    choice = chosen(keys_of(1, 0), share=share, per_stratum_min=5, flagged_max=5)
    assert len(choice.rows) == len(choice.probability) == 0


def test_the_estimated_size_of_each_group_is_right_on_average():
    """Over S seeds the mean estimate of n rows at probability p has standard error sqrt(n (1 - p) / p / S).

    Three groups, each within 4.5 of its errors: false alarm 2e-5. Strata: p = 0.02 and 10 / 30. Flagged: a fixed
    number at a fixed probability, so its estimate is exact.
    """
    strata = rare_and_common()
    flags = np.zeros(len(strata), np.uint32)
    flags[:500] = 1
    how = {"share": 0.02, "per_stratum_min": 10, "flagged_max": 40}
    choices = [chosen(keys_of(seed, len(strata)), strata, flags, **how) for seed in range(SEEDS)]
    for group, n, p in ((strata == 1, RARE, 1 / 3), ((strata == 0) & (flags == 0), COMMON - 500, 0.02)):
        mean = np.mean([weight(choice, group.astype(float)) for choice in choices])
        assert abs(mean - n) < 4.5 * np.sqrt(n * (1 - p) / p / SEEDS)
    assert {round(weight(choice, flags.astype(float))) for choice in choices} == {500}


def test_the_estimated_sum_of_a_value_among_capped_flagged_rows_is_right_on_average():
    """Simple random samples of k of n: the estimated total has variance n^2 (1 - k/n) s^2 / k (Cochran 1977, 2.3)."""
    n, k = 300, 30
    values = np.random.default_rng(5).exponential(size=n)
    flags = np.ones(n, np.uint32)
    totals = [weight(chosen(keys_of(seed, n), flags=flags, flagged_max=k), values) for seed in range(SEEDS)]
    error = np.sqrt(n**2 * (1 - k / n) * values.var(ddof=1) / k / SEEDS)
    assert abs(np.mean(totals) - values.sum()) < 4.5 * error


def test_without_its_probabilities_the_sample_leans():
    """The test above has teeth: unweighted, the rare stratum looks many times as common as it is."""
    strata = rare_and_common()
    choice = chosen(keys_of(1, len(strata)), strata, share=0.02, per_stratum_min=10)
    assert np.mean(strata[choice.rows]) > 5 * RARE / len(strata)
