"""What a builder chooses to watch: the same for the same rows, and the pairs that have most to lose."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rhythmworld import build
from watchedworld import built, stream

from monitor.errors import Corrupt
from monitor.panes import chosen
from monitor.panes.chosen import RowSample
from monitor.panes.reference import PAIRS_MAX, Slice, decode_reference, encode_reference
from monitor.panes.rows import NumericColumn, Predictions


def numbers(values):
    clean = np.zeros(len(values), bool)
    unknown = np.full(len(values), np.nan)
    columns = {"x": NumericColumn(values, clean, clean)}
    return Predictions.unsent(columns, times=unknown, outputs=clean.view(np.uint8), scores=unknown)


def sampled(values, size):
    sample = RowSample(["x"])
    for first in range(0, len(values), size):
        sample.update(numbers(values[first : first + size]))
    return sorted(sample._values[:, 0].tolist())


@given(st.integers(1, 400), st.integers(1, 100), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_the_sample_depends_on_the_rows_alone(rows, size, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "SAMPLE_ROWS", 50)
        whole = sampled(values, rows)
        assert sampled(values, size) == sampled(rng.permutation(values), size) == whole
        assert len(whole) == min(rows, 50)


def test_the_sample_prefers_no_part_of_the_history():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "SAMPLE_ROWS", 1000)
        kept = sampled(np.arange(100_000.0), 7_000)
    assert np.mean(kept) == pytest.approx(50_000, abs=5 * 100_000 / np.sqrt(12 * 1000))


def test_pairs_of_related_numbers_are_chosen_first():
    rng, n = np.random.default_rng(3), 4000
    values = rng.normal(size=(n, 30))  # 435 pairs
    values[:, 29] = values[:, 7] + 0.5 * rng.normal(size=n)
    reference = build(np.full(n, np.nan), values)
    assert len(reference.pairs) == PAIRS_MAX
    assert (7, 29) in reference.pairs
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "PAIRS_MAX", 1)
        assert build(np.full(n, np.nan), values).pairs == ((7, 29),)


def test_a_number_without_two_halves_is_in_no_pair():
    rng = np.random.default_rng(3)
    values = np.column_stack([rng.normal(size=500), np.ones(500), np.full(500, np.nan), rng.random(500) < 0.1])
    reference = build(np.full(500, np.nan), values)
    assert (reference.halves[0] > 1, reference.halves[1:3], reference.pairs) == (True, (0, 0), ((0, 3),))


def test_halves_have_about_as_many_rows_above_as_below():
    reference = built(stream(1, days=1))
    assert [reference.columns[at].edges[reference.halves[at] - 1] for at in (0, 1)] == pytest.approx([0, 0], abs=0.06)


def test_slices_are_categories_and_fifths():
    found = built(stream(1, days=1)).slices
    assert [(each.start, each.stop) for each in found if each.feature == 0] == [
        (0, 5),
        (5, 9),
        (9, 13),
        (13, 17),
        (17, 22),
    ]
    assert [each for each in found if each.feature == 2] == [Slice(2, 0, 1), Slice(2, 1, 2), Slice(2, 2, 3)]


@pytest.mark.parametrize(("places", "numbers", "categories"), [(2, 1, 1), (6, 3, 3), (10, 7, 3)])
def test_half_of_the_places_are_kept_for_categories(places, numbers, categories):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "SLICES_MAX", places)
        found = built(stream(1, days=1)).slices
    assert [sum(each.feature != 2 for each in found), sum(each.feature == 2 for each in found)] == [numbers, categories]


def test_most_frequent_slices_come_first():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chosen, "SLICES_MAX", 4)
        found = built(stream(1, days=1)).slices
    assert [each for each in found if each.feature == 2] == [Slice(2, 0, 1), Slice(2, 1, 2)]


@pytest.mark.parametrize(
    "text",
    [
        (b'"pairs":[[0,1]]', b'"pairs":[[1,0]]'),
        (b'"pairs":[[0,1]]', b'"pairs":[[0,2]]'),
        (b'"pairs":[[0,1]]', b'"pairs":[[0,1],[0,1]]'),
        (b'"slices":[[0,0,5],', b'"slices":[[0,0,6],'),
        (b'"slices":[[0,0,5],', b'"slices":[[9,0,5],'),
        (b'"large_error":0.0', b'"large_error":-1.0'),
    ],
)
def test_choices_that_contradict_themselves_are_corrupt(text):
    body = encode_reference(built(stream(1, days=0.2)))
    assert decode_reference(body)
    assert body.count(text[0]) == 1
    with pytest.raises(Corrupt):
        decode_reference(body.replace(*text))
