"""A backtest of what was stored says what the daemon said while it happened: the same alerts at the same times."""

import pytest
from tickworld import PAGED, WATCH, rows, ticking
from world import alive, rule

from monitor.backtest.stored import replay_state
from monitor.backtest.terms import Terms
from monitor.detectors.psi import Psi
from monitor.detectors.silence import Silence
from monitor.facts import AlertState, Severity, Subject

LOUD = {"severity": Severity.CRITICAL}
RULES = (
    rule("psi", Subject.FEATURES, Psi(limit=0.2, rows_min=30), window_s=600.0, breaches=2, of=3, **LOUD),
    rule("silence", Subject.ARRIVALS, Silence(limit_s=300.0), window_s=60.0, **LOUD),
)
SPELLS = (  # minutes, and where `x` comes from: None is silence
    (20, (0.0, 1.0)),
    (30, PAGED),
    (12, None),
    (100, (0.0, 1.0)),
    (25, PAGED),
)


@pytest.fixture
def turns(tmp_path):
    made = ticking(tmp_path / "state", *RULES)
    made.serve((0.0, "v1"))
    yield from alive(made)


def test_it_says_what_the_daemon_said(turns):
    turns.turn(0.0)
    seen, minute = set(), 0
    for length, place in SPELLS:
        for _ in range(length):
            if place is not None:
                turns.send(rows(60, 60.0 * minute, *place))
            minute += 1
            turns.turn(60.0 * minute)
            firing = [alert for alert in turns.watched.state.alerts if alert.state is AlertState.FIRING]
            seen |= {(alert.rule, alert.segment, alert.fired) for alert in firing}
    terms = Terms(turns.v1, turns.pack, turns.grace_s)
    told = replay_state(terms, turns.directory, lambda _: None).ledgered.told
    named = {(one.rule, one.group.partition("/")[2] or (one.group if one.odds else ""), one.start) for one in told}
    assert {rule for rule, _, _ in seen} >= {"psi", "silence", "features_page", "output_page"}
    assert {each for each in named if not each[0].endswith("_rollback")} == seen
    assert WATCH.every_s == 60.0
