"""A row belongs to the pane and the epoch of its time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.panes.attribution import attribute, pane_start


@pytest.mark.parametrize(
    ("time", "start"), [(0.0, 0), (59.999, 0), (60.0, 60), (-0.5, -60), (1.36e9 + 0.25, 1_359_999_960)]
)
def test_a_pane_holds_its_start_and_not_its_end(time, start):
    assert pane_start(np.array([time]), 60).tolist() == [start]


@given(st.floats(-1e10, 1e10), st.sampled_from([1, 60, 3600, 86400]))
def test_a_time_lies_in_its_pane(time, length):
    start = int(pane_start(np.array([time]), length)[0])
    assert start % length == 0
    assert start <= time < start + length


def test_an_epoch_holds_its_start_and_not_its_end():
    starts = np.array([10.0, 20.0])
    assert attribute(starts, np.array([9.9, 10.0, 19.9, 20.0, 1e9])).tolist() == [-1, 0, 0, 1, 1]


def test_of_epochs_that_start_together_the_last_one_has_the_row():
    assert attribute(np.array([10.0, 10.0]), np.array([10.0])).tolist() == [1]


def test_without_epochs_nothing_is_attributed():
    assert attribute(np.array([]), np.array([1.0])).tolist() == [-1]
