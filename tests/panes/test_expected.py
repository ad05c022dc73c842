"""What the reference learns to expect of labels: chances that rise with the score, errors that add up over cells."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from monitor.errors import Corrupt
from monitor.facts import FIXED_POINT, Chances, ExpectedErrors, Feature, FeatureKind, ModelName, Schema, Subject, Task
from monitor.panes import expected_count, expected_fit
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.expected import GROUPS, STEP, Additive, Calibration
from monitor.panes.expected_read import POOLED_MIN, calibrate, isotonic, pool
from monitor.panes.layout import Layout
from monitor.panes.reference import decode_reference, encode_reference
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions

N = 8_000
X = Feature("x", FeatureKind.NUMERIC)
C = Feature("c", FeatureKind.CATEGORICAL)
TWO = Schema(ModelName("m"), (X,), ("no", "yes"), "yes")
THREE = Schema(ModelName("m"), (X,), ("a", "b", "c"))
NUMBER = Schema(ModelName("m"), (X, C), task=Task.REGRESSION)
RANKED = Schema(ModelName("m"), (X,), task=Task.RANKING)


def column(values):
    nothing = np.zeros(len(values), bool)
    return NumericColumn(np.asarray(values, float), np.isnan(np.asarray(values, float)), nothing)


def rows(n=None, **given):
    n = n or max(len(values) for values in given.values())
    columns = {"x": column(given.get("x", np.zeros(n)))}
    if "c" in given:
        columns["c"] = CategoricalColumn(np.asarray(given["c"], np.int32), ("low", "high", "new"))
    return Predictions.unsent(
        columns,
        times=np.full(n, np.nan),
        outputs=np.asarray(given.get("outputs", np.zeros(n)), np.uint8),
        scores=np.asarray(given.get("scores", np.full(n, np.nan)), float),
        values=np.asarray(given.get("values", np.full(n, np.nan)), float),
    )


def learn(schema, found, labels, size=1_000):
    """The layout of a reference of these rows, in batches."""

    def batches():
        for start in range(0, found.n, size):
            part = slice(start, start + size)
            yield HistoryBatch(found.take(part), np.asarray(labels, float)[part])

    return Layout.of(build_reference(batches, schema, lambda _: None))


def expect(layout, found=None):
    pane = layout.reference_pane() if found is None else count_rows(layout, bin_rows(layout, found))
    return layout.view(pane, Subject.EXPECTED)


def scored(seed=1, n=N):
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    return rows(outputs=scores > 0.5, scores=scores), rng.random(n) < scores


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Matrices are small: the threads of a solver would only wait for each other."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def two():
    return learn(TWO, *scored())


@pytest.fixture(scope="module")
def priced():
    """Errors of 1 or 3 by the category, and of twice that where the predicted number is large: three of five groups."""
    return learn(NUMBER, *prices(20_000, 0.5))


def prices(n, high, seed=3, large=0.6):
    rng = np.random.default_rng(seed)
    c, values = rng.random(n) < high, np.where(rng.random(n) < large, 10.0, 0.0) + rng.random(n)
    errors = np.where(c, 3.0, 1.0) * np.where(values > 5, 2, 1) * rng.choice([0.9, 1.1], n)
    return rows(x=rng.normal(size=n), c=c, values=values), values - errors


# ---------------------------------------------------------------- chances


tables = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=40)


@given(tables)
@settings(max_examples=200)
def test_chances_never_fall_along_a_chain_and_stay_shares(table):
    chance, variance, slack = calibrate(np.array(table), [np.arange(len(table))])
    assert (np.diff(chance) >= -1e-12).all()
    assert ((chance - slack >= -1e-12) & (chance + slack <= 1 + 1e-12)).all()
    assert ((variance >= 0) & (variance <= 0.25)).all()


@given(tables.filter(lambda table: sum(map(sum, table)) > 0))
@settings(max_examples=100)
def test_what_came_true_of_the_reference_is_what_is_expected_of_it(table):
    counts = np.array(table)
    chance, _, _ = calibrate(counts, [np.arange(len(table))])
    assert chance @ counts.sum(axis=1) == pytest.approx(counts[:, 0].sum())


def test_shares_that_rise_by_themselves_are_left_alone():
    hits, all_rows = np.array([10, 40, 90]), np.array([100, 100, 100])
    share, variance = isotonic(hits, all_rows)
    assert share.tolist() == [0.1, 0.4, 0.9]
    assert variance[1] == pytest.approx(0.4 * 0.6 / 100, rel=0.01)


def test_neighbours_that_fall_are_one():
    assert isotonic(np.array([60, 40]), np.array([100, 100]))[0].tolist() == [0.5, 0.5]


def test_no_share_is_made_of_a_few_rows():
    groups = pool(np.array([1, 5, 40, 2, 29, 1, 3]))
    assert np.bincount(groups, [1, 5, 40, 2, 29, 1, 3]).min() >= POOLED_MIN
    assert (np.diff(groups) >= 0).all()


def test_a_cell_that_was_never_seen_lies_between_its_neighbours():
    chance, _, slack = calibrate(np.array([[20, 80], [0, 0], [60, 40], [0, 0]]), [np.arange(4)])
    assert (chance[1], slack[1]) == pytest.approx((0.4, 0.2))
    assert (chance[3], slack[3]) == pytest.approx((0.8, 0.2))


def test_scores_that_are_chances_are_found_to_be(two):
    view = expect(two)
    assert isinstance(view, Chances)
    assert (view.rows, view.scored, view.calibrated) == (N, N, N)
    away = [(cell.chance - cell.score) / np.sqrt(cell.variance) for cell in view.cells]
    assert np.sqrt(np.mean(np.square(away))) < 1.2  # pooling leaves rather less than a standard error


def test_scores_that_are_too_high_are_corrected():
    found, labels = scored()
    boasting = rows(outputs=found.outputs, scores=np.sqrt(found.scores))
    cells = expect(learn(TWO, boasting, labels)).cells
    assert np.average([c.chance - c.score**2 for c in cells], weights=[c.rows for c in cells]) == pytest.approx(
        0, abs=0.02
    )


def test_a_threshold_inside_a_bin_parts_its_rows():
    scores = np.repeat([0.505, 0.51], 2_000)  # both of bin 32
    labels = np.concatenate([np.arange(2_000) % 10 < 2, np.arange(2_000) % 10 < 8])
    cells = expect(learn(TWO, rows(outputs=scores > 0.507, scores=scores), labels)).cells
    assert [(cell.output, cell.bin, cell.chance) for cell in cells] == [(0, 32, 0.2), (1, 32, 0.8)]


def test_of_more_classes_each_is_calibrated_by_itself():
    outputs, n = np.repeat([0, 1], 2_000), 4_000
    right = np.concatenate([np.arange(2_000) % 10 < 5, np.arange(2_000) % 10 < 9])
    view = expect(learn(THREE, rows(outputs=outputs, scores=np.full(n, 0.7)), np.where(right, outputs, 2)))
    assert [(cell.output, cell.chance) for cell in view.cells] == [(0, 0.5), (1, 0.9)]


def test_the_loss_within_a_bin_is_that_of_its_rows_weighted_as_they_come_true(two):
    found, _ = scored()
    first = found.scores[found.scores < 1 / 64].astype(np.float32).astype(float)
    [cell] = [cell for cell in expect(two).cells if cell.bin == 0]
    assert cell.one == pytest.approx(np.average(-np.log(first), weights=first), rel=1e-4)
    assert cell.zero == pytest.approx(np.average(-np.log(1 - first), weights=1 - first), rel=1e-4)


def test_a_row_without_a_score_or_a_label_teaches_nothing():
    found, labels = scored()
    few = np.where(np.arange(N) < 500, labels, NO_LABEL)
    silent = rows(outputs=found.outputs, scores=np.where(np.arange(N) < 300, np.nan, found.scores))
    view = expect(learn(TWO, silent, few))
    assert (view.rows, view.scored, view.calibrated) == (N, N - 300, 200)


def test_a_reference_without_labels_expects_nothing():
    layout = learn(TWO, scored()[0], np.full(N, NO_LABEL))
    assert layout.reference.expected is None
    assert expect(layout) == Chances(N, 0, ("no", "yes"), 1)


# ---------------------------------------------------------------- errors


def measured(layout, found, labels):
    away = np.abs(found.values - labels)
    return away.mean(), (away**2).mean()


@pytest.mark.parametrize(("high", "large"), [(0.5, 0.5), (0.9, 0.5), (0.2, 0.9), (0.0, 0.0)])
def test_errors_of_another_mixture_are_expected_from_counts(priced, high, large):
    found, labels = prices(4_000, high, seed=4, large=large)
    view, (absolute, squared) = expect(priced, found), measured(priced, found, labels)
    assert isinstance(view, ExpectedErrors)
    assert (view.told, view.fitted) == (4_000, 20_000)
    assert view.absolute == pytest.approx(absolute, rel=0.02)
    assert view.squared == pytest.approx(squared, rel=0.04)


def test_errors_of_the_reference_itself_are_as_measured(priced):
    counts, layout = priced.reference_pane(), priced
    total = layout.view(counts, Subject.OUTCOMES)
    view = expect(layout)
    assert view.absolute == pytest.approx(total.absolute / total.labelled, rel=1e-3)
    assert view.kurtosis == pytest.approx(total.fourth * total.labelled / total.squared**2)


def test_what_only_two_features_do_together_is_not_seen():
    rng = np.random.default_rng(8)
    x, c = rng.random(20_000) < 0.5, rng.random(20_000) < 0.5
    found, errors = rows(x=x, c=c, values=rng.random(20_000)), np.where(x == c, 3.0, 1.0)
    layout = learn(NUMBER, found, found.values - errors)
    together = rows(x=x, c=x, values=rng.random(20_000))
    assert expect(layout, together).absolute == pytest.approx(2.0, rel=0.02)  # the truth is 3


def test_rows_without_a_number_are_left_out(priced):
    found, _ = prices(4_000, 0.5, seed=4)
    broken = rows(x=np.zeros(1_000), c=np.ones(1_000, int), values=np.full(1_000, np.nan))
    counts = count_rows(priced, bin_rows(priced, found)) + count_rows(priced, bin_rows(priced, broken))
    view, whole = priced.view(counts, Subject.EXPECTED), expect(priced, found)
    assert (view.rows, view.told) == (5_000, 4_000)
    assert (view.absolute, view.squared) == (whole.absolute, whole.squared)


def test_rows_where_the_reference_has_none_are_told_of(priced):
    found, _ = prices(1_000, 0.5, seed=4)
    away = rows(x=np.full(1_000, 99.0), c=np.zeros(1_000, int), values=found.values)
    view = expect(priced, away)
    assert (view.strange, view.strange_share) == ("x", 1.0)


def test_the_error_of_the_fit_is_about_that_of_a_mean():
    """Of errors that nothing explains: sd / sqrt(rows), by 8 parts (chi with 7 degrees of freedom: 99.8 % inside)."""
    rng = np.random.default_rng(9)
    found, errors = rows(x=rng.normal(size=N), c=rng.random(N) < 0.5, values=rng.random(N)), rng.exponential(size=N)
    view = expect(learn(NUMBER, found, found.values - errors))
    assert 0.29 < view.absolute_sd / (errors.std() / np.sqrt(N)) < 1.87


def test_no_labels_or_too_few_learn_nothing():
    found, labels = prices(2_000, 0.5)
    few = np.where(np.arange(2_000) < expected_fit.ROWS_MIN - 1, labels, NO_LABEL)
    for given_labels in (few, np.full(2_000, NO_LABEL)):
        layout = learn(NUMBER, found, given_labels)
        assert layout.reference.expected is None
        assert expect(layout) == ExpectedErrors(2_000, 0, 0)


def test_a_ranking_expects_nothing():
    layout = learn(RANKED, rows(x=np.zeros(600), values=np.full(600, 9.0)), np.full(600, 1.0 * FIXED_POINT))
    assert layout.reference.expected is None
    assert expect(layout) == ExpectedErrors(600, 0, 0)


def test_a_long_history_is_sampled_evenly(monkeypatch):
    monkeypatch.setattr(expected_count, "SAMPLE_MAX", 1_000)
    learned = learn(NUMBER, *prices(20_000, 0.5)).reference.expected
    assert abs(learned.rows - 1_000) <= 2  # Weyl: the parts differ by a row or two
    again = learn(NUMBER, *prices(20_000, 0.5), size=777).reference.expected
    assert again == learned


def test_a_wide_model_keeps_the_columns_that_tell_most(monkeypatch):
    monkeypatch.setattr(expected_fit, "CELLS_MAX", 70)
    learned = learn(NUMBER, *prices(20_000, 0.5)).reference.expected
    assert learned.columns == (1, 2)  # the category and the output; x tells nothing
    assert len(learned.absolute[0]) <= 70 + 1


# ---------------------------------------------------------------- the stored form


def tampered(layout, **changes):
    learned = msgspec.structs.replace(layout.reference.expected, **changes)
    return encode_reference(msgspec.structs.replace(layout.reference, expected=learned))


@pytest.mark.parametrize("name", ["two", "priced"])
def test_what_was_learned_is_read_back(name, request):
    layout = request.getfixturevalue(name)
    assert decode_reference(encode_reference(layout.reference)) == layout.reference


def test_the_kinds_are_of_the_task(two, priced):
    assert isinstance(two.reference.expected, Calibration)
    assert isinstance(priced.reference.expected, Additive)
    swapped = msgspec.structs.replace(two.reference, expected=priced.reference.expected)
    with pytest.raises(Corrupt, match="another task"):
        decode_reference(encode_reference(swapped))


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": ((3 * 64, 1, 1),)},
        {"cells": ((2, 1, 1), (1, 1, 1))},
        {"cells": ((1, -1, 1),)},
        {"bins": ((64, *[0.5] * 5),)},
        {"bins": ((1, *[-0.5] * 5),)},
    ],
)
def test_a_calibration_that_cannot_be_is_refused(two, changes):
    with pytest.raises(Corrupt):
        decode_reference(tampered(two, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"columns": (0, 1, 3)},
        {"columns": (1, 0, 2)},
        {"columns": (0, 1)},
        {"columns": ()},
        {"crossed": (2,)},
        {"absolute": ((1, 2),) * (1 + GROUPS)},
        {"squared": ()},
        {"rows": 0},
        {"ridge": 0},
    ],
)
def test_coefficients_that_cannot_be_are_refused(priced, changes):
    with pytest.raises(Corrupt):
        decode_reference(tampered(priced, **changes))


def test_coefficients_are_whole_steps(priced):
    """So that another machine's solver, which differs in the last digits, gives the same bytes."""
    first = priced.reference.expected.absolute[0]
    assert all(isinstance(each, int) for each in first)
    assert first[0] * STEP * priced.reference.error_scale == pytest.approx(3.0, rel=0.5)
