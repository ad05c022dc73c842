"""What every detector promises, tried on each one that the registry names; there is no list of exceptions."""

import dataclasses
import math

import made
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detectors import DETECTORS
from monitor.detectors.protocol import applies
from monitor.facts import (
    EVERY_TASK,
    Arrivals,
    Chances,
    Curve,
    ExpectedErrors,
    FeatureKind,
    Group,
    Groups,
    Histogram,
    Outcomes,
    Pairs,
    Scored,
    Subject,
    Task,
    Verdict,
)

READERS = {name: kind for name, kind in DETECTORS.items() if hasattr(kind, "read")}
STEPPERS = {name: kind for name, kind in DETECTORS.items() if hasattr(kind, "step")}
WORLDS = {task: made.rows(task) for task in Task}
EMPTY = {task: made.rows(task, 0) for task in Task}
READ = [
    (name, task, subject)
    for name, kind in READERS.items()
    for task in sorted(kind.tasks, key=str)
    for subject in sorted(kind.subjects & set(WORLDS[task].views), key=str)
]

every_detector = pytest.mark.parametrize("name", DETECTORS)
every_reader = pytest.mark.parametrize("name", READERS)
every_reading = pytest.mark.parametrize(("name", "task", "subject"), READ)
every_stepper = pytest.mark.parametrize("name", STEPPERS)


def sound(reading) -> None:
    """A reading has a value or a reason why not; and every number in it is one."""
    numbers = [number for number in (reading.value, reading.limit, reading.low, reading.high) if number is not None]
    assert all(isinstance(number, float) and math.isfinite(number) for number in numbers)
    assert (reading.value is None) == (reading.verdict is Verdict.UNKNOWN)
    assert reading.value is not None or reading.why
    assert (reading.low is None) == (reading.high is None)
    if reading.low is not None:
        assert reading.low <= reading.value <= reading.high
    assert reading.n >= 0


def asked(kind, view) -> bool:
    """Whether its question makes sense for this view."""
    return not isinstance(view, Histogram) or not kind.kinds or applies(kind, view)


@every_detector
def test_the_registry_is_alphabetical_and_names_files_and_classes_alike(name):
    assert list(DETECTORS) == sorted(DETECTORS)
    kind = DETECTORS[name]
    assert kind.__module__ == f"monitor.detectors.{name}"
    assert kind.__name__.lower() == name.replace("_", "")


@every_detector
def test_a_detector_is_one_frozen_value_with_one_public_method(name):
    kind = DETECTORS[name]
    methods = {key for key, value in vars(kind).items() if callable(value) and not key.startswith("_")} - {"State"}
    assert methods in ({"read"}, {"step"})
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        kind().limit = 1
    assert kind() == kind()
    assert not hasattr(kind(), "__dict__")


@every_detector
def test_it_says_what_it_reads(name):
    kind = DETECTORS[name]
    assert kind.subjects
    assert (Subject.FEATURES in kind.subjects) == bool(kind.kinds)
    assert kind.tasks
    assert kind.tasks <= EVERY_TASK
    for task in kind.tasks:
        assert kind.subjects & set(WORLDS[task].views)


@every_detector
def test_every_parameter_is_checked_when_it_is_made(name):
    for field in dataclasses.fields(DETECTORS[name]):
        for value in ("" if field.type is str else "much", -1, math.nan, math.inf, True, [1]):
            with pytest.raises(ValueError, match=field.name):
                DETECTORS[name](**{field.name: value})


@every_reading
def test_it_finds_nothing_on_its_own_reference(name, task, subject):
    for view in WORLDS[task].views[subject]:
        reading = READERS[name]().read(view, view)
        sound(reading)
        assert reading.verdict is (Verdict.OK if asked(READERS[name], view) else Verdict.UNKNOWN), reading


@every_reading
def test_it_says_unknown_of_an_empty_pane_unless_rows_are_what_it_measures(name, task, subject):
    for view in EMPTY[task].views[subject]:
        reading = READERS[name]().read(view, view)
        sound(reading)
        assert reading.verdict is (Verdict.BREACH if subject is Subject.ARRIVALS else Verdict.UNKNOWN)
        assert reading.n == 0


@every_reading
def test_it_says_unknown_or_breach_of_nothing_against_a_full_reference(name, task, subject):
    for expected, found in zip(WORLDS[task].views[subject], EMPTY[task].views[subject], strict=True):
        assert READERS[name]().read(expected, found).value in (None, 0.0)
        assert READERS[name]().read(expected, found).verdict is not Verdict.OK


@every_reading
def test_the_same_views_give_the_same_reading(name, task, subject):
    for expected, found in zip(WORLDS[task].views[subject], made.rows(task, seed=6).views[subject], strict=True):
        assert READERS[name]().read(expected, found) == READERS[name]().read(expected, found)


@every_reader
def test_views_of_another_subject_are_refused(name):
    every = [(task, subject, view) for task in Task for subject, (view, *_) in WORLDS[task].views.items()]
    mine = {
        type(view)
        for task, subject, view in every
        if {task} <= READERS[name].tasks and subject in READERS[name].subjects
    }
    for _, _, view in every:
        if type(view) not in mine:
            with pytest.raises(ValueError, match="needs"):
                READERS[name]().read(view, view)


@every_reader
def test_histograms_of_other_bins_are_refused(name):
    one, other = Histogram("x", True, (500, 500)), Histogram("x", True, (300, 300, 400))
    if READERS[name].subjects & {Subject.FEATURES, Subject.OUTPUT}:
        for view in (other, msgspec.structs.replace(one, column="y")):
            with pytest.raises(ValueError, match="is not"):
                READERS[name]().read(one, view)


counts = st.one_of(st.just(0), st.integers(0, 5), st.integers(0, 10**6), st.integers(0, 2**50))


@st.composite
def histograms(draw):
    """Two histograms of the same bins, of either kind, often empty or degenerate."""
    ordered, size = draw(st.booleans()), draw(st.integers(3, 24))

    def one():
        bins = tuple(draw(st.lists(counts, min_size=size, max_size=size)))
        outside = bins[0] + bins[-1] if ordered else bins[-1]
        spoiled = (draw(counts), draw(counts), draw(counts) if ordered else 0)
        moments = (
            draw(st.sampled_from([(None, None), (0.0, 0.0), (1.5, 2.0), (-1e300, 1e300)])) if edges else (None, None)
        )
        return Histogram("x", ordered, bins, outside, *spoiled, edges, *moments)

    constant = [1] if size == 3 else []  # one edge: its own bin, and the two outer ones
    inner = draw(st.sampled_from([size - 1, size + 1, *constant]))  # outer bins or none
    cuts = st.lists(st.floats(-1e308, 1e308), min_size=inner, max_size=inner, unique=True)
    edges = tuple(sorted(draw(cuts))) if ordered and draw(st.booleans()) else ()
    return one(), one()


@st.composite
def outcomes(draw, k=None):
    """Two sets of label counts that can be, with any coverage."""
    k = k or draw(st.integers(2, 4))

    def curve(name):
        sides = [draw(st.dictionaries(st.integers(0, 63), counts, max_size=4)) for _ in range(2)]
        return Curve(name, *(tuple(side.get(i, 0) for i in range(64)) for side in sides))

    def one():
        confusion = tuple(tuple(draw(st.lists(counts, min_size=k + 1, max_size=k + 1))) for _ in range(k + 1))
        labelled = sum(map(sum, confusion))
        scored, likely = draw(st.integers(0, labelled)), draw(st.integers(0, labelled))
        squared, loss = draw(st.integers(0, scored * 2**32)), draw(st.integers(0, likely * 2**37))
        names = ["yes"] if k == 2 else ["", *made.CLASSES[:k]][: draw(st.sampled_from([1, k + 1]))]
        rows, curves = labelled + draw(counts), tuple(map(curve, names)) if draw(st.booleans()) else ()
        return Outcomes(rows, confusion, scored, squared, made.lag(labelled), made.CLASSES[:k], curves, loss, likely)

    return one(), one()


share = st.floats(0, 1)


@st.composite
def chances(draw):
    """Two windows of rows without labels, of any calibration; two classes or three."""
    k = draw(st.sampled_from([2, 3]))

    def one():
        places = draw(st.lists(st.integers(0, (k + 1) * 64 - 1), unique=True, max_size=9))
        cells = tuple(Scored(place // 64, place % 64, *some(place)) for place in sorted(places))
        rows = sum(cell.rows for cell in cells) + draw(counts)
        return Chances(rows, draw(st.sampled_from([0, 10**4])), made.CLASSES[:k], 1 if k == 2 else None, cells)

    def some(place):
        losses = draw(st.lists(st.floats(0, 16), min_size=4, max_size=4))
        return draw(st.integers(1, 2**50)), draw(share), draw(st.floats(0, 0.25)), draw(share) / 8, draw(share), *losses

    return one(), one()


@st.composite
def expected_errors(draw):
    """Two windows, of a fit that may have been as bad as it likes."""
    means = st.floats(-1e9, 1e9)
    variances = st.floats(0, 1e9)

    def one():
        told = draw(counts)
        sums = [draw(each) for each in (means, variances, means, variances, st.floats(1, 1e3))]
        return ExpectedErrors(told + draw(counts), told, draw(counts), *sums, "x", draw(share))

    return one(), one()


@st.composite
def pairs(draw):
    """Two sets of pair counts that can be."""

    def one():
        labelled = draw(st.lists(counts, min_size=4, max_size=4))
        asked = sum(labelled) + draw(counts)
        return Pairs(asked + draw(counts), asked, draw(st.integers(0, asked)), *labelled)

    return one(), one()


numbers = st.one_of(st.sampled_from([0.0, 1.0, -1e9, 1e9, 1e-9]), st.floats(-1e30, 1e30), st.floats(-1, 1))


@st.composite
def targets(draw, columns):
    """Rows of so many numbers, and how often they are repeated."""
    n, repeated = draw(st.integers(0, 8)), draw(st.sampled_from([1, 100, 2**40]))
    return [np.array(draw(st.lists(numbers, min_size=n, max_size=n))) for _ in range(columns)], repeated


def repeat(view, times):
    """The view of the same rows `times` over."""

    def many(value):
        if isinstance(value, tuple):
            return tuple(map(many, value))
        return value * times

    kept = {"pinball": tuple((q, loss * times, square * times) for q, loss, square in getattr(view, "pinball", ()))}
    return msgspec.structs.replace(
        view, **{name: kept.get(name, many(getattr(view, name))) for name in view.__struct_fields__ if name != "hits"}
    )


@st.composite
def errors(draw):
    def one():
        (served, labels), repeated = draw(targets(2))
        view = repeat(made.errors(served, labels, unlabelled=draw(st.integers(0, 1))), repeated)
        return msgspec.structs.replace(view, clipped=draw(st.sampled_from([0, 0, 3])))

    return one(), one()


@st.composite
def paired_errors(draw):
    def one():
        columns, repeated = draw(targets(3))
        return repeat(made.paired_errors(*columns), repeated)

    return one(), one()


@st.composite
def ranks(draw):
    def one():
        lists = draw(st.lists(st.lists(st.sampled_from([0, 0, 1, 3]), max_size=12), max_size=8))
        ndcg = draw(st.lists(st.floats(0, 1), min_size=len(lists), max_size=len(lists)))
        return made.ranks(lists, ndcg, unlabelled=draw(st.integers(0, 300)))

    return one(), one()


@st.composite
def groups(draw):
    def one():
        found = [one_group(i) for i in range(draw(st.integers(0, 4)))]
        return Groups("by", draw(st.sampled_from([None, 0, 1, 1])), tuple(found))

    def one_group(i):
        outputs = tuple(draw(st.lists(counts, min_size=3, max_size=3)))
        return Group(f"by={i}", sum(outputs), outputs, draw(outcomes(2))[0])

    return one(), one()


arrivals = st.tuples(st.builds(Arrivals, counts), st.builds(Arrivals, counts))
OUTCOMES = {Task.CLASSIFICATION: outcomes(), Task.REGRESSION: errors(), Task.RANKING: ranks()}
VIEWS = {
    **{(task, subject): histograms() for task in Task for subject in (Subject.FEATURES, Subject.OUTPUT, Subject.SCORE)},
    **{(task, Subject.OUTCOMES): views for task, views in OUTCOMES.items()},
    **{(task, Subject.ARRIVALS): arrivals for task in Task},
    (Task.CLASSIFICATION, Subject.EXPECTED): chances(),
    (Task.REGRESSION, Subject.EXPECTED): expected_errors(),
    (Task.CLASSIFICATION, Subject.PAIRS): pairs(),
    (Task.REGRESSION, Subject.PAIRS): paired_errors(),
    (Task.CLASSIFICATION, Subject.GROUPS): groups(),
}


@every_reading
@given(data=st.data())
@settings(max_examples=30)
def test_no_counts_make_it_fail_or_say_what_is_no_number(name, task, subject, data):
    detector = READERS[name](rows_min=data.draw(st.sampled_from([1, 200])))
    sound(detector.read(*data.draw(VIEWS[task, subject])))


@pytest.mark.parametrize("name", [name for name, kind in READERS.items() if Subject.FEATURES in kind.subjects])
def test_a_feature_of_a_kind_it_does_not_read_is_unknown(name):
    for kind, ordered in ((FeatureKind.NUMERIC, True), (FeatureKind.CATEGORICAL, False)):
        view = Histogram("x", ordered, (0, 900, 900, 0), edges=(0.0, 1.0, 2.0) if ordered else ())
        reading = READERS[name]().read(view, view)
        assert (reading.verdict is Verdict.UNKNOWN) == (kind not in READERS[name].kinds) != applies(READERS[name], view)


@every_stepper
@given(ticks=st.lists(st.tuples(counts, st.floats(0, 1e6)), max_size=20))
@settings(max_examples=60)
def test_a_step_is_sound_and_its_state_survives_the_store(name, ticks):
    detector, state = STEPPERS[name](), None
    for rows, dt_s in ticks:
        again = None if state is None else msgspec.json.decode(msgspec.json.encode(state), type=detector.State)
        assert again == state
        reading, state = detector.step(Arrivals(0), Arrivals(rows), dt_s, again)
        sound(reading)


@every_stepper
def test_a_step_that_saw_nothing_yet_is_unknown(name):
    reading, state = STEPPERS[name]().step(Arrivals(9), Arrivals(0), 1e9, None)
    assert reading.verdict is Verdict.UNKNOWN
    assert isinstance(state, STEPPERS[name].State)


@every_stepper
def test_a_foreign_state_or_view_is_refused(name):
    with pytest.raises(ValueError, match="state"):
        STEPPERS[name]().step(Arrivals(0), Arrivals(0), 1.0, Arrivals(0))
    with pytest.raises(ValueError, match="needs"):
        STEPPERS[name]().step(Arrivals(0), Pairs(0, 0, 0, 0, 0, 0, 0), 1.0, None)
