"""Which features carry a change of the answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.panes.carriers import LISTED_MAX, MOVED_MIN, carriers
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.reference import CategoryBins, NumericBins

N = 20_000
X, C = NumericBins("x", (0.0, 1.0, 2.0)), CategoryBins("c", ("red", "blue"))


@pytest.fixture
def layout(layout_of):
    return layout_of(X, C)


@pytest.fixture
def pane(layout, rows):
    """Rows of which `high` have a large x and `red` are red; the answer is 1 for `late` by (x is large)."""

    def count(high=0.5, red=0.5, late=(0.2, 0.8), seed=1):
        rng = np.random.default_rng(seed)
        large, reds = rng.random(N) < high, rng.random(N) < red
        outputs = (rng.random(N) < np.where(large, late[1], late[0])).astype(np.uint8)
        columns = {"x": np.where(large, 1.5, 0.5).tolist(), "c": np.where(reds, "red", "blue").tolist()}
        return count_rows(layout, bin_rows(layout, rows(columns, outputs=outputs)))

    return count


def explained(layout, reference, current):
    return {each.feature: each.explained for each in carriers(layout, reference, current)}


def test_a_feature_that_moved_the_answers_explains_them_all(layout, pane):
    found = explained(layout, pane(), pane(high=0.9, seed=2))
    assert found["x"] > 0.95
    assert found.get("c", 0.0) < 0.05


def test_a_feature_that_moved_and_that_the_answers_do_not_follow_explains_nothing(layout, pane):
    found = explained(layout, pane(), pane(high=0.9, red=0.9, seed=2))
    assert (found["x"] > 0.95, found.get("c", 0.0) < 0.05) == (True, True)


def test_answers_that_changed_for_the_same_input_are_carried_by_no_feature(layout, pane):
    assert max(explained(layout, pane(), pane(late=(0.5, 0.95), seed=2)).values(), default=0.0) < 0.05


def test_a_feature_that_pulls_the_other_way_explains_nothing(layout, pane):
    assert "x" not in explained(layout, pane(), pane(high=0.3, late=(0.7, 0.9), seed=2))


def test_nothing_is_said_of_answers_that_hardly_moved(layout, pane):
    reference, current = pane(), pane(seed=2)
    assert abs(reference.counts[layout.output][1] - current.counts[layout.output][1]) / N < MOVED_MIN
    assert carriers(layout, reference, current) == ()


def test_nothing_is_said_of_few_rows(layout, pane):
    assert carriers(layout, pane(), layout.empty()) == ()


def test_panes_of_other_bins_are_refused(layout, layout_of, pane):
    with pytest.raises(ValueError, match="was read as one of"):
        carriers(layout_of(X, C, name="sha256:other"), pane(), pane())


def test_a_bin_that_the_reference_never_had_does_not_break_it(layout, rows, pane):
    strange = count_rows(layout, bin_rows(layout, rows({"x": [9.0] * N, "c": ["green"] * N}, outputs=[1] * N)))
    assert explained(layout, pane(), strange) == {}


def test_one_list_of_the_ranking_group_says_nothing(ranking):
    assert carriers(ranking, ranking.empty(), ranking.empty()) == ()


@given(st.lists(st.integers(0, 300), min_size=40, max_size=40))
@settings(max_examples=60)
def test_whatever_the_counts_shares_lie_between_0_and_1_and_are_sorted(layout_of, counts):
    columns = tuple(NumericBins(f"x{i}", (0.0, 1.0)) for i in range(12))
    layout = layout_of(*columns)
    joint = layout.joint_span.stop - layout.joint_span.start
    panes = []
    for half in (counts[:20], counts[20:]):
        cells = np.zeros(layout.size, np.int64)
        cells[layout.joint_span] = np.resize(half, joint)
        panes.append(layout.pane(cells))
    found = [each.explained for each in carriers(layout, *panes)]
    assert len(found) <= LISTED_MAX
    assert found == sorted(found, reverse=True)
    assert all(0 < each <= 1 for each in found)
