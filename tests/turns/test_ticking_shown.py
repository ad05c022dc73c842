"""What the e-detector says reaches people: status, metrics page, alerts, and notices exactly once."""

import json

import pytest
from snapshots import NOW, daemon
from tickworld import CALM_S, PAGED, armed, rows, ticking
from world import MODEL, Killed

from monitor.alerts.retry import Delivery
from monitor.decisions.rules import RulePack
from monitor.decisions.state import ModelState
from monitor.export.collector import Collector
from monitor.export.snapshot import Snapshot
from monitor.facts import AlertState, Incident, Mode, Severity, Verdict
from monitor.turns import show
from monitor.turns.lookout import NO_BANDS, NO_GROUP_BAND
from monitor.turns.ticking import Armed


@pytest.fixture
def turns(tmp_path):
    made = ticking(tmp_path / "state", mode=Mode.OBSERVE)
    made.settle(0.0)
    yield made
    made.close()


def minutes(turns, first, last, low=0.0, high=1.0):
    for minute in range(first, last):
        turns.send(rows(60, 60.0 * minute, low, high))
        turns.settle(60.0 * (minute + 1))


def told(turns):
    """The status as a client reads it."""
    return json.loads(json.dumps(show.status(turns.watched), allow_nan=False))["sequential"]


def samples(turns, name):
    """{labels: value} of one metric, as the page would show it."""
    found = Collector().collect(Snapshot(NOW, (show.model_view(turns.watched),), daemon())).collect()
    lines = [sample for family in found for sample in family.samples if sample.name == name]
    return {tuple(v for k, v in sorted(each.labels.items()) if k != "model"): each.value for each in lines}


def test_a_model_without_a_budget_has_nothing_sequential_to_show(turns):
    turns.watched.pack = RulePack(1, ())
    turns.settle(60.0)
    assert told(turns) is None
    assert samples(turns, "tocsin_sequential_bands") == {}


def test_the_status_says_what_is_latched_since_when_and_how_strongly(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 7, *PAGED)
    found = {(each["rule"], each["group"]): each for each in told(turns)["latched"]}
    page = found["features_page", "x"]
    assert (page["since"], page["odds"] > 1) == (360.0, True)
    assert page["why"].startswith("share of x above")
    assert told(turns)["untold"]["labels"] == NO_GROUP_BAND


def test_without_bands_the_status_says_why_and_the_page_counts_them(tmp_path):
    turns = ticking(tmp_path / "bare", layouts=None)
    turns.settle(0.0)
    turns.settle(60.0)
    assert (told(turns)["why"], told(turns)["evidence"]) == (NO_BANDS, [])
    [(_, unknown)] = samples(turns, "tocsin_sequential_bands_unknown").items()
    assert unknown == told(turns)["watched"] > 0
    turns.close()


def test_the_page_shows_evidence_latches_and_verdicts_of_groups(turns):
    minutes(turns, 0, 5)
    assert samples(turns, "tocsin_sequential_log_odds")["features", "page"] < 0
    minutes(turns, 5, 7, *PAGED)
    assert samples(turns, "tocsin_sequential_latched")["x", "features_page"] == 1
    verdicts = samples(turns, "tocsin_readings")
    assert verdicts["judge", "features_page", "breach"] == 1
    assert verdicts["judge", "features_page", "ok"] == 1
    assert samples(turns, "tocsin_alert_state")["features_page", "x", "firing"] == 1


def test_a_look_without_a_tick_shows_the_evidence_of_the_last_one(turns):
    minutes(turns, 0, 3)
    before = told(turns)["evidence"]
    turns.settle(200.0)
    assert told(turns)["evidence"] == before != []


def test_while_nobody_knows_what_is_served_nothing_is_shown(turns):
    minutes(turns, 0, 3)
    turns.server.name = None
    turns.settle(240.0)
    assert (turns.watched.epoch.acts, told(turns)) == (False, None)


def test_a_shift_is_told_once_as_one_critical_notice(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 10, *PAGED)
    [delivery] = turns.store.facts(Delivery).values()
    assert "features_page" in str(delivery.body)
    [incident] = turns.store.facts(Incident).values()
    assert (incident.notices, turns.watched.pack.severity("features_page")) == (1, Severity.CRITICAL)


def test_what_is_calm_again_resolves_after_its_time_and_not_before(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 7, *PAGED)
    minutes(turns, 7, 20)
    firing = {alert.rule for alert in turns.watched.state.alerts if alert.state is AlertState.FIRING}
    assert "features_page" in firing
    for minute in range(20, 20 + int(CALM_S / 60) + 90, 10):
        turns.send(rows(60, 60.0 * minute))
        turns.settle(60.0 * (minute + 1))
    assert {alert.state for alert in turns.watched.state.alerts} == {AlertState.RESOLVED}
    assert turns.watched.state.incident is None


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("kind", [Armed, Delivery, Incident, ModelState])
def test_killed_at_the_look_that_pages_it_pages_once_and_bets_once(tmp_path, moment, kind):
    turns = ticking(tmp_path / "state")
    turns.settle(0.0)
    minutes(turns, 0, 5)
    turns.send(rows(60, 300.0, *PAGED))
    turns.dies(moment, lambda put: isinstance(put, kind))
    with pytest.raises(Killed):
        turns.settle(360.0)
    turns.restart()
    turns.settle(360.0)
    turns.settle(420.0)
    assert (armed(turns).rows["features"], len(turns.store.facts(Delivery))) == (360, 1)
    assert turns.store.facts(ModelState)[MODEL].incident.notices == 1
    turns.close()


def test_verdicts_are_unknown_before_the_first_rows(turns):
    turns.settle(60.0)
    assert turns.watched.sequential.verdicts["features_page"][Verdict.UNKNOWN] == 2
