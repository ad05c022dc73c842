"""What is told of good settings: bands that a budget of false alarms cannot rest on."""

import pytest
from laid_out import reference_body
from msgspec.structs import replace

from monitor.facts import ModelName
from monitor.panes.reference import decode_reference
from monitor.panes.rhythm import Band, Rhythm
from monitor.settings.advice import told_of_bands

KNOWN = Band(0.5, 1e4, 0.5, 0.0, 1.0)
UNKNOWN = replace(KNOWN, centre=None, why="too few rows")


def told(*bands, timed=True, why=""):
    rhythm = Rhythm((), 0.04, timed, why, bands, ()) if bands else None
    reference = replace(decode_reference(reference_body()), rhythm=rhythm)
    return [problem.message for problem in told_of_bands(ModelName("m"), reference)]


def test_good_bands_are_not_worth_a_word():
    assert told(KNOWN, KNOWN, UNKNOWN) == []


def test_a_reference_without_bands_cannot_page_by_a_budget():
    assert told() == ["judges by a reference without bands: nothing can page by a budget"]


def test_bands_without_times_say_what_that_costs():
    assert told(KNOWN, timed=False, why="no times") == ["judges by bands that know no time: no times"]


@pytest.mark.parametrize(("unknown", "words"), [(1, 0), (2, 1)])
def test_more_than_half_unknown_is_told(unknown, words):
    assert len(told(KNOWN, *[UNKNOWN] * unknown)) == words
