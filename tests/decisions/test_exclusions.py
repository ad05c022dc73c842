"""What to keep out of the next training, and what suspecting data does to a proposal that waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.decisions.exclusions import excluded, exclusions
from monitor.decisions.taint import words_of
from monitor.facts import BundleId, Incident, ModelName, Suspicion

INCIDENT = Incident("i1", ModelName("delays"), 100.0, 2, BundleId("v2"), "error", (), onset=50.0)
CROWD = Suspicion(10.0, 20.0, ("crowd/*",), incident="i1", by="ann")
OTHER = Suspicion(0.0, incident="i0", by="ann")


def test_everything_since_the_onset_is_kept_out_while_the_incident_is_open():
    found = exclusions(INCIDENT, ())
    assert [excluded("ops", time, found) for time in (49.0, 50.0, 1e12)] == [False, True, True]


def test_what_came_in_after_it_was_over_is_not():
    closed = exclusions(Incident(**{name: getattr(INCIDENT, name) for name in INCIDENT.__struct_fields__} | CLOSED), ())
    assert [excluded("ops", time, closed) for time in (149.0, 150.0)] == [True, False]


CLOSED = {"closed": 150.0}


def test_what_people_named_because_of_this_incident_is_kept_out_and_of_another_is_not():
    found = exclusions(INCIDENT, (CROWD, OTHER))
    assert [excluded("crowd/1", time, found) for time in (9.0, 10.0, 20.0)] == [False, True, False]
    assert not excluded("ops", 15.0, found)


def test_a_row_that_does_not_say_whose_it_is_may_be_of_any_source():
    assert excluded(None, 15.0, exclusions(INCIDENT, (CROWD,)))


def test_batches_are_named_and_exclude_no_time():
    named = Suspicion(0.0, batches=("sha256:b", "sha256:a", "sha256:b"), incident="i1", by="ann")
    found = exclusions(INCIDENT, (named,))
    assert found.batches == ("sha256:b", "sha256:a")
    assert not excluded("ops", 15.0, found)


def test_an_incident_without_evidence_excludes_nothing_by_itself():
    bare = Incident("i2", ModelName("delays"), 100.0, 2, BundleId("v2"), "manual", ())
    assert exclusions(bare, (CROWD,)).ranges == ()


@given(st.floats(0, 300), st.sampled_from(["ops", "crowd/1", None]))
def test_naming_more_never_lets_a_row_back_in(time, source):
    assert not excluded(source, time, exclusions(INCIDENT, ())) or excluded(
        source, time, exclusions(INCIDENT, (CROWD,))
    )


@pytest.mark.parametrize(
    ("suspicion", "words"),
    [
        (Suspicion(5.0), "all data since 5"),
        (CROWD, "data of crowd/* since 10 until 20"),
        (Suspicion(0.0, sources=("a",), batches=("sha256:x",)), "data of a since 0 and batch sha256:x"),
    ],
)
def test_a_suspicion_is_told_in_words(suspicion, words):
    assert words_of(suspicion) == words
