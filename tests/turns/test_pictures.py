"""What is drawn is what was counted: by bin, beside the reference, for every task, and nothing of a row's values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world import SCHEMA, reference

from monitor.export.pictures import Drawn
from monitor.facts import Feature, FeatureKind, ModelName, Pane, Schema, Subject, Task
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.layout import Layout
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions
from monitor.panes.sections import OTHER
from monitor.turns.pictures import UNSEEN, Drawing, Frame, answers, category_names, places, usable

BOTH = Drawing(features_max=2)
NAMED = Drawing(features_max=2, category_names=True)
COLOURS = ("red", "green", "blue")
NO = np.zeros(300, bool)


def history(task, classes=2):
    """Three hundred rows of a number and a category."""
    rng = np.random.default_rng(3)
    columns = {
        "x": NumericColumn(rng.normal(size=300), NO, NO),
        "c": CategoricalColumn(rng.integers(0, 3, 300), COLOURS),
    }
    outputs = rng.integers(0, classes, 300).astype(np.uint8) if task is Task.CLASSIFICATION else np.zeros(300, np.uint8)
    values = None if task is Task.CLASSIFICATION else rng.integers(1, 30, 300).astype(float)
    scores = rng.random(300) if task is Task.CLASSIFICATION else np.full(300, np.nan)
    return Predictions.unsent(columns, times=np.arange(300.0), outputs=outputs, scores=scores, values=values)


def layout_of(task, classes=2, *, sensitive=False):
    features = (Feature("x", FeatureKind.NUMERIC, sensitive), Feature("c", FeatureKind.CATEGORICAL, sensitive))
    names = tuple(f"class{i}" for i in range(classes)) if task is Task.CLASSIFICATION else ()
    schema = Schema(ModelName("m"), features, names, names[1] if len(names) == 2 else None, task)
    batch = HistoryBatch(history(task, classes), np.full(300, NO_LABEL))
    return Layout.of(build_reference(lambda: iter([batch]), schema, lambda _: None))


LAYOUTS = {task: layout_of(task) for task in Task}
every_task = pytest.mark.parametrize("task", Task)


def drawn(layout, drawing=BOTH, counted=None, window=()):
    """{(what, feature): view} of one picture."""
    found = Frame.of(layout, drawing).pictures(counted, window)
    return {(each.drawn, each.column): each for each in found.bins}


def pane(layout, seed=1):
    """Some counts, each cell another."""
    return Pane(layout.digest, np.random.default_rng(seed).integers(0, 1000, layout.size))


@every_task
def test_rows_by_bin_are_those_of_the_histograms_that_detectors_read(task):
    layout = LAYOUTS[task]
    live = pane(layout)
    found = drawn(layout, counted=live.counts)
    for histogram in layout.features(live):
        assert found[Drawn.FEATURE, histogram.column].rows == histogram.bins
    assert found[Drawn.OUTPUT, ""].rows == layout.view(live, Subject.OUTPUT).bins


@every_task
def test_the_reference_stands_beside_them_in_the_same_bins(task):
    layout = LAYOUTS[task]
    for (what, column), view in drawn(layout).items():
        subject = {Drawn.OUTPUT: Subject.OUTPUT, Drawn.SCORE: Subject.SCORE}.get(what, Subject.FEATURES)
        own = layout.view(layout.reference_pane(), subject, column)
        assert sum(view.reference) == own.n == 300
        assert len(view.names) == len(view.rows) == len(view.reference)


def test_four_bins_of_the_score_are_drawn_as_one():
    layout = LAYOUTS[Task.CLASSIFICATION]
    live = pane(layout)
    bins = layout.view(live, Subject.SCORE).bins
    score = drawn(layout, counted=live.counts)[Drawn.SCORE, ""]
    assert score.rows == tuple(sum(bins[i : i + 4]) for i in range(0, 64, 4))
    assert score.names[:2] == ("0.0625", "0.125")
    assert (score.names[-1], len(score.names)) == ("1.0", 16)


def test_edges_of_scores_sort_as_text_like_numbers():
    names = drawn(LAYOUTS[Task.CLASSIFICATION])[Drawn.SCORE, ""].names
    assert list(names) == sorted(names, key=float) == sorted(names)


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.RANKING])
def test_a_task_without_scores_draws_none(task):
    assert (Drawn.SCORE, "") not in drawn(LAYOUTS[task])


@every_task
def test_before_the_first_row_every_bin_is_at_zero(task):
    assert {sum(view.rows) for view in drawn(LAYOUTS[task]).values()} == {0}


def test_outputs_are_called_by_their_classes():
    assert drawn(layout_of(Task.CLASSIFICATION, 3))[Drawn.OUTPUT, ""].names == ("class0", "class1", "class2", OTHER)
    assert drawn(LAYOUTS[Task.REGRESSION])[Drawn.OUTPUT, ""].names[:2] == ("00", "01")


def test_categories_are_named_only_where_the_settings_say_so():
    layout = LAYOUTS[Task.CLASSIFICATION]
    assert drawn(layout)[Drawn.FEATURE, "c"].names == ("00", "01", "02", "03", "04")
    assert set(drawn(layout, NAMED)[Drawn.FEATURE, "c"].names) == {*COLOURS, OTHER, UNSEEN}
    assert drawn(layout, NAMED)[Drawn.FEATURE, "x"].names[0] == "00"


def test_the_categories_of_a_sensitive_feature_are_never_named():
    layout = layout_of(Task.CLASSIFICATION, sensitive=True)
    assert drawn(layout, NAMED)[Drawn.FEATURE, "c"].names[0] == "00"


@pytest.mark.parametrize("sensitive", [False, True])
def test_where_the_numbers_of_a_sensitive_feature_lie_is_not_told(sensitive):
    layout = layout_of(Task.CLASSIFICATION, sensitive=sensitive)
    found = Frame.of(layout, BOTH).pictures(None, layout.features(layout.reference_pane()))
    told = {(each.column, each.of_reference) for each in found.spreads}
    assert told == (set() if sensitive else {("x", True), ("x", False)})


@pytest.mark.parametrize("name", ["", OTHER, UNSEEN, "x" * 101])
def test_categories_that_cannot_be_labels_are_called_by_their_places(name):
    layout = LAYOUTS[Task.CLASSIFICATION]
    bins, cells = layout.reference.columns[1], layout.feature_cells[1]
    assert category_names(replace(bins, top=(name, *bins.top[1:])), cells) == ("00", "01", "02", "03", "04")


@given(st.integers(1, 300))
def test_places_are_as_many_as_bins_all_different_and_sorted(bins):
    names = places(bins)
    assert len(set(names)) == bins
    assert list(names) == sorted(names)
    assert usable(names)


@given(st.integers(0, 5))
@settings(max_examples=6)
def test_no_more_features_are_drawn_than_the_settings_say(features_max):
    found = Frame.of(LAYOUTS[Task.CLASSIFICATION], Drawing(features_max)).pictures(None, ())
    columns = [each.column for each in found.bins if each.drawn is Drawn.FEATURE]
    assert columns == ["x", "c"][:features_max]
    assert {each.column for each in found.spreads} == set(columns) - {"c"}


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.RANKING])
def test_where_answers_lie_is_told_in_their_own_unit(task):
    layout = LAYOUTS[task]
    answered = answers(layout, layout.reference_pane())
    live, own = [each for each in Frame.of(layout, BOTH).pictures(None, (), answered).spreads if not each.column]
    assert (live.of_reference, own.of_reference) == (False, True)
    assert live.mean == pytest.approx(np.mean(history(task).values), abs=1e-6)
    assert dict(own.quantiles)[0.5] == pytest.approx(np.median(history(task).values), abs=1.5)  # a bin holds 1.5 of 29


def test_classes_lie_nowhere():
    layout = LAYOUTS[Task.CLASSIFICATION]
    assert answers(layout, layout.reference_pane()) == ()
    assert all(each.column for each in Frame.of(layout, BOTH).pictures(None, ()).spreads)


def test_a_feature_called_output_is_no_answer():
    layout = LAYOUTS[Task.REGRESSION]
    [window] = [replace(each, column="output") for each in layout.features(layout.reference_pane())[:1]]
    live = [each for each in Frame.of(layout, BOTH).pictures(None, (window,)).spreads if not each.of_reference]
    assert [each.column for each in live] == ["output"]


def test_quantiles_and_mean_of_window_and_reference_are_told_apart():
    layout = LAYOUTS[Task.REGRESSION]
    window = layout.features(layout.reference_pane())
    live, own = [each for each in Frame.of(layout, BOTH).pictures(None, window).spreads if each.column]
    assert (live.of_reference, own.of_reference) == (False, True)
    assert (live.quantiles, live.mean) == (own.quantiles, own.mean)
    assert [share for share, _ in own.quantiles] == [0.05, 0.5, 0.95]
    values = history(Task.REGRESSION).columns["x"].values
    assert dict(own.quantiles)[0.5] == pytest.approx(
        np.median(values), abs=np.diff(np.quantile(values, [0.45, 0.55]))[0]
    )


def test_an_empty_window_has_no_quantiles_and_no_zero():
    layout = LAYOUTS[Task.CLASSIFICATION]
    [own] = Frame.of(layout, BOTH).pictures(None, layout.features(layout.empty())).spreads
    assert own.of_reference


def test_the_profile_is_the_beginning_of_the_digest():
    layout = Layout.of(reference())
    found = Frame.of(layout, BOTH).pictures(None, ())
    assert found.profile == layout.digest.removeprefix("sha256:")[:12]
    assert layout.reference.schema is SCHEMA
