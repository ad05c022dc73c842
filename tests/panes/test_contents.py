"""Contents: copies meet in one bucket, others are spread, and the buckets stay what they are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.panes import contents
from monitor.panes.contents import bucket_rows
from monitor.panes.count import bin_rows, count_rows

GOLDEN = [18, 38, 58, 14, 33, 53, 9, 29, 49, 5]


def some(features, rows, seed=1):
    return np.random.default_rng(seed).integers(0, 25, (features, rows)).astype(np.uint8)


def test_copies_share_a_bucket():
    assert len(set(bucket_rows(np.repeat(some(20, 1), 1000, axis=1)).tolist())) == 1


def test_rows_of_any_other_cells_are_spread_evenly():
    counts = np.bincount(bucket_rows(some(20, 64_000)), minlength=64)
    chi2 = float(((counts - 1000) ** 2 / 1000).sum())
    assert chi2 < 63 + 5 * np.sqrt(2 * 63)  # five standard deviations of chi squared with 63 degrees of freedom


def test_one_cell_that_differs_puts_two_of_a_hundred_in_the_same_bucket():
    first = some(20, 20_000)
    second = first.copy()
    second[7] = (second[7] + 1) % 25
    assert np.mean(bucket_rows(first) == bucket_rows(second)) < 0.05


def test_the_buckets_are_those_of_the_first_release():
    assert bucket_rows(np.arange(40, dtype=np.uint8).reshape(4, 10)).tolist() == GOLDEN


@given(st.integers(1, 30), st.integers(0, 200), st.integers(0, 200), st.integers(1, 5000), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_neither_a_split_nor_the_chunk_matters(features, rows, cut, chunk, seed):
    cells = some(features, rows, seed)
    whole = bucket_rows(cells).tolist()
    kept = contents._CHUNK
    try:
        contents._CHUNK = chunk
        assert bucket_rows(cells).tolist() == whole
    finally:
        contents._CHUNK = kept
    assert [*bucket_rows(cells[:, :cut]).tolist(), *bucket_rows(cells[:, cut:]).tolist()] == whole


def test_every_row_is_in_one_bucket_of_its_pane(small, rows):
    found = rows({"x": [0.5, 0.5, None, 1.5], "c": ["red", "red", "blue", "pink"]})
    buckets = count_rows(small, bin_rows(small, found)).counts[small.contents]
    assert (buckets.sum(), buckets.max() >= 2) == (4, True)


def test_without_features_there_are_no_contents(layout_of):
    assert layout_of().contents == slice(layout_of().contents.start, layout_of().contents.start)
