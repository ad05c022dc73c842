"""Silence is an alarm once there was something to hear; low volume is one at once."""

import pytest

from monitor.detectors.silence import Silence, SilenceState
from monitor.detectors.volume import Volume
from monitor.facts import Arrivals, Verdict

NOTHING = Arrivals(0)


def ticks(detector: Silence, *rows: int, dt_s: float = 60.0):
    """Step through ticks of `dt_s`; the verdicts, and the last state."""
    state, verdicts = None, []
    for came in rows:
        reading, state = detector.step(NOTHING, Arrivals(came), dt_s, state)
        verdicts.append(reading.verdict)
    return verdicts, state


def test_a_model_that_was_never_used_is_not_silent():
    assert set(ticks(Silence(limit_s=60), *[0] * 50)[0]) == {Verdict.UNKNOWN}


def test_silence_breaches_only_beyond_its_limit_and_ends_with_the_first_row():
    verdicts, state = ticks(Silence(limit_s=120), 5, 0, 0, 0, 0, 1, 0)
    ok, breach = Verdict.OK, Verdict.BREACH
    assert verdicts == [ok, ok, ok, breach, breach, ok, ok]
    assert state == SilenceState(rows=6, quiet_s=60.0)


def test_a_reading_says_how_long_it_has_been_quiet():
    reading, _ = Silence(limit_s=60).step(NOTHING, NOTHING, 90.0, SilenceState(7, 30.0))
    assert (reading.value, reading.limit, reading.n, reading.unit) == (120.0, 60, 7, "s")


def test_one_tick_or_many_make_the_same_silence():
    assert ticks(Silence(), 1, *[0] * 30)[1] == ticks(Silence(), 1, 0, dt_s=1800.0)[1]


@pytest.mark.parametrize("dt_s", [-1.0, float("nan")])
def test_time_does_not_run_backwards(dt_s):
    with pytest.raises(ValueError, match="time between ticks"):
        Silence().step(NOTHING, NOTHING, dt_s, None)


@pytest.mark.parametrize(("rows", "verdict"), [(0, Verdict.BREACH), (99, Verdict.BREACH), (100, Verdict.OK)])
def test_volume_breaches_below_what_is_expected(rows, verdict):
    reading = Volume(rows_min=100).read(Arrivals(10**6), Arrivals(rows))
    assert (reading.verdict, reading.value, reading.limit, reading.n) == (verdict, rows, 100, rows)
