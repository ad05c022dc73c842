"""Odd rows: what the cells say of a row is what a look at its values would have said."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.facts import Task
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.odd import Odd
from monitor.panes.reference import CategoryBins, NumericBins
from monitor.panes.sampling import Flag

BAD = "<bad>"
X, C = NumericBins("x", (0.0, 1.0, 2.0)), CategoryBins("c", ("red", "blue"), ("green",))
numbers = st.one_of(st.floats(), st.floats(-1, 3), st.sampled_from([0.0, 2.0, math.inf, math.nan, None, BAD]))
words = st.sampled_from(["red", "blue", "green", "pink", None, BAD])
lines = st.lists(st.tuples(numbers, words, st.integers(0, 4)), max_size=30)


def profiled(draft, counts=None):
    """The layout of a profile with these counts of its own."""
    counts = np.zeros(draft.size, np.int64) if counts is None else counts
    return Layout.draft(replace(draft.reference, counts=tuple(counts.tolist())), draft.digest)


@pytest.fixture(scope="session")
def layout(layout_of):
    """A reference whose x was always given and whose c was missing once."""
    draft = layout_of(X, C)
    counts = np.zeros(draft.size, np.int64)
    c = draft.feature_cells[1]
    counts[draft.joint_span.start + (c.start + c.bins) * len(draft.group_names)] = 1
    return profiled(draft, counts)


def of_number(x):
    if x is None:
        return Flag.MISSING
    if x == BAD:
        return Flag.INVALID
    if not math.isfinite(x):
        return Flag.NON_FINITE
    return Flag(0) if 0.0 <= x <= 2.0 else Flag.OUT_OF_RANGE


def of_word(c):
    return {BAD: Flag.INVALID, "pink": Flag.UNSEEN}.get(c, Flag(0))  # missing is not odd: the reference lacked it, too


def flags(layout, some):
    binned = bin_rows(layout, some)
    return Odd(layout).flags(binned, count_rows(layout, binned).counts)


@given(lines)
def test_flags_are_those_of_looking_at_each_row(layout, rows, some):
    xs, cs, outputs = zip(*some, strict=True) if some else ((), (), ())
    found = flags(layout, rows({"x": xs, "c": cs}, outputs=outputs))
    wanted = [
        of_number(x) | of_word(c) | (Flag.OTHER_OUTPUT if output >= 2 else 0)
        for x, c, output in zip(xs, cs, outputs, strict=True)
    ]
    assert found.tolist() == wanted


def test_an_odd_cell_is_found_whatever_the_class_of_its_row(layout, rows):
    some = rows({"x": [9.0, 9.0, 0.5], "c": ["red"] * 3}, outputs=[1, 2, 0])
    assert [bool(flag & Flag.OUT_OF_RANGE) for flag in flags(layout, some).tolist()] == [True, True, False]


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.RANKING])
@given(values=st.lists(st.one_of(st.floats(), st.floats(90, 110)), max_size=20))
def test_no_finite_number_is_another_output(task, regression, ranking, rows, values):
    layout = profiled(regression if task is Task.REGRESSION else ranking)
    some = rows({"x": [0.5] * len(values)}, values=values)
    found = flags(layout, some) & Flag.OTHER_OUTPUT
    assert (found != 0).tolist() == [not math.isfinite(value) for value in values]


def test_a_sample_is_stratified_by_class_or_by_the_group_of_a_number(layout, regression, rows):
    classes = bin_rows(layout, rows({"x": [0.5] * 3, "c": ["red"] * 3}, outputs=[0, 1, 7]))
    assert Odd(layout).strata(classes).tolist() == [0, 1, 2]
    numbers = bin_rows(regression, rows({"x": [0.5] * 4}, values=[80.0, 100.0, 120.0, math.nan]))
    assert Odd(profiled(regression)).strata(numbers).tolist() == [0, 2, 4, 5]


def test_no_row_is_no_odd_row(layout, rows):
    assert flags(layout, rows({"x": [], "c": []})).shape == (0,)
