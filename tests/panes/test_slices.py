"""Slices of error: every label is in the slices of its row, and a correction takes it back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.panes.reference import Slice
from monitor.panes.slices import Slicing, count_slices

SLICES = (Slice(0, 0, 3), Slice(0, 3, 7), Slice(2, 1, 2))


def naive(bins, wrong, signs):
    found = [0] * (2 * len(SLICES))
    for row, bad, sign in zip(bins, wrong, signs, strict=True):
        for place, each in enumerate(SLICES):
            if each.start <= row[each.feature] < each.stop:
                found[2 * place + int(bad)] += sign
    return found


labels = st.tuples(st.lists(st.integers(0, 8), min_size=3, max_size=3), st.booleans(), st.sampled_from([1, -1]))


@given(st.lists(labels, max_size=50))
@settings(max_examples=100)
def test_labels_are_counted_in_each_slice_of_their_row(found):
    bins = np.array([row for row, _, _ in found], np.uint8).reshape(-1, 3)
    wrong, signs = np.array([bad for _, bad, _ in found], bool), np.array([sign for *_, sign in found], np.int64)
    assert count_slices(Slicing.of(SLICES), bins, wrong, signs).tolist() == naive(bins.tolist(), wrong, signs)


@given(st.lists(labels, max_size=50), st.integers(0, 50))
@settings(max_examples=50)
def test_parts_add_up_and_taking_back_leaves_nothing(found, cut):
    bins = np.array([row for row, _, _ in found], np.uint8).reshape(-1, 3)
    wrong, signs = np.array([bad for _, bad, _ in found], bool), np.array([sign for *_, sign in found], np.int64)
    slicing = Slicing.of(SLICES)
    whole = count_slices(slicing, bins, wrong, signs)
    parts = [count_slices(slicing, bins[part], wrong[part], signs[part]) for part in (slice(cut), slice(cut, None))]
    assert (parts[0] + parts[1]).tolist() == whole.tolist()
    assert not (whole + count_slices(slicing, bins, wrong, -signs)).any()


def test_receipts_without_the_cells_of_features_are_in_no_slice():
    one = np.ones(4, np.int64)
    assert not count_slices(Slicing.of(SLICES), np.zeros((4, 2), np.uint8), one.astype(bool), one).any()
    assert not count_slices(Slicing.of(SLICES), np.full((4, 3), 255, np.uint8), one.astype(bool), one).any()


@pytest.mark.parametrize(("slices", "reach"), [((), 0), (SLICES, 3), (SLICES[:2], 1)])
def test_a_label_reads_no_more_of_its_receipt_than_slices_need(slices, reach):
    assert Slicing.of(slices).reach == reach
