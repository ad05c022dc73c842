"""What a cell means, alone and between its neighbours in a record."""

import math

import numpy as np
import pytest
from recorded import NAN, column

from monitor.panes.rows import INVALID, MISSING


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (1, 1.0),
        (True, 1.0),
        (False, 0.0),
        (2**53 + 1, 2.0**53),
        (2**63, 2.0**63),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
)
def test_reads_as_number(cell, value):
    found = column([cell, 0.5], "hour")
    assert found.values.tolist() == [value, 0.5]
    assert not found.missing.any()
    assert not found.invalid.any()


@pytest.mark.parametrize("cell", ["", "5", "NaN", [], [1.0], {"a": 1}, "\ud800"])
def test_a_number_of_the_wrong_kind_is_invalid_and_its_neighbours_stay(cell):
    found = column([1.0, cell, None], "hour")
    assert found.invalid.tolist() == [False, True, False]
    assert found.missing.tolist() == [False, False, True]
    assert np.array_equal(found.values, [1.0, NAN, NAN], equal_nan=True)


def test_nan_and_inf_are_neither_missing_nor_invalid():
    found = column([NAN, math.inf, -math.inf], "hour")
    assert not found.missing.any()
    assert not found.invalid.any()
    assert np.array_equal(found.values, [NAN, math.inf, -math.inf], equal_nan=True)


@pytest.mark.parametrize(
    ("cell", "value"), [("UA", "UA"), ("", ""), (5, "5"), (5.0, "5"), (-0.0, "0"), (True, "true"), (False, "false")]
)
def test_reads_as_category(cell, value):
    found = column([cell, "x"], "carrier")
    assert [found.values[code] for code in found.codes] == [value, "x"]


@pytest.mark.parametrize("cell", [5.5, NAN, math.inf, [], {}, "\ud800", "a\udfff", 10**4000])
def test_a_category_of_the_wrong_kind_is_invalid_and_its_neighbours_stay(cell):
    found = column(["UA", cell, None, "UA"], "carrier")
    assert found.codes.tolist() == [0, INVALID, MISSING, 0]
    assert found.values == ("UA",)


@pytest.mark.parametrize("cell", [None, ...])
def test_null_and_absent_are_both_missing(cell):
    assert column([cell, cell], "hour").missing.all()
    assert column([cell, cell], "carrier").codes.tolist() == [MISSING, MISSING]
