"""Signals: a share is a range of cells, whatever the pane; what is watched is what can move."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.facts import Family, Feature, FeatureKind, ModelName, Schema, Task
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.rows import MISSING, CategoricalColumn, NumericColumn, Predictions
from monitor.panes.sections import OTHER
from monitor.panes.signals import Signals, What, choose_cuts


@pytest.fixture(scope="module")
def history():
    """Rows of a number, a flag, a constant, and a category of 40 values; scores beside them."""
    rng, n = np.random.default_rng(5), 4000
    clean = np.zeros(n, bool)
    numbers = {"x": rng.normal(size=n), "flag": (rng.random(n) < 0.1) * 1.0, "same": np.ones(n)}
    columns = {name: NumericColumn(values, clean, clean) for name, values in numbers.items()}
    codes = np.minimum(rng.geometric(0.1, n) - 1, 39).astype(np.int32)
    columns["c"] = CategoricalColumn(
        np.where(rng.random(n) < 0.05, MISSING, codes).astype(np.int32), tuple(map(str, range(40)))
    )
    outputs = (rng.random(n) < 0.3).astype(np.uint8)
    return Predictions.unsent(columns, times=np.full(n, np.nan), outputs=outputs, scores=rng.random(n))


@pytest.fixture(scope="module")
def layout(history):
    kinds = dict.fromkeys(("x", "flag", "same"), FeatureKind.NUMERIC) | {"c": FeatureKind.CATEGORICAL}
    schema = Schema(ModelName("m"), tuple(Feature(*each) for each in kinds.items()), ("no", "yes"), "yes")
    batches = lambda: iter([HistoryBatch(history, np.full(history.n, NO_LABEL))])  # noqa: E731 - it is called twice
    return Layout.of(build_reference(batches, schema, lambda _: None))


@pytest.fixture(scope="module")
def table(layout):
    return Signals.table(layout)


def counted(layout, table, rows):
    return table.count(count_rows(layout, bin_rows(layout, rows)).counts)


def of(table, counts, **wanted):
    """(x, n) of the signals with these fields."""
    places = [i for i, s in enumerate(table.signals) if all(getattr(s, k) == v for k, v in wanted.items())]
    return [(int(counts.x[i]), int(counts.n[i])) for i in places]


def test_a_share_above_a_cut_is_that_of_the_values(table, layout, history):
    x = history.columns["x"].values
    found = of(table, counted(layout, table, history), column="x", what=What.ABOVE)
    edges = [float(s.item) for s in table.signals if (s.column, s.what) == ("x", What.ABOVE)]
    assert [hits for hits, _ in found] == pytest.approx([np.count_nonzero(x >= edge) for edge in edges], abs=2)
    assert len(edges) == 9
    assert [hits / 4000 for hits, _ in found] == pytest.approx(np.arange(9, 0, -1) / 10, abs=0.02)


def test_a_flag_has_one_cut_and_a_constant_none(table, layout, history):
    counts = counted(layout, table, history)
    assert of(table, counts, column="flag", what=What.ABOVE) == [(int(history.columns["flag"].values.sum()), 4000)]
    assert of(table, counts, column="same", what=What.ABOVE) == []


def test_twelve_categories_are_watched_and_the_rest_as_one(table, layout, history):
    found = of(table, counted(layout, table, history), column="c", what=What.CATEGORY)
    present = int(np.count_nonzero(history.columns["c"].codes >= 0))
    assert len(found) == 13
    assert (sum(hits for hits, _ in found), found[0][1]) == (present, present)
    assert [s.item for s in table.signals if s.what is What.CATEGORY][-1] == OTHER


def test_what_is_wrong_is_a_share_of_all_rows_and_only_rises(table, layout, history):
    missing = int(np.count_nonzero(history.columns["c"].codes == MISSING))
    assert of(table, counted(layout, table, history), column="c", what=What.MISSING) == [(missing, 4000)]
    assert all(s.rises and not s.falls for s in table.signals if s.family is Family.QUALITY)


def test_of_two_classes_the_positive_is_watched(table, layout, history):
    found = of(table, counted(layout, table, history), what=What.CLASS, item="yes")
    assert found == [(int(history.outputs.sum()), 4000)]
    assert of(table, counted(layout, table, history), what=What.CLASS, item="no") == []


def test_scored_columns_are_the_ordered_ones_that_vary(table, layout, history):
    counts = counted(layout, table, history)
    assert table.scored == ("x", "flag", "score")
    assert table.scored_group == ("features/x", "features/flag", "score")
    assert counts.bins.sum(axis=1).tolist() == [4000, 4000, 4000]
    assert np.count_nonzero(counts.bins[2]) == 20
    assert counts.bins[2].max() < 2 * 4000 / 20


@given(st.integers(0, 4000))
@settings(max_examples=20)
def test_counts_of_parts_add_up(table, layout, history, cut):
    parts = [history.take(slice(None, cut)), history.take(slice(cut, None))]
    first, second = (counted(layout, table, part) for part in parts)
    whole, both = counted(layout, table, history), first + second
    assert all(np.array_equal(getattr(whole, name), getattr(both, name)) for name in ("x", "n", "bins"))


def test_a_value_beyond_the_reference_is_over_and_above_every_cut(table, layout, history):
    far = history.take(slice(0, 10))
    far.columns["x"].values[:] = 99.0
    counts = counted(layout, table, far)
    assert of(table, counts, column="x", what=What.OVER) == [(10, 10)]
    assert set(of(table, counts, column="x", what=What.ABOVE)) == {(10, 10)}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30))
def test_cuts_have_rows_on_both_sides_and_differ(bins):
    bins = np.array(bins)
    above = [int(bins[cut:].sum()) for cut in choose_cuts(bins)]
    assert len(above) <= 9
    assert all(0 < rows < bins.sum() for rows in above)
    assert len(set(above)) == len(above)


def test_words_of_a_sensitive_feature_are_places(history):
    features = (
        Feature("x", FeatureKind.NUMERIC, sensitive=True),
        Feature("c", FeatureKind.CATEGORICAL, sensitive=True),
    )
    schema = Schema(ModelName("m"), features, ("no", "yes"), "yes")
    batches = lambda: iter([HistoryBatch(history, np.full(history.n, NO_LABEL))])  # noqa: E731 - it is called twice
    found = Signals.table(Layout.of(build_reference(batches, schema, lambda _: None))).signals
    words = {s.item for s in found if s.family is Family.FEATURES}
    assert words == {*(f"decile {i}" for i in range(1, 10)), *(f"category {i}" for i in range(1, 13)), OTHER}


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.RANKING])
def test_a_predicted_number_is_watched_as_a_feature_is(task):
    rng, n = np.random.default_rng(2), 2000
    values = rng.integers(1, 30, n).astype(float)
    nothing = np.zeros(n, np.uint8)
    rows = Predictions.unsent({}, times=np.full(n, np.nan), outputs=nothing, scores=np.full(n, np.nan), values=values)
    batches = lambda: iter([HistoryBatch(rows, np.full(n, NO_LABEL))])  # noqa: E731 - it is called twice
    layout = Layout.of(build_reference(batches, Schema(ModelName("m"), (), task=task), lambda _: None))
    table = Signals.table(layout)
    found = of(table, counted(layout, table, rows), group="output", what=What.ABOVE)
    assert len(found) == 9
    assert found[4][0] == np.count_nonzero(values >= float(table.signals[4].item))
    assert (table.scored, table.scored_group) == (("output",), ("output",))
