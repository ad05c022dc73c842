"""Concordance: counted as the definition says, whatever the bits are packed into."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.panes import concordance
from monitor.panes.concordance import count_concordance
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.reference import CategoryBins, NumericBins
from monitor.panes.stored import decode_pane, encode_pane

HALVES = {"halves": (2, 0, 3), "pairs": ((0, 2),)}
BINS = (NumericBins("x", (0.0, 1.0, 2.0)), CategoryBins("c", ("red",)), NumericBins("y", (0.0, 1.0, 2.0, 3.0)))
cells = st.one_of(st.floats(-1, 4), st.sampled_from([None, "<bad>", math.nan, math.inf, 1.0, 2.0]))


def naive(xs, ys):
    """Discordant and concordant rows, one after the other; x is high from 1 on, y from 2 on."""
    found = [0, 0]
    for x, y in zip(xs, ys, strict=True):
        if all(isinstance(v, float) and math.isfinite(v) for v in (x, y)):
            found[(x >= 1) == (y >= 2)] += 1
    return found


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=200))
@settings(max_examples=150, deadline=None)
def test_concordant_is_on_the_same_side_of_both_halves(layout_of, rows, found):
    layout = layout_of(*BINS, **HALVES)
    xs, ys = ([pair[side] for pair in found] for side in (0, 1))
    pane = count_rows(layout, bin_rows(layout, rows({"x": xs, "c": ["red"] * len(xs), "y": ys})))
    assert pane.counts[layout.concordance].tolist() == naive(xs, ys)


@given(st.integers(1, 300), st.integers(1, 100), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_any_split_and_any_chunk_add_up_to_the_same(layout_of, n, cut, seed):
    layout = layout_of(*BINS, **HALVES)
    cells = np.random.default_rng(seed).integers(0, 8, (3, n)).astype(np.uint8)
    whole = count_concordance(layout.pairing, cells)
    parts = count_concordance(layout.pairing, cells[:, :cut]) + count_concordance(layout.pairing, cells[:, cut:])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concordance, "_CHUNK", 64)
        chunked = count_concordance(layout.pairing, cells)
    assert whole.tolist() == parts.tolist() == chunked.tolist()


def test_missing_numbers_count_on_neither_side(layout_of, rows):
    layout = layout_of(*BINS, **HALVES)
    pane = count_rows(layout, bin_rows(layout, rows({"x": [1.0, None], "c": ["red"] * 2, "y": [2.0, 2.0]})))
    assert pane.counts[layout.concordance].tolist() == [0, 1]


def test_a_pane_is_stored_with_all_that_it_counts(layout_of, rows):
    layout = layout_of(*BINS, **HALVES)
    pane = count_rows(layout, bin_rows(layout, rows({"x": [1.0] * 70, "c": ["red"] * 70, "y": [0.0] * 70})))
    assert decode_pane(layout.digest, encode_pane(pane)).counts.tolist() == pane.counts.tolist()
    assert pane.counts[layout.concordance].tolist() == [70, 0]


def test_of_normal_numbers_the_share_is_sheppards(layout_of, rows):
    layout, rng = layout_of(*BINS, halves=(2, 0, 2), pairs=((0, 2),)), np.random.default_rng(1)
    x = rng.normal(size=200_000)
    y = 0.5 * x + math.sqrt(0.75) * rng.normal(size=len(x))
    found = rows({"x": (x + 1).tolist(), "c": ["red"] * len(x), "y": (y + 1).tolist()})
    apart, together = count_rows(layout, bin_rows(layout, found)).counts[layout.concordance].tolist()
    expected = 0.5 + math.asin(0.5) / math.pi
    assert together / (apart + together) == pytest.approx(expected, abs=4 * math.sqrt(0.25 / len(x)))
