"""Joint counts: a feature's own counts are their sum, and each row is in the group of its output."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.facts import Subject
from monitor.panes import count as counting
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.reference import CategoryBins, NumericBins

X, C = NumericBins("x", (0.0, 1.0, 2.0)), CategoryBins("c", ("red", "blue"), ("green",))

row_lists = st.lists(
    st.tuples(
        st.one_of(st.floats(-1, 3), st.none(), st.just(math.nan)),
        st.sampled_from(["red", "blue", "green", "pink", None]),
        st.integers(0, 12),
        st.one_of(st.floats(80, 120), st.sampled_from([math.nan, math.inf, -math.inf])),
    ),
    min_size=1,
    max_size=40,
)


@given(row_lists, st.integers(2, 10))
@settings(max_examples=150)
def test_a_features_own_counts_are_the_sum_over_groups(layout_of, rows, cells, classes):
    groups = tuple(range(7)) if classes > 7 else ()
    layout = layout_of(X, C, classes=classes, groups=groups)
    x, c, outputs, _ = map(list, zip(*cells, strict=True))
    pane = count_rows(layout, bin_rows(layout, rows({"x": x, "c": c}, outputs=outputs)))
    for histogram in layout.features(pane):
        joint = np.array(layout.joint(pane, histogram.column))
        assert tuple(joint.sum(axis=1).tolist()) == histogram.bins
        assert joint.shape[1] == len(layout.group_names) <= 8


@given(row_lists)
@settings(max_examples=100)
def test_each_row_is_in_the_group_of_its_output(layout_of, rows, cells):
    layout = layout_of(C)
    _, c, outputs, _ = map(list, zip(*cells, strict=True))
    pane = count_rows(layout, bin_rows(layout, rows({"c": c}, outputs=outputs)))
    red = [
        sum(1 for value, out in zip(c, outputs, strict=True) if value == "red" and min(out, 2) == g) for g in (0, 1, 2)
    ]
    assert list(layout.joint(pane, "c")[0]) == red


@given(row_lists, st.data())
@settings(max_examples=100)
def test_any_split_of_numbers_gives_the_same_pane(regression, rows, cells, data):
    x, _, _, values = map(list, zip(*cells, strict=True))
    some = rows({"x": x}, values=values)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=some.n, max_size=some.n)))
    binned = bin_rows(regression, some)
    whole = count_rows(regression, binned)
    assert count_rows(regression, binned, ~mask) + count_rows(regression, binned, mask) == whole
    assert regression.view(whole, Subject.OUTPUT).rows == some.n


@given(row_lists, st.integers(1, 3), st.sampled_from([0, 100, 1_000, 10_000]))
@settings(max_examples=100)
def test_many_rows_are_counted_as_few_are_in_runs_of_any_length(layout_of, rows, cells, copies, cells_max):
    x, c, outputs, _ = map(list, zip(*cells, strict=True))
    names = [f"{name}{i}" for i in range(copies) for name in "xc"]
    layout = layout_of(*(replace(X if name[0] == "x" else C, name=name) for name in names))
    columns = {name: np.roll(np.array(x if name[0] == "x" else c, object), int(name[1:])).tolist() for name in names}
    binned = bin_rows(layout, rows(columns, outputs=outputs))
    together = count_rows(layout, binned)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "_FEW_ROWS", 0)
        patch.setattr(counting, "_TABLE_CELLS", cells_max)
        patch.setattr(counting, "_CHUNK", 7)
        assert count_rows(layout, binned) == together


def test_a_thousand_rows_of_wide_columns_are_counted_one_by_one(layout_of, rows):
    wide = CategoryBins("c", tuple(f"top{i}" for i in range(200)))
    layout = layout_of(wide, replace(wide, name="c2"), classes=10, groups=tuple(range(7)))
    values = [f"top{i % 210}" for i in range(10_000)]
    some = rows({"c": values, "c2": values[::-1]}, outputs=[i % 11 for i in range(10_000)])
    pane = count_rows(layout, bin_rows(layout, some))
    for histogram in layout.features(pane):
        assert np.array(layout.joint(pane, histogram.column)).sum() == 10_000
        assert set(histogram.bins[:200]) == {47, 48}


def test_of_many_classes_the_most_frequent_have_a_group(layout_of, rows):
    layout = layout_of(C, classes=10, groups=(9, 3, 5, 1, 2, 4, 6))
    some = rows({"c": ["red"] * 4}, outputs=[9, 3, 0, 10])
    assert layout.joint(count_rows(layout, bin_rows(layout, some)), "c")[0] == (1, 1, 0, 0, 0, 0, 0, 2)
    assert layout.group_names[0] == "class 9"


def test_numbers_have_five_groups_at_the_references_quantiles(regression, rows):
    some = rows({"x": [0.5] * 8}, values=[80.0, 90.0, 94.0, 97.9, 98.0, 106.0, 200.0, math.nan])
    pane = count_rows(regression, bin_rows(regression, some))
    assert regression.joint(pane, "x")[1] == (2, 2, 1, 0, 2, 1)
    assert regression.group_names == ("below 94", "94 to 98", "98 to 102", "102 to 106", "from 106", "no number")


@pytest.mark.parametrize(
    ("edges", "names"), [((), 1), ((5.0,), 1), ((1.0, 2.0, 3.0), 2), (tuple(map(float, range(21))), 5)]
)
def test_few_bins_of_numbers_make_fewer_groups(layout_of, regression, edges, names):
    output = NumericBins("output", edges)
    layout = layout_of(X, task=regression.task, output=output)
    assert len(layout.group_names) == names + 1


def test_ranked_lists_have_one_group(ranking, rows):
    pane = count_rows(ranking, bin_rows(ranking, rows({"x": [0.5, 0.5, 1.5]}, values=[3.0, 12.0, 20.0])))
    assert ranking.joint(pane, "x") == ((0,), (2,), (1,), (0,))
    assert ranking.view(pane, Subject.OUTPUT).bins == (0, 1, 2, 0)


def test_an_unknown_column_has_no_joint_counts(small):
    with pytest.raises(KeyError):
        small.joint(small.empty(), "nobody")


def test_kept_rows_are_all_unless_told_otherwise(small, rows):
    binned = bin_rows(small, rows({"x": [0.5] * 9, "c": ["red"] * 9}))
    assert small.view(count_rows(small, binned), Subject.OUTCOMES).rows == 9
    assert small.view(count_rows(small, binned, kept=4), Subject.OUTCOMES).rows == 4
    assert small.view(count_rows(small, binned, kept=4), Subject.ARRIVALS).rows == 9


def test_numbers_have_no_scores(regression, rows):
    pane = count_rows(regression, bin_rows(regression, rows({"x": [0.5]}, values=[100.0])))
    score = regression.view(pane, Subject.SCORE)
    assert (score.n, score.missing) == (0, 1)
