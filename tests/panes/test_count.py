"""Counting is exact: at the edges, for every kind of cell, in any split, by either way of binning."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.facts import Subject
from monitor.panes import binning
from monitor.panes.count import NOT_ASKED, bin_rows, count_pairs, count_rows, score_cells
from monitor.panes.reference import CategoryBins, NumericBins

BAD = "<bad>"
INF = math.inf


def naive_bins(edges: tuple[float, ...], cells) -> list[int]:
    """Count by the definition, one value after the other: under, bins, over, missing, non_finite, invalid."""
    bins = min(len(edges), max(1, len(edges) - 1))
    counts = [0] * (bins + 5)
    for cell in cells:
        counts[naive_cell(edges, bins, cell)] += 1
    return counts


def naive_cell(edges, bins, cell) -> int:
    if cell is None:
        return bins + 2
    if cell == BAD:
        return bins + 4
    if not math.isfinite(cell):
        return bins + 3
    if not edges or cell < edges[0]:
        return 0
    if cell > edges[-1]:
        return bins + 1
    return next((i for i in reversed(range(bins)) if cell >= edges[i]), 0) + 1


def marginal(layout, pane) -> list[int]:
    """Every cell of every feature, over all groups."""
    return pane.counts[layout.joint_span].reshape(-1, len(layout.group_names)).sum(axis=1).tolist()


finite = st.floats(allow_nan=False, allow_infinity=False)
edge_lists = st.lists(finite, unique=True, max_size=21).map(lambda values: tuple(sorted({v + 0.0 for v in values})))


@st.composite
def columns(draw):
    edges = draw(edge_lists)
    near = [x for edge in edges for x in (edge, math.nextafter(edge, INF), math.nextafter(edge, -INF))]
    values = st.one_of(finite, st.sampled_from([None, BAD, INF, -INF, math.nan, 0.0, -0.0, *near]))
    return edges, draw(st.lists(values, min_size=1, max_size=60))


@given(columns())
@settings(max_examples=300)
def test_numbers_are_counted_as_the_definition_says(layout_of, rows, column):
    edges, cells = column
    layout = layout_of(NumericBins("x", edges))
    pane = count_rows(layout, bin_rows(layout, rows({"x": cells})))
    assert marginal(layout, pane) == naive_bins(edges, cells)


@given(columns())
@settings(max_examples=150)
def test_comparing_and_searching_agree(layout_of, rows, column):
    layout = layout_of(NumericBins("x", column[0]))
    few = rows({"x": column[1]})
    searched = bin_rows(layout, few).cells
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binning, "_SEARCH_ROWS", 0)
        patch.setattr(binning, "_CHUNK", 7)
        assert np.array_equal(bin_rows(layout, few).cells, searched)


def test_a_hundred_thousand_values_are_counted_as_numpy_does(layout_of, rows):
    values = np.random.default_rng(5).lognormal(0, 3, 100_000)
    edges = tuple(np.quantile(values, np.linspace(0, 1, 21)).tolist())
    layout = layout_of(NumericBins("x", edges))
    pane = count_rows(layout, bin_rows(layout, rows({"x": values})))
    assert marginal(layout, pane)[1:-4] == np.histogram(values, edges)[0].tolist()


def test_the_last_bin_is_closed_and_the_others_are_not(layout_of, rows):
    layout = layout_of(NumericBins("x", (0.0, 1.0, 2.0)))
    cells = bin_rows(layout, rows({"x": [-1e-300, 0.0, 1.0, 2.0, math.nextafter(2.0, 3.0)]})).cells
    assert cells[:, 0].tolist() == [0, 1, 2, 2, 3]


def test_a_constant_column_has_one_bin(layout_of, rows):
    layout = layout_of(NumericBins("x", (7.0,)))
    assert bin_rows(layout, rows({"x": [6.0, 7.0, 8.0]})).cells[:, 0].tolist() == [0, 1, 2]


def test_a_column_without_reference_values_is_all_outside(layout_of, rows):
    layout = layout_of(NumericBins("x", ()))
    some = rows({"x": [1.0, None, math.nan]})
    histogram = layout.features(count_rows(layout, bin_rows(layout, some)))[0]
    assert (histogram.outside, histogram.missing, histogram.non_finite) == (1, 1, 1)


def test_categories_go_to_their_own_other_or_unseen(small, rows):
    cells = ["red", "blue", "blue", "green", "pink", None, None, BAD]
    some = rows({"x": [0.0] * 8, "c": cells})
    histogram = small.features(count_rows(small, bin_rows(small, some)))[1]
    assert (histogram.bins, histogram.outside) == ((1, 2, 1, 1), 1)
    assert (histogram.missing, histogram.invalid) == (2, 1)


def test_a_thousand_new_categories_are_all_unseen(small, rows):
    some = rows({"x": [0.0] * 1000, "c": [f"new-{i}" for i in range(1000)]})
    assert small.features(count_rows(small, bin_rows(small, some)))[1].outside == 1000


def test_a_column_that_the_rows_lack_is_missing(small, rows):
    some = rows({"z": [1.0, 2.0]})
    histograms = small.features(count_rows(small, bin_rows(small, some)))
    assert [(histogram.missing, histogram.n) for histogram in histograms] == [(2, 0), (2, 0)]


def test_a_column_of_the_other_kind_is_invalid_where_it_has_a_value(layout_of, rows):
    layout = layout_of(NumericBins("c", (0.0, 1.0)), CategoryBins("x", ("red",)))
    some = rows({"c": ["red", None, BAD], "x": [1.0, None, BAD]})
    histograms = layout.features(count_rows(layout, bin_rows(layout, some)))
    assert [(histogram.invalid, histogram.missing, histogram.n) for histogram in histograms] == [(2, 1, 0), (2, 1, 0)]


def test_large_integers_and_timestamps_are_numbers_like_others(layout_of, rows):
    layout = layout_of(NumericBins("x", (0.0, 2.0**53, 2.0**63)))
    assert bin_rows(layout, rows({"x": [1.7e9, 2**53 + 1, 2**63, 2**64]})).cells[:, 0].tolist() == [1, 2, 2, 3]


row_lists = st.lists(
    st.tuples(
        st.one_of(st.floats(-1, 3), st.none(), st.just(BAD), st.just(math.nan)),
        st.sampled_from(["red", "blue", "green", "pink", None, BAD]),
        st.integers(0, 4),
        st.one_of(st.floats(0, 1), st.just(math.nan)),
    ),
    min_size=1,
    max_size=40,
)


@given(row_lists, st.data())
@settings(max_examples=150)
def test_any_split_of_the_rows_gives_the_same_window(small, rows, cells, data):
    x, c, outputs, scores = map(list, zip(*cells, strict=True))
    some = rows({"x": x, "c": c}, outputs=outputs, scores=scores)
    binned = bin_rows(small, some)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=some.n, max_size=some.n)))
    whole = count_rows(small, binned)
    assert count_rows(small, binned, mask) + count_rows(small, binned, ~mask) == whole
    shuffled = np.array(data.draw(st.permutations(range(some.n))))
    assert count_rows(small, binned, shuffled) == whole
    assert bin_rows(small, some.take(shuffled)).cells.tolist() == binned.cells[shuffled].tolist()


@given(row_lists)
@settings(max_examples=100)
def test_every_row_is_counted_once_in_every_section(small, rows, cells):
    x, c, outputs, scores = map(list, zip(*cells, strict=True))
    some = rows({"x": x, "c": c}, outputs=outputs, scores=scores)
    pane = count_rows(small, bin_rows(small, some))
    assert {histogram.rows for histogram in small.features(pane)} == {some.n}
    assert small.view(pane, Subject.OUTPUT).rows == small.view(pane, Subject.SCORE).rows == some.n
    assert small.view(pane, Subject.ARRIVALS).rows == some.n


def test_another_class_is_counted_as_another_class(small, rows):
    some = rows({"x": [0.0] * 4, "c": ["red"] * 4}, outputs=[0, 1, 2, 200])
    assert small.view(count_rows(small, bin_rows(small, some)), Subject.OUTPUT).bins == (1, 1, 2)


def test_scores_are_counted_by_output(small, rows):
    some = rows({"x": [0.0] * 3, "c": ["red"] * 3}, outputs=[0, 1, 1], scores=[0.5, 0.5, math.nan])
    by_output = count_rows(small, bin_rows(small, some)).counts[small.score].reshape(3, 65)
    assert np.argwhere(by_output).tolist() == [[0, 32], [1, 32], [1, 64]]


@pytest.mark.parametrize(
    ("score", "cell"),
    [
        *((0.0, 0), (1 / 64, 1), (0.0156, 0), (0.5, 32), (0.9999, 63), (1.0, 63), (0.49999999999, 32)),
        *((math.nan, 64), (-0.1, 64), (1.1, 64), (INF, 64), (-INF, 64)),
    ],
)
def test_a_score_has_its_bin_or_counts_as_missing(score, cell):
    assert score_cells(np.array([score])).tolist() == [cell]


def test_a_score_and_its_receipt_meet_in_the_same_bin():
    scores = np.random.default_rng(1).random(20_000)
    edges = np.repeat(np.arange(65) / 64, 3) + np.tile([-1e-12, 0, 1e-12], 65)
    scores = np.concatenate([scores, np.clip(edges, 0, 1)])
    assert np.array_equal(score_cells(scores), score_cells(scores.astype(np.float32)))


def test_pairs_count_only_asked_rows(small, rows):
    some = rows({"x": [0.0] * 5, "c": ["red"] * 5}, outputs=[0, 1, 1, 2, 3])
    known_good = np.array([0, 0, NOT_ASKED, 3, 0], np.uint8)
    pairs = small.view(count_pairs(small, bin_rows(small, some), known_good), Subject.PAIRS)
    assert (pairs.asked, pairs.differ, pairs.labelled) == (4, 2, 0)


def test_no_rows_give_the_empty_pane(small, rows):
    some = rows({"x": [], "c": []})
    assert count_rows(small, bin_rows(small, some)) == small.empty()
    assert count_pairs(small, bin_rows(small, some), some.outputs) == small.empty()
