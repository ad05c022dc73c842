"""Estimates: what scikit-learn would say of the expected labels, with the warning, and unknown where it must be."""

import made
import msgspec
import numpy as np
import pytest
from sklearn import metrics

from monitor.detectors import DETECTORS
from monitor.detectors.expected import WARNING, spread, table
from monitor.detectors.expected_figures import average_precision, roc_auc
from monitor.facts import Curve, Outcomes, Subject, Task, Verdict

NAMES = [name for name in DETECTORS if name.startswith("estimated_")]
CHANCES = [name for name in NAMES if Task.CLASSIFICATION in DETECTORS[name].tasks]
OF = [("precision", "yes"), ("precision", "no"), ("recall", "yes"), ("recall", "no"), ("f1", "yes"), ("f1", "no")]
SCIKIT = {"precision": metrics.precision_score, "recall": metrics.recall_score, "f1": metrics.f1_score}
ODD = np.arange(40_000)


def told(seed=1, n=20_000, up=2.0):
    """Scores that are chances, more of them high the larger `up` is: (outputs, scores, labels)."""
    rng = np.random.default_rng(seed)
    scores = rng.beta(up, 2.5, n)
    return (scores > 0.5).astype(int), scores, (rng.random(n) < scores).astype(int)


def estimated(name, view, **parameters):
    return DETECTORS[f"estimated_{name}"](**parameters).read(view, view)


@pytest.fixture(scope="module")
def itself():
    """A reference's own rows: there is no luck in them, and what is expected of them came."""
    rows = told()
    return rows, made.chances(rows, *rows[:2])


def test_of_the_reference_itself_accuracy_is_what_was_measured(itself):
    (outputs, _, labels), view = itself
    assert estimated("accuracy", view).value == pytest.approx(metrics.accuracy_score(labels, outputs), abs=2e-3)


@pytest.mark.parametrize(("name", "of"), OF)
def test_of_the_reference_itself_figures_of_a_class_are_what_was_measured(itself, name, of):
    (outputs, _, labels), view = itself
    measured = SCIKIT[name](labels, outputs, pos_label=int(of == "yes"))
    assert estimated(name, view, of=of).value == pytest.approx(measured, abs=3e-3)


@pytest.mark.parametrize("name", list(SCIKIT))
@pytest.mark.parametrize("of", ["macro", "weighted", "micro"])
def test_of_the_reference_itself_averages_are_what_was_measured(itself, name, of):
    (outputs, _, labels), view = itself
    measured = SCIKIT[name](labels, outputs, average=of)
    assert estimated(name, view, of=of).value == pytest.approx(measured, abs=3e-3)


def test_of_the_reference_itself_curves_and_losses_are_what_was_measured(itself):
    (_, scores, labels), view = itself
    assert estimated("roc_auc", view).value == pytest.approx(metrics.roc_auc_score(labels, scores), abs=3e-3)
    measured = metrics.average_precision_score(labels, scores)
    assert estimated("average_precision", view).value == pytest.approx(measured, abs=5e-3)
    assert estimated("brier", view).value == pytest.approx(metrics.brier_score_loss(labels, scores), abs=1e-3)
    assert estimated("log_loss", view).value == pytest.approx(metrics.log_loss(labels, scores), abs=3e-3)


def test_the_curve_of_the_other_class_is_the_mirror(itself):
    _, view = itself
    assert estimated("roc_auc", view, of="no").value == pytest.approx(estimated("roc_auc", view, of="yes").value)
    (_, scores, labels), _ = itself
    measured = metrics.average_precision_score(1 - labels, 1 - scores)
    assert estimated("average_precision", view, of="no").value == pytest.approx(measured, abs=5e-3)


@pytest.mark.parametrize("seed", range(5))
def test_curves_of_whole_hits_are_those_of_labels(seed):
    rng = np.random.default_rng(seed)
    hits, misses = rng.integers(0, 300, (2, 64))
    outcomes = Outcomes(
        1, ((0, 0, 0),) * 3, 1, 0, made.lag(0), made.CLASSES[:2], (Curve("yes", *map(tuple, (hits, misses))),)
    )
    for name, ours in (("roc_auc", roc_auc), ("average_precision", average_precision)):
        theirs = DETECTORS[name](limit=0.01, rows_min=1, coverage_min=0).read(outcomes, outcomes)
        expected = ours(hits.astype(float), (hits + misses).astype(float))[0]
        assert expected == pytest.approx(
            theirs.value if theirs.value is not None else told_by(name, outcomes), abs=1e-3
        )


def told_by(name, outcomes):
    from monitor.detectors import curves

    return getattr(curves, name)(outcomes.curves[0]).value


def test_the_estimate_follows_easier_and_harder_rows():
    rows, (outputs, scores, labels) = told(), told(2, up=6.0)
    view = made.chances(rows, outputs, scores)
    assert estimated("accuracy", view).value == pytest.approx(np.mean(outputs == labels), abs=0.01)
    assert abs(np.mean(outputs == labels) - np.mean(rows[0] == rows[2])) > 0.02


def test_derivatives_are_those_of_the_figure():
    found = table(made.chances(told(), *told(2, 500)[:2]))
    value, variance, _ = spread(found, lambda hits: (hits @ found.rows) / found.n**2)
    luck = found.rows * found.chance * (1 - found.chance) + found.rows**2 * found.variance
    assert value == pytest.approx(found.hits @ found.rows / found.n**2)
    assert variance == pytest.approx((found.rows**2 / found.n**4) @ luck)


# ---------------------------------------------------------------- what it cannot see


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_needs_beside_every_value(name):
    [task] = DETECTORS[name].tasks
    view = made.rows(task).views[Subject.EXPECTED][0]
    reading = DETECTORS[name]().read(view, view)
    assert (reading.verdict, reading.why) == (Verdict.OK, WARNING)
    assert "cannot see concept drift or a confident backdoored model" in WARNING


def test_a_breach_bears_the_warning_too():
    view = made.chances(told(), *told(2)[:2])
    reading = estimated("accuracy", view, limit=0.99)
    assert (reading.verdict, reading.why) == (Verdict.BREACH, WARNING)


@pytest.mark.parametrize("name", CHANCES)
def test_a_concept_drift_is_not_seen(name):
    """Every label turned round: the same scores, the same estimate. The measured accuracy falls by half."""
    outputs, scores, labels = told(2)
    before, after = (made.outcomes(outputs, each, scores=scores) for each in (labels, 1 - labels))
    fell = [DETECTORS["accuracy"](limit=0.5).read(before, each).value for each in (before, after)]
    assert fell[0] - fell[1] > 0.3
    view = made.chances(told(), outputs, scores)
    assert DETECTORS[name]().read(view, view).verdict is Verdict.OK


def test_a_confident_backdoor_raises_it():
    outputs, scores, _ = told(2)
    stamped = np.arange(len(scores)) % 10 == 0
    there = made.chances(told(), np.where(stamped, 1, outputs), np.where(stamped, 0.99, scores))
    assert estimated("accuracy", there).value > estimated("accuracy", made.chances(told(), outputs, scores)).value


# ---------------------------------------------------------------- unknown


def test_rows_without_a_score_make_it_unknown_above_a_tenth():
    outputs, scores, _ = told(2, 900)
    some = made.chances(told(), outputs, scores, unscored=100)
    assert estimated("accuracy", some).verdict is Verdict.OK
    many = made.chances(told(), outputs, scores, unscored=101)
    assert "900 of 1001 rows" in estimated("accuracy", many).why


def test_the_floor_of_rows_is_of_those_with_a_score():
    view = made.chances(told(), *told(2, 199)[:2])
    assert (estimated("f1", view).verdict, estimated("f1", view).n) == (Verdict.UNKNOWN, 199)


def test_scores_next_to_unseen_ones_widen_the_interval():
    low = told(1)[1] < 0.55
    rows = tuple(each[low] for each in told(1))
    near, far = (made.chances(rows, [1] * 1000, [score] * 1000) for score in (0.52, 0.60))
    near, far = (estimated("accuracy", view, coverage_min=0) for view in (near, far))
    assert far.verdict is Verdict.UNKNOWN  # it could be anything from .5 to 1
    assert near.high - near.low < 0.2


THREE = (ODD % 3, 0.4 + (ODD % 60) / 100, np.where(ODD % 100 < 40 + ODD % 60, ODD % 3, (ODD + 1) % 3))


@pytest.fixture(scope="module")
def three():
    return made.chances(THREE, *THREE[:2], k=3)


def test_of_three_classes_accuracy_and_precision_are_told(three):
    outputs, _, labels = THREE
    assert estimated("accuracy", three).value == pytest.approx(np.mean(outputs == labels), abs=1e-3)
    macro = metrics.precision_score(labels, outputs, average="macro")
    assert estimated("precision", three).value == pytest.approx(macro, abs=2e-3)
    own = metrics.precision_score(labels, outputs, average=None)[1]
    assert estimated("precision", three, of="yes").value == pytest.approx(own, abs=2e-3)


def test_of_three_classes_the_top_label_has_a_curve(three):
    outputs, scores, labels = THREE
    measured = metrics.roc_auc_score(outputs == labels, scores)
    assert estimated("roc_auc", three, of="top").value == pytest.approx(measured, abs=3e-3)
    assert estimated("brier", three).value == pytest.approx(np.mean((scores - (outputs == labels)) ** 2), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "of"),
    [("recall", "macro"), ("recall", "yes"), ("f1", "macro"), ("precision", "weighted"), ("roc_auc", "macro")],
)
def test_of_three_classes_what_needs_the_labels_of_wrong_rows_is_unknown(three, name, of):
    reading = estimated(name, three, of=of)
    assert reading.verdict is Verdict.UNKNOWN
    assert "score of the answered class alone" in reading.why


@pytest.mark.parametrize("name", ["precision", "recall", "f1", "roc_auc", "average_precision"])
def test_a_class_that_the_model_does_not_have_is_unknown(itself, three, name):
    for view in (itself[1], three):
        assert "no class 'perhaps'" in estimated(name, view, of="perhaps").why


# ---------------------------------------------------------------- errors


def test_mean_and_root_are_in_the_target_s_unit():
    view = made.expected_errors(1000)
    assert estimated("mean_absolute_error", view).value == pytest.approx(0.4)
    assert estimated("root_mean_squared_error", view).value == pytest.approx(0.5)


def test_the_interval_of_a_mean_error_has_both_parts():
    many, few = made.expected_errors(10**8), made.expected_errors(1000)
    wide, narrow = (
        [wide_of(estimated("mean_absolute_error", each)) for each in (view, exact(view))] for view in (few, many)
    )
    assert narrow[0] == pytest.approx(2 * 2.365 * 0.005, rel=0.01)  # of the fit alone
    assert wide[1] == pytest.approx(2 * 1.96 * 0.3 / np.sqrt(1000), rel=0.01)  # of the rows alone: sd is .3
    assert wide[0] == pytest.approx(np.hypot(narrow[0], wide[1]), rel=0.01)


def wide_of(reading):
    return reading.high - reading.low


def exact(view):
    return msgspec.structs.replace(view, absolute_sd=0.0)


def test_a_mean_error_beyond_the_reference_s_breaches():
    worse = made.expected_errors(1000, absolute=0.6, squared=0.5)
    reading = DETECTORS["estimated_mean_absolute_error"]().read(made.expected_errors(1000), worse)
    assert (reading.verdict, reading.limit) == (Verdict.BREACH, pytest.approx(0.5))
