"""What every statistic must survive, tried on every detector that the registry names, by what it reads."""

import made
import msgspec
import numpy as np
import pytest
from test_detector_contract import READ, READERS, WORLDS, sound

from monitor.detectors import DETECTORS
from monitor.facts import Arrivals, Groups, Histogram, PairedErrors, Pairs, Ranks, Subject, Task, Verdict

HUGE = 2**53
EDGES = tuple(float(i) for i in range(21))
SCORED = made.rows(Task.CLASSIFICATION).views[Subject.OUTCOMES][0]


def number(*bins, **cells) -> Histogram:
    return Histogram("x", True, bins, bins[0] + bins[-1], edges=EDGES, **cells)


def labelled(outputs, labels, scores=0.5, n=1000):
    return made.outcomes(np.full(n, outputs), np.full(n, labels), scores=np.full(n, scores))


def multiplied(view, times):
    """The same rows many times over, in the parts that are counted as whole numbers."""
    bins = {name: tuple(n * times for n in getattr(view, name)) for name in ("bins", "lag") if hasattr(view, name)}
    if hasattr(view, "confusion"):
        bins["confusion"] = tuple(tuple(n * times for n in row) for row in view.confusion)
        bins["curves"] = tuple(
            msgspec.structs.replace(curve, hits=tuple(n * times for n in curve.hits)) for curve in view.curves
        )
    whole = {name: getattr(view, name) * times for name in ("rows", "scored", "squared_error") if name not in bins}
    return msgspec.structs.replace(view, **bins, **(whole if hasattr(view, "confusion") else {}))


NUMBERS = {
    "an empty window": (number(0, *[100] * 20, 0), number(*[0] * 22)),
    "one row": (number(0, *[100] * 20, 0), number(0, 1, *[0] * 20)),
    "all missing": (number(0, *[100] * 20, 0), number(*[0] * 22, missing=2000)),
    "half missing": (number(0, *[100] * 20, 0), number(0, *[50] * 20, 0, missing=1000)),
    "all non-finite": (number(0, *[100] * 20, 0), number(*[0] * 22, non_finite=2000)),
    "a reference without a value": (number(*[0] * 22, missing=2000), number(0, *[100] * 20, 0)),
    "a constant reference": 2 * (Histogram("x", True, (0, 900, 0), edges=(3.0,), mean=3.0, std=0.0),),
    "a constant that moved": (
        Histogram("x", True, (0, 900, 0), edges=(3.0,), mean=3.0, std=0.0),
        Histogram("x", True, (0, 0, 900), 900, edges=(3.0,), mean=4.0, std=0.0),
    ),
    "all in the outer bins": (number(0, *[100] * 20, 0), number(1000, *[0] * 20, 1000)),
    "huge counts": (number(0, *[HUGE] * 20, 0), number(HUGE, *[HUGE] * 20, HUGE)),
    "numbers beyond 2**53": (
        Histogram("x", True, (0, 900, 900, 0), edges=(0.0, 2.0**60, 2.0**61), mean=2.0**60, std=2.0**59),
        Histogram("x", True, (0, 900, 900, 0), edges=(0.0, 2.0**60, 2.0**61), mean=2.0**60, std=2.0**59),
    ),
    "the whole range of doubles": 2 * (Histogram("x", True, (0, 900, 900, 0), edges=(-1.7e308, 0.0, 1.7e308)),),
}
CATEGORIES = {
    "an empty window": (made.categorical(900, 900, 0, 0), made.categorical(0, 0, 0, 0)),
    "all missing": (made.categorical(900, 900, 0, 0), made.categorical(0, 0, 0, 0, missing=900)),
    "a category never seen": (made.categorical(900, 900, 0, 0), made.categorical(900, 900, 0, 900)),
    "all categories new": (made.categorical(900, 900, 0, 0), made.categorical(0, 0, 0, 1800)),
    "a category gone": (made.categorical(900, 900, 0, 0), made.categorical(1800, 0, 0, 0)),
    "one category": 2 * (made.categorical(900, 0, 0, 0),),
    "huge counts": 2 * (made.categorical(HUGE, HUGE, HUGE, HUGE),),
}
OUTCOMES = {
    "no row": labelled(0, 0, n=0),
    "one row": labelled(1, 1, n=1),
    "no label": made.outcomes([], [], scores=[], unlabelled=1000),
    "one class alone": labelled(0, 0),
    "positives alone": labelled(1, 1, 1.0),
    "no positive predicted": made.outcomes([0] * 1000, [0, 1] * 500, scores=[0.0] * 1000),
    "all predicted as another class": made.outcomes([2] * 1000, [0, 1] * 500, scores=[0.5] * 1000),
    "all labelled as another class": made.outcomes([0, 1] * 500, [2] * 1000, scores=[0.5] * 1000),
    "all wrong": made.outcomes([0, 1] * 500, [1, 0] * 500, scores=[0.0, 1.0] * 500),
    "all right": made.outcomes([0, 1] * 500, [0, 1] * 500, scores=[0.0, 1.0] * 500),
    "no score": made.outcomes([0, 1] * 500, [0, 1] * 500),
    "huge counts": multiplied(SCORED, HUGE),
}
ERRORS = {
    "no row": made.errors([], []),
    "one row": made.errors([1], [2]),
    "no label": made.errors([], [], unlabelled=1000),
    "no error": made.errors(np.arange(1000), np.arange(1000)),
    "constant labels": made.errors(np.arange(1000), np.full(1000, 7.7)),
    "one error for all": made.errors(np.arange(1000) + 1, np.arange(1000)),
    "integers beyond 2**53": made.errors(np.full(1000, 2.0**60), 2.0**60 + np.arange(1000) * 2.0**40),
    "errors that were cut": msgspec.structs.replace(made.errors(np.ones(1000), np.zeros(1000)), clipped=3),
    "sums at the end of doubles": msgspec.structs.replace(
        made.errors(np.arange(1000), np.zeros(1000)), absolute=1.7e308, squared=1.7e308, fourth=1.7e308, error=1.7e308
    ),
}
RANKS = {
    "no list": made.ranks([]),
    "one list": made.ranks([[1]], [1.0]),
    "no label": made.ranks([], unlabelled=1000),
    "nothing relevant": made.ranks([[0, 0]] * 1000, [0.0] * 1000),
    "all first": made.ranks([[1]] * 1000, [1.0] * 1000),
    "places that are not counted": Ranks(1000, 1000, made.lag(1000)),
}
FAIR = (np.arange(64_000) % 64 >= 32, np.arange(64_000) % 64 / 64, np.arange(64_000) * 0.754877666 % 1 < 0.5)
CHANCES = {
    "no row": made.chances(FAIR, [], []),
    "one row": made.chances(FAIR, [1], [0.9]),
    "no score": made.chances(FAIR, [], [], unscored=1000),
    "no calibration": made.chances(([], [], []), [1] * 1000, [0.9] * 1000),
    "scores that the reference never saw": made.chances(([0] * 300, [0.1] * 300, [0] * 300), [1] * 1000, [0.9] * 1000),
    "never right": made.chances(([1] * 1000, [0.9] * 1000, [0] * 1000), [1] * 1000, [0.9] * 1000),
    "always right": made.chances(([1] * 1000, [0.9] * 1000, [1] * 1000), [1] * 1000, [0.9] * 1000),
    "all answered as another class": made.chances(FAIR, [2] * 1000, [0.9] * 1000),
    "three classes": made.chances((FAIR[0] * 1, FAIR[1], FAIR[2] * 1), [2, 1] * 500, [0.6] * 1000, k=3),
}
EXPECTED = {
    "no row": made.expected_errors(0),
    "one row": made.expected_errors(1),
    "no number": made.expected_errors(1000, told=0),
    "nothing learned": made.expected_errors(1000, fitted=0),
    "a column that moved away": made.expected_errors(1000, strange="x", strange_share=0.5),
    "less than no error": made.expected_errors(1000, absolute=-1.0, squared=-1.0),
    "sums at the end of doubles": made.expected_errors(1000, absolute=1e150, squared=1e300, kurtosis=1e3),
}
PAIRS = {
    "no row": Pairs(0, 0, 0, 0, 0, 0, 0),
    "nobody asked": Pairs(1000, 0, 0, 0, 0, 0, 0),
    "no label": Pairs(1000, 1000, 10, 0, 0, 0, 0),
    "all alike": Pairs(1000, 1000, 0, 1000, 0, 0, 0),
    "huge counts": Pairs(HUGE, HUGE, HUGE, 0, HUGE, 0, 0),
}
PAIRED = {
    "no row": PairedErrors(0, 0, 0.0, 0),
    "nobody asked": PairedErrors(1000, 0, 0.0, 0),
    "no label": PairedErrors(1000, 1000, 5.0, 0),
    "all alike": PairedErrors(1000, 1000, 0.0, 1000),
    "one difference for all": PairedErrors(1000, 1000, 1e3, 1000, 1e3, 1e3),
    "sums at the end of doubles": PairedErrors(1000, 1000, 1e308, 1000, 1.7e308, 1.7e308),
}
HALF = [0, 1] * 500
GROUPS = {
    "no group": Groups("by", 1, ()),
    "one group": made.groups(HALF, HALF, ["a"] * 1000),
    "small groups": made.groups(HALF[:10], HALF[:10], ["a", "b"] * 5),
    "three classes": made.groups(HALF, HALF, ["a", "b"] * 500, positive=None),
    "no positive answer": made.groups([0] * 1000, HALF, ["a"] * 500 + ["b"] * 500),
    "no positive label": made.groups(HALF, [0] * 1000, ["a"] * 500 + ["b"] * 500),
    "one for all, none for the others": made.groups(HALF, HALF, ["a", "b"] * 500),
}
ARRIVALS = {"nothing": Arrivals(0), "huge counts": Arrivals(HUGE)}


def cases(task: Task, subject: Subject):
    """(name, reference, current) of every edge case of what is read."""
    full = WORLDS[task].views[subject][0]
    if subject in (Subject.FEATURES, Subject.OUTPUT, Subject.SCORE):
        return [(name, *pair) for group in (NUMBERS, CATEGORIES) for name, pair in group.items()]
    tables = {
        Subject.OUTCOMES: {Task.CLASSIFICATION: OUTCOMES, Task.REGRESSION: ERRORS, Task.RANKING: RANKS}[task],
        Subject.EXPECTED: CHANCES if task is Task.CLASSIFICATION else EXPECTED,
        Subject.PAIRS: PAIRS if task is Task.CLASSIFICATION else PAIRED,
        Subject.GROUPS: GROUPS,
        Subject.ARRIVALS: ARRIVALS,
    }
    found = []
    for name, view in tables[subject].items():
        found += [
            (f"{name} live", full, view),
            (f"{name} in the reference", view, full),
            (f"{name} in both", view, view),
        ]
    return found


@pytest.mark.parametrize(("name", "task", "subject"), READ)
def test_no_edge_case_fails_or_gives_what_is_no_number(name, task, subject):
    for _, reference, current in cases(task, subject):
        reading = READERS[name]().read(reference, current)
        sound(reading)
        assert reading == READERS[name]().read(reference, current)


@pytest.mark.parametrize(("name", "task", "subject"), READ)
def test_nothing_is_ok_that_rests_on_no_row_or_on_one(name, task, subject):
    for case, reference, current in cases(task, subject):
        reading = READERS[name]().read(reference, current)
        if reading.n <= 1:
            assert reading.verdict is not Verdict.OK, case


@pytest.mark.parametrize(("name", "task", "subject"), READ)
def test_no_view_breaches_against_itself_unless_it_has_an_absolute_limit(name, task, subject):
    absolute = {"volume", "label_coverage", "demographic_parity", "equal_opportunity", "disparate_impact"}
    absolute |= {"paired_error", "paired_absolute_error", "paired_disagreement", "unseen_share", "out_of_range_share"}
    for case, reference, current in cases(task, subject):
        if reference is current and name not in absolute:
            assert READERS[name]().read(reference, current).verdict is not Verdict.BREACH, case


def against_itself(name: str, table: dict, case: str, **parameters):
    return DETECTORS[name](**parameters).read(table[case], table[case])


UNTOLD = [
    ("roc_auc", OUTCOMES, "one class alone"),
    ("roc_auc", OUTCOMES, "positives alone"),
    ("roc_auc", OUTCOMES, "no score"),
    ("average_precision", OUTCOMES, "one class alone"),
    ("log_loss", OUTCOMES, "no score"),
    ("calibration_error", OUTCOMES, "no score"),
    ("mcc", OUTCOMES, "one class alone"),
    ("mcc", OUTCOMES, "no positive predicted"),
    ("mcc", OUTCOMES, "all predicted as another class"),
    ("r_squared", ERRORS, "constant labels"),
    ("bias", ERRORS, "errors that were cut"),
    ("estimated_accuracy", CHANCES, "scores that the reference never saw"),
    ("estimated_accuracy", CHANCES, "no calibration"),
    ("estimated_recall", CHANCES, "never right"),
    ("estimated_roc_auc", CHANCES, "always right"),
    ("estimated_log_loss", CHANCES, "three classes"),
    ("estimated_f1", CHANCES, "three classes"),
    ("estimated_mean_absolute_error", EXPECTED, "a column that moved away"),
    ("estimated_mean_absolute_error", EXPECTED, "nothing learned"),
    ("hit_rate", RANKS, "places that are not counted"),
    ("demographic_parity", GROUPS, "one group"),
    ("disparate_impact", GROUPS, "no positive answer"),
    ("equal_opportunity", GROUPS, "no positive label"),
    ("demographic_parity", GROUPS, "three classes"),
]


@pytest.mark.parametrize(("name", "table", "case"), UNTOLD, ids=[f"{name} of {case}" for name, _, case in UNTOLD])
def test_what_cannot_be_told_is_unknown_and_says_why(name, table, case):
    reading = against_itself(name, table, case)
    assert reading.verdict is Verdict.UNKNOWN
    assert reading.why


@pytest.mark.parametrize(("name", "of"), [("recall", "yes"), ("precision", "yes"), ("f1", "yes")])
def test_a_class_that_never_occurred_has_no_figure(name, of):
    assert against_itself(name, OUTCOMES, "one class alone", of=of).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("name", ["recall", "precision", "f1", "roc_auc", "average_precision", "calibration_error"])
def test_a_class_that_the_model_does_not_have_is_unknown(name):
    reading = DETECTORS[name](of="perhaps").read(SCORED, SCORED)
    assert "no class 'perhaps'" in reading.why


def test_an_answer_that_is_no_class_is_wrong_and_known_to_be():
    for name in ("accuracy", "balanced_accuracy", "recall", "f1"):
        reading = DETECTORS[name](limit=0.5).read(SCORED, OUTCOMES["all predicted as another class"])
        assert (reading.value, reading.verdict) == (0.0, Verdict.BREACH)


def test_cut_errors_may_breach_and_are_never_ok():
    reference, cut = made.errors(np.ones(1000) * 2, np.zeros(1000)), ERRORS["errors that were cut"]
    for name in ("mean_absolute_error", "root_mean_squared_error"):
        assert DETECTORS[name]().read(reference, cut).verdict is Verdict.UNKNOWN
        breach = DETECTORS[name](limit=0.5).read(reference, cut)
        assert breach.verdict is Verdict.BREACH
        assert "3 errors are beyond" in breach.why


def test_one_error_for_all_is_a_bias_without_an_interval_and_the_point_decides():
    reading = against_itself("bias", ERRORS, "one error for all", limit=0.5)
    assert (reading.verdict, reading.value, reading.low) == (Verdict.BREACH, 1.0, None)
