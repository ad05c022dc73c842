"""The reference: exact counts in sensible bins, the same bytes from the same rows, clear words for what cannot be."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import SettingsError
from monitor.facts import FIXED_POINT, Feature, FeatureKind, ModelName, Schema, Subject, Task
from monitor.panes import build
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference, find_edges
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.ranking import score_place
from monitor.panes.reference import decode_reference, encode_reference

BAD = "<bad>"


def schema(*names: str, classes=("a", "b"), task=Task.CLASSIFICATION) -> Schema:
    kinds = {True: FeatureKind.CATEGORICAL, False: FeatureKind.NUMERIC}
    features = tuple(Feature(name, kinds[name.startswith("c")]) for name in names)
    if task is not Task.CLASSIFICATION:
        return Schema(ModelName("m"), features, task=task)
    return Schema(ModelName("m"), features, classes, "b" if len(classes) == 2 else None)


@pytest.fixture(scope="session")
def built(rows):
    """Build a reference of columns given as lists, in batches of `size`."""

    def build_it(
        columns, size=1000, *, labels=None, progress=None, classes=("a", "b"), task=Task.CLASSIFICATION, **rest
    ):
        whole = rows(columns, **rest)
        given_labels = np.full(whole.n, NO_LABEL) if labels is None else np.array(labels, float)

        def batches():
            for start in range(0, whole.n, size):
                part = slice(start, start + size)
                yield HistoryBatch(whole.take(part), given_labels[part])

        return build_reference(batches, schema(*columns, classes=classes, task=task), progress or (lambda _: None))

    return build_it


def histogram(reference, column):
    layout = Layout.of(reference)
    return layout.view(layout.reference_pane(), Subject.FEATURES, column)


def test_a_continuous_column_gets_twenty_even_bins(built):
    values = np.random.default_rng(1).normal(size=20_000).tolist()
    reference = built({"x": values})
    bins = histogram(reference, "x").bins[1:-1]
    assert len(bins) == 20
    assert all(800 <= count <= 1200 for count in bins)
    assert (reference.columns[0].edges[0], reference.columns[0].edges[-1]) == (min(values), max(values))


def test_nothing_of_the_reference_lies_outside_it(built):
    x = histogram(built({"x": np.random.default_rng(1).lognormal(0, 4, 5000).tolist()}), "x")
    assert (x.outside, x.n) == (0, 5000)


cells = st.one_of(st.floats(width=32), st.integers(0, 3).map(float), st.none(), st.just(BAD))


@given(st.lists(cells, min_size=1, max_size=80), st.integers(1, 30))
@settings(max_examples=100)
def test_any_column_builds_and_reads_back_and_counts_every_row(built, column, size):
    reference = built({"x": column}, size=size)
    assert decode_reference(encode_reference(reference)) == reference
    x = histogram(reference, "x")
    assert (x.rows, x.outside) == (len(column), 0)
    assert x.missing == column.count(None)


@given(
    st.lists(st.one_of(st.integers(0, 40).map(float), st.floats(0, 1)), min_size=1, max_size=120), st.integers(1, 50)
)
@settings(max_examples=60)
def test_batches_of_any_size_give_the_same_bytes(built, column, size):
    columns = {"x": column, "c": [str(int(value)) for value in column]}
    assert encode_reference(built(columns, size=size)) == encode_reference(built(columns, size=1000))


def test_the_counts_are_those_of_the_live_path(built, rows):
    columns = {"x": [0.5, None, 3.0, math.inf], "c": ["u", "v", "u", None]}
    reference = built(columns, outputs=[0, 1, 1, 7], scores=[0.1, 0.9, math.nan, 1.0])
    layout = Layout.of(reference)
    live = rows(columns, outputs=[0, 1, 1, 7], scores=[0.1, 0.9, math.nan, 1.0])
    assert layout.reference_pane() == count_rows(layout, bin_rows(layout, live))


def test_a_constant_column_has_one_bin(built):
    reference = built({"x": [4.0] * 50})
    assert reference.columns[0].edges == (4.0,)
    assert histogram(reference, "x").bins == (0, 50, 0)


@pytest.mark.parametrize("cell", [None, math.nan, math.inf, BAD])
def test_a_column_without_a_single_number_has_no_bins(built, cell):
    reference = built({"x": [cell] * 5})
    assert reference.columns[0].edges == ()
    assert (histogram(reference, "x").n, histogram(reference, "x").rows) == (0, 5)


def test_a_rare_flag_has_a_bin_of_its_own(built):
    assert histogram(built({"x": [0.0] * 980 + [1.0] * 20}), "x").bins == (0, 980, 20, 0)


def test_small_whole_numbers_have_a_bin_each(built):
    values = [float(i) for i in range(20) for _ in range(i + 1)]
    assert histogram(built({"x": values}), "x").bins == (0, *range(1, 21), 0)


def test_the_zeros_of_an_amount_have_a_bin_of_their_own(built):
    amounts = np.random.default_rng(3).lognormal(3, 1, 400).tolist()
    x = histogram(built({"x": [0.0] * 600 + amounts}), "x")
    assert x.bins[1] == 600
    assert len(x.bins) > 8


def test_a_frequent_greatest_value_has_a_bin_of_its_own(built):
    values = np.random.default_rng(3).uniform(0, 1, 700).tolist() + [1.0] * 300
    assert histogram(built({"x": values}), "x").bins[-2] == 300


def test_a_frequent_value_in_the_middle_has_a_bin_of_its_own(built):
    values = np.random.default_rng(3).uniform(0, 1, 900).tolist() + [0.5] * 100
    assert 100 in histogram(built({"x": values}), "x").bins


@given(
    st.lists(st.one_of(st.floats(-9, 9), st.integers(-3, 3).map(float)), min_size=19, max_size=19).map(sorted),
    st.floats(0, 5),
    st.floats(0, 5),
)
def test_edges_increase_strictly_and_span_the_range(quantiles, below, above):
    low, high = quantiles[0] - below, quantiles[-1] + above
    edges = find_edges(None, quantiles, low, high)
    assert (edges[0], edges[-1]) == (low, high)
    assert list(edges) == sorted(set(edges))
    assert len(edges) <= 21


def test_neighbouring_doubles_still_make_edges():
    assert find_edges([0.0, 5e-324], [], 0.0, 5e-324) == (0.0, 5e-324)


def test_booleans_timestamps_and_large_integers_are_numbers(built):
    columns = {"b": [0.0, 1.0] * 50, "t": [1.36e9 + i for i in range(100)], "k": [2.0**53 + 2 * i for i in range(100)]}
    reference = built(columns)
    assert [histogram(reference, name).outside for name in columns] == [0, 0, 0]
    assert [len(histogram(reference, name).bins) for name in columns] == [4, 22, 22]


def test_minus_zero_is_zero(built):
    assert encode_reference(built({"x": [-0.0, 1.0]})) == encode_reference(built({"x": [0.0, 1.0]}))


def test_top_categories_come_by_count_then_name(built):
    column = built({"c": ["b", "a", "c", "c", None, BAD]}).columns[0]
    assert (column.top, column.known, column.complete) == (("c", "a", "b"), (), True)


def test_the_rest_of_the_categories_is_known_as_other(built):
    values = [f"v{i:02}" for i in range(40) for _ in range(40 - i)]
    reference = built({"c": values})
    assert (len(reference.columns[0].top), reference.columns[0].known) == (31, tuple(f"v{i}" for i in range(31, 40)))
    assert histogram(reference, "c").bins[-2:] == (sum(range(1, 10)), 0)


def test_beyond_the_bound_categories_are_dropped_and_said_to_be(built, monkeypatch):
    monkeypatch.setattr(build, "KNOWN_MAX", 3)
    reference = built({"c": [str(i) for i in range(50)]})
    assert (len(reference.columns[0].known), reference.columns[0].complete) == (3, False)
    assert histogram(reference, "c").outside == 50 - 31 - 3


def test_many_categories_keep_memory_bounded_and_the_frequent_ones_named(built, monkeypatch):
    monkeypatch.setattr(build, "COUNTED_MAX", 100)
    values = [f"rare-{i}" if i % 2 else f"often-{i % 10}" for i in range(5000)]
    reference = built({"c": values}, size=50)
    assert set(reference.columns[0].top) >= {f"often-{i}" for i in range(0, 10, 2)}
    assert not reference.columns[0].complete
    assert histogram(reference, "c").rows == 5000


def test_one_row_is_enough(built):
    reference = built({"x": [1.0], "c": ["u"]})
    assert (reference.rows, histogram(reference, "x").bins, histogram(reference, "c").bins) == (1, (0, 1, 0), (1, 0, 0))


def test_no_rows_are_an_error_that_says_so():
    with pytest.raises(SettingsError, match="has no rows"):
        build_reference(lambda: iter(()), schema("x"), lambda _: None)


def test_history_that_changes_between_the_passes_is_an_error(rows):
    passes = iter([3, 2])

    def batches():
        n = next(passes)
        return iter([HistoryBatch(rows({"x": [1.0] * n}), np.full(n, NO_LABEL))])

    with pytest.raises(SettingsError, match="had 3 rows, then 2"):
        build_reference(batches, schema("x"), lambda _: None)


def test_the_time_span_is_that_of_the_rows_with_a_time(built):
    reference = built({"x": [1.0] * 4}, times=[20.0, math.nan, 10.0, 30.0])
    assert (reference.start, reference.end) == (10.0, 30.0)
    nowhen = built({"x": [1.0]}, times=[math.nan])
    assert (nowhen.start, nowhen.end) == (None, None)


def test_labels_are_counted_where_there_are_any(built):
    labels, scores = [1, 0, NO_LABEL, 0], [0.5, 1.0, 0.5, math.nan]
    reference = built({"x": [1.0] * 4}, outputs=[1, 1, 0, 0], scores=scores, labels=labels)
    layout = Layout.of(reference)
    outcomes = layout.view(layout.reference_pane(), Subject.OUTCOMES)
    assert (outcomes.rows, outcomes.labelled, outcomes.wrong, outcomes.scored) == (4, 3, 1, 2)
    assert outcomes.squared_error == FIXED_POINT // 4 + FIXED_POINT
    assert reference.labelled
    assert not built({"x": [1.0]}).labelled


def test_progress_hears_both_passes(built):
    heard = []
    built({"x": [1.0] * 25}, size=10, progress=heard.append)
    assert heard == [10, 20, 25, 35, 45, 50]


def test_a_reference_keeps_its_schema(built):
    reference = built({"x": [1.0], "c": ["u"]})
    assert msgspec.json.encode(reference.schema) == msgspec.json.encode(schema("x", "c"))


# ---------------------------------------------------------------- centres, scales, tasks


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=60))
@settings(max_examples=100)
def test_nothing_of_the_reference_is_clipped(built, column):
    (bins,) = built({"x": column}).columns
    assert max(abs(value - bins.centre) for value in column) <= 8 * bins.scale


def test_mean_and_deviation_of_the_reference_are_those_of_its_rows(built):
    values = np.random.default_rng(4).lognormal(2, 1.5, 20_000)
    x = histogram(built({"x": values.tolist()}), "x")
    assert x.mean == pytest.approx(values.mean(), rel=1e-3)
    assert x.std == pytest.approx(values.std(), rel=1e-3)


def number_reference(built, labels=None, n=3_000, **rest):
    rng = np.random.default_rng(8)
    truth = rng.normal(50, 10, n)
    values = truth + rng.normal(0, 2, n)
    given_ = np.where(np.arange(n) % 2, truth, math.nan) if labels is None else np.full(n, math.nan)
    return built({"x": truth.tolist()}, values=values, labels=given_, task=Task.REGRESSION, **rest), values, truth


def test_predicted_numbers_are_counted_like_a_feature(built):
    reference, values, _ = number_reference(built)
    layout = Layout.of(reference)
    output = layout.view(layout.reference_pane(), Subject.OUTPUT)
    assert (output.column, output.n, output.outside, len(output.bins)) == ("output", 3_000, 0, 22)
    assert output.mean == pytest.approx(values.mean(), abs=0.01)


def test_errors_get_the_scale_of_nine_in_ten(built):
    reference, _, _ = number_reference(built)
    assert reference.error_scale == 4.0  # nine in ten are below 1.645 * 2 = 3.3
    unlabelled, _, _ = number_reference(built, labels=False)
    assert unlabelled.error_scale == unlabelled.output.scale


def test_errors_of_the_reference_are_counted(built):
    reference, values, truth = number_reference(built)
    layout = Layout.of(reference)
    errors = layout.view(layout.reference_pane(), Subject.OUTCOMES)
    assert (errors.rows, errors.labelled, errors.clipped) == (3_000, 1_500, 0)
    assert errors.absolute / 1_500 == pytest.approx(np.abs(values - truth)[1::2].mean(), abs=1e-8)
    assert decode_reference(encode_reference(reference)) == reference


@given(st.lists(st.tuples(cells.filter(lambda cell: isinstance(cell, float)), st.floats()), min_size=1, max_size=40))
@settings(max_examples=60)
def test_any_numbers_build_and_read_back(built, pairs):
    values, labels = map(list, zip(*pairs, strict=True))
    reference = built({"x": values}, values=values, labels=labels, size=7, task=Task.REGRESSION)
    assert decode_reference(encode_reference(reference)) == reference
    assert Layout.of(reference).view(Layout.of(reference).reference_pane(), Subject.OUTPUT).rows == len(values)
    again = built({"x": values}, values=values, labels=labels, task=Task.REGRESSION)
    assert encode_reference(again) == encode_reference(reference)


def test_ranked_lists_are_counted_by_length(built):
    labels = [score_place(place) for place in (1, 4, 0)]
    reference = built({"x": [1.0] * 3}, values=[10.0, 10.0, 7.0], labels=labels, task=Task.RANKING)
    layout = Layout.of(reference)
    ranks = layout.view(layout.reference_pane(), Subject.OUTCOMES)
    assert (ranks.rows, ranks.labelled, ranks.hits) == (3, 3, ((1, 1), (3, 1), (5, 2), (10, 2)))
    assert layout.view(layout.reference_pane(), Subject.OUTPUT).bins == (0, 1, 2, 0)


def test_probabilities_of_the_reference_make_curves(built):
    reference = built(
        {"x": [1.0] * 2}, classes=("a", "b", "c"), outputs=[0, 2], labels=[0, 1], probabilities=[[0.5, 0.25, 0.25]] * 2
    )
    layout = Layout.of(reference)
    outcomes = layout.view(layout.reference_pane(), Subject.OUTCOMES)
    assert outcomes.log_loss == round(-math.log(0.5) * FIXED_POINT) + round(-math.log(0.25) * FIXED_POINT)
    assert [curve.n for curve in outcomes.curves] == [0, 2, 2, 2]


def test_of_many_classes_the_most_frequent_are_groups(built):
    classes = tuple(f"k{i}" for i in range(12))
    outputs = [i for i in range(12) for _ in range(i + 1)]
    reference = built({"x": [1.0] * len(outputs)}, classes=classes, outputs=outputs)
    assert reference.groups == (11, 10, 9, 8, 7, 6, 5)
    assert Layout.of(reference).group_names == ("k11", "k10", "k9", "k8", "k7", "k6", "k5", "__other__")
