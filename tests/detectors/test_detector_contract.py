"""What every detector promises, tried on each one that the registry names; there is no list of exceptions."""

import dataclasses
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.detectors import DETECTORS
from monitor.detectors.protocol import applies
from monitor.facts import Arrivals, FeatureKind, Histogram, Outcomes, Pairs, Subject, Verdict
from monitor.panes.layout import LAG_EDGES_S

READERS = {name: kind for name, kind in DETECTORS.items() if hasattr(kind, "read")}
STEPPERS = {name: kind for name, kind in DETECTORS.items() if hasattr(kind, "step")}
READ = [(name, subject) for name, kind in READERS.items() for subject in sorted(kind.subjects, key=str)]

every_detector = pytest.mark.parametrize("name", DETECTORS)
every_reader = pytest.mark.parametrize("name", READERS)
every_reading = pytest.mark.parametrize(("name", "subject"), READ)
every_stepper = pytest.mark.parametrize("name", STEPPERS)


def sound(reading) -> None:
    """A reading has a value and no reason, or a reason and no value; and every number in it is one."""
    numbers = [number for number in (reading.value, reading.limit, reading.low, reading.high) if number is not None]
    assert all(isinstance(number, float) and math.isfinite(number) for number in numbers)
    assert (reading.value is None) == (reading.verdict is Verdict.UNKNOWN) == bool(reading.why)
    assert (reading.low is None) == (reading.high is None)
    if reading.low is not None:
        assert reading.low <= reading.value <= reading.high
    assert reading.n >= 0


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


@every_detector
def test_every_parameter_is_checked_when_it_is_made(name):
    for field in dataclasses.fields(DETECTORS[name]):
        for value in ("much", -1, math.nan, math.inf, True, [1]):
            with pytest.raises(ValueError, match=field.name):
                DETECTORS[name](**{field.name: value})


@every_reading
def test_it_finds_nothing_on_its_own_reference(world, name, subject):
    reference, live = world.layout.reference_pane(), world.pane()
    for expected, found in zip(world.views(reference, subject), world.views(live, subject), strict=True):
        reading = READERS[name]().read(expected, found)
        sound(reading)
        asked = not isinstance(found, Histogram) or subject is not Subject.FEATURES or applies(READERS[name], found)
        assert reading.verdict is (Verdict.OK if asked else Verdict.UNKNOWN)


@every_reading
def test_it_says_unknown_of_an_empty_pane_unless_rows_are_what_it_measures(world, name, subject):
    empty = world.layout.empty()
    for view in world.views(empty, subject):
        reading = READERS[name]().read(view, view)
        sound(reading)
        assert reading.verdict is (Verdict.BREACH if subject is Subject.ARRIVALS else Verdict.UNKNOWN)
        assert reading.n == 0


@every_reading
def test_it_says_unknown_or_ok_of_nothing_against_a_full_reference(world, name, subject):
    reference, empty = world.layout.reference_pane(), world.layout.empty()
    for expected, found in zip(world.views(reference, subject), world.views(empty, subject), strict=True):
        assert READERS[name]().read(expected, found).value in (None, 0.0)


@every_reading
def test_the_same_views_give_the_same_reading(world, name, subject):
    reference, live = world.layout.reference_pane(), world.pane()
    for expected, found in zip(world.views(reference, subject), world.views(live, subject), strict=True):
        assert READERS[name]().read(expected, found) == READERS[name]().read(expected, found)


@every_reader
def test_views_of_another_subject_are_refused(world, name):
    views = {type(view): view for subject in Subject for view in world.views(world.pane(), subject)}
    mine = {type(view) for subject in READERS[name].subjects for view in world.views(world.pane(), subject)}
    for kind, view in views.items():
        if kind not in mine:
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
    ordered, size = draw(st.booleans()), draw(st.integers(2, 24))

    def one():
        bins = tuple(draw(st.lists(counts, min_size=size, max_size=size)))
        outside = bins[0] + bins[-1] if ordered else bins[-1]
        return Histogram("x", ordered, bins, outside, draw(counts), draw(counts), draw(counts) if ordered else 0)

    return one(), one()


@st.composite
def outcomes(draw):
    """Two sets of label counts that can be, with any coverage."""

    def one():
        confusion = tuple(tuple(draw(st.lists(counts, min_size=3, max_size=3))) for _ in range(3))
        labelled = sum(map(sum, confusion))
        scored = draw(st.integers(0, labelled))
        squared = draw(st.integers(0, scored * 2**32))
        lag = tuple(draw(st.lists(counts, min_size=len(LAG_EDGES_S) + 1, max_size=len(LAG_EDGES_S) + 1)))
        return Outcomes(labelled + draw(counts), confusion, scored, squared, lag)

    return one(), one()


@st.composite
def pairs(draw):
    """Two sets of pair counts that can be."""

    def one():
        labelled = draw(st.lists(counts, min_size=4, max_size=4))
        asked = sum(labelled) + draw(counts)
        return Pairs(asked + draw(counts), asked, draw(st.integers(0, asked)), *labelled)

    return one(), one()


arrivals = st.tuples(st.builds(Arrivals, counts), st.builds(Arrivals, counts))
VIEWS = {
    **dict.fromkeys((Subject.FEATURES, Subject.OUTPUT, Subject.SCORE), histograms()),
    Subject.OUTCOMES: outcomes(),
    Subject.PAIRS: pairs(),
    Subject.ARRIVALS: arrivals,
}


@every_reading
@given(data=st.data())
@settings(max_examples=60)
def test_no_counts_make_it_fail_or_say_what_is_no_number(name, subject, data):
    detector = READERS[name](rows_min=data.draw(st.sampled_from([1, 200])))
    sound(detector.read(*data.draw(VIEWS[subject])))


@pytest.mark.parametrize("name", [name for name, subject in READ if subject is Subject.FEATURES])
def test_a_feature_of_a_kind_it_does_not_read_is_unknown(name):
    for kind, ordered in ((FeatureKind.NUMERIC, True), (FeatureKind.CATEGORICAL, False)):
        view = Histogram("x", ordered, (0, 900, 900, 0), 0)
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
