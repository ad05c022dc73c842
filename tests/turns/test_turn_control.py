"""What people may ask and do: decided on the event loop, one at a time, and answered from memory."""

import asyncio

import pytest
from msgspec.structs import replace
from world import MODEL, Turns, acting, alive, control_of, only

from monitor.clock import ReplayClock
from monitor.errors import Rejected
from monitor.evidence.archive import said_in_head, write_report
from monitor.facts import Mode, RollbackStep
from monitor.settings import Samples

ENDED = RollbackStep.COMMITTED


@pytest.fixture
def turns(tmp_path):
    yield from alive(acting(tmp_path))


# ---------------------------------------------------------------- people, from threads of their own


def asked(turns, question, *arguments):
    """Ask from a thread of its own, as the API does."""

    async def run():
        return await asyncio.to_thread(question, *arguments)

    return turns.do(run())


def test_a_person_approves_from_a_thread_and_is_answered_with_the_rollback(tmp_path):
    turns = acting(tmp_path, Mode.APPROVE)
    turns.settle(0.0)
    turns.settle(60.0)
    answer = asked(turns, control_of(turns).approve, only(turns).id, "ann")
    assert (answer["step"], answer["approved_by"]) == ("planned", "ann")
    turns.close()


def test_a_person_declines_and_the_proposal_ends(tmp_path):
    turns = acting(tmp_path, Mode.APPROVE)
    turns.settle(0.0)
    turns.settle(60.0)
    answer = asked(turns, control_of(turns).decline, only(turns).id, "ann")
    assert (answer["step"], turns.switches) == ("refused", [])
    with pytest.raises(Rejected):
        asked(turns, control_of(turns).approve, only(turns).id, "ann")
    turns.close()


def test_a_person_rolls_back_by_hand_without_evidence(tmp_path):
    turns = Turns(tmp_path / "state", served="v2")
    turns.settle(0.0)
    answer = asked(turns, control_of(turns).start_rollback, "m", "it smells", "ann")
    turns.settle(1.0)
    assert (answer["approved_by"], only(turns).step, turns.server.name) == ("ann", ENDED, "v1")
    turns.close()


def test_what_nobody_knows_is_a_lookup_error(turns):
    turns.settle(0.0)
    for question, arguments in (("approve", ("r", "a")), ("decline", ("r", "a")), ("start_rollback", ("x", "", "a"))):
        with pytest.raises(LookupError):
            asked(turns, getattr(control_of(turns), question), *arguments)
    assert control_of(turns).incident("nothing") is None


def test_a_latch_is_opened_by_a_person_and_says_so(turns):
    turns.settle(0.0)
    turns.watched.state = replace(turns.watched.state, latch="r1 failed")
    assert asked(turns, control_of(turns).unlatch, "m", "ann") == {"model": "m", "latch": ""}
    assert turns.watched.state.latch == ""


def test_an_incident_is_shown_with_its_evidence_while_it_is_open_and_its_rollbacks_for_good(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    shown = control_of(turns).incident(only(turns).incident)
    assert [alert["rule"] for alert in shown["evidence"]] == ["error", "pairs"]
    assert [one["id"] for one in shown["rollbacks"]] == [only(turns).id]
    assert [one["id"] for one in control_of(turns).incidents()] == [shown["id"]]
    assert control_of(turns).rollbacks()[0]["step"] == "committed"


# ---------------------------------------------------------------- replay


def stepped(turns, to, start=1000.0):
    clock = ReplayClock(start)
    return turns.do(control_of(turns, clock).advance(to, "person"))


def test_the_clock_of_live_traffic_is_nobodys_to_move(turns):
    with pytest.raises(ValueError, match="not ours"):
        turns.do(control_of(turns).advance(10.0, "person"))


@pytest.mark.parametrize("to", [999.0, 1000.0 + 32 * 86_400.0])
def test_replay_goes_forward_only_and_by_bounded_steps(turns, to):
    with pytest.raises(ValueError, match=r"forward|most"):
        stepped(turns, to)
    assert turns.commits == []


def test_the_first_step_of_replay_is_a_time_that_calendars_have(turns):
    with pytest.raises(ValueError, match="milliseconds"):
        stepped(turns, 1_362_132_900_000.0, start=0.0)
    assert turns.commits == []


def test_a_step_of_replay_is_answered_when_all_of_it_is_done(turns):
    turns.settle(0.0)
    turns.clock.step(60.0)
    assert stepped(turns, 60.0, start=0.0) == {"now": 60.0}
    assert only(turns).step is ENDED


def test_health_is_what_the_daemon_says(turns):
    made = control_of(turns)
    assert (made.healthy(), made.ready(), turns.do(made.reload("person"))) == ((True, "ok"), (False, "starting"), ())


# ---------------------------------------------------------------- evidence and silences


def test_an_incident_shows_the_path_of_its_report_once_there_is_one(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    ident = only(turns).incident
    made = control_of(turns)
    assert (made.incident(ident)["report"], made.report("m", ident)) == (None, None)
    made.reports.sources.archive.prepare("m")
    write_report(made.reports.sources.archive.path("m", ident), b"<!doctype html>")
    assert made.incident(ident)["report"] == made.incidents()[0]["report"] == f"/v1/evidence/m/{ident}"
    assert made.incident(ident)["said"] == []
    assert (made.report("m", ident), [one["path"] for one in made.evidence()]) == (
        b"<!doctype html>",
        [f"/v1/evidence/m/{ident}"],
    )


def test_an_incident_repeats_what_its_report_says_in_words(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    ident = only(turns).incident
    made = control_of(turns)
    assert made.incident(ident)["said"] == []
    made.reports.sources.archive.prepare("m")
    page = said_in_head(["A classifier can tell.", "<Far> apart."]).encode()
    write_report(made.reports.sources.archive.path("m", ident), page)
    assert made.incident(ident)["said"] == ["A classifier can tell.", "<Far> apart."]


@pytest.mark.parametrize("name", ["../m/x", "..", "", "x/y", "\x00"])
def test_no_name_leads_out_of_the_directory_of_reports(turns, name):
    (turns.directory / "x.html").write_bytes(b"another's")
    made = control_of(turns)
    assert (made.report("m", name), made.report(name, "x"), made.report("other", "x")) == (None, None, None)


def test_the_status_tells_silences_proofs_kept_rows_and_evidence(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    turns.watched.evidence_values = {"rows": 60.0}
    made = control_of(turns, silenced=lambda key: f"silenced by {key.rule}")
    found = made.status()
    mine = found["models"]["m"]
    assert {alert["silenced"] for alert in mine["alerts"]} == {"silenced by pairs", "silenced by error"}
    assert (mine["unsteady"], mine["unproved_s"], mine["samples"]) == (False, None, None)
    assert mine["evidence"] == {"values": {"rows": 60.0}, "reports": 0, "newest": None}
    assert found["evidence"]["queued"] == 0


def test_a_notice_says_where_the_report_will_be_if_one_is_expected(turns):
    turns.settle(0.0)
    turns.settle(60.0)
    told = [one.body.decode() for one in turns.outbox.every()]
    place = f"http://tocsin.example.test/v1/evidence/m/{only(turns).incident}"
    assert told
    assert all(f'"evidence":"{place}"' in one for one in told)


def signed(model, report):
    return f"?signature={model}.{report}"


def test_a_notice_bears_a_link_that_opens_the_report(tmp_path):
    turns = acting(tmp_path, sign=signed)
    turns.settle(0.0)
    turns.settle(60.0)
    ident = only(turns).incident
    place = f"http://tocsin.example.test/v1/evidence/m/{ident}?signature=m.{ident}"
    assert all(f'"evidence":"{place}"' in one.body.decode() for one in turns.outbox.every())
    made = control_of(turns)
    assert made.incident(ident)["link"] is None
    made.reports.sources.archive.prepare("m")
    write_report(made.reports.sources.archive.path("m", ident), b"<!doctype html>")
    assert made.incident(ident)["link"] == place
    turns.close()


def test_without_kept_rows_no_report_is_promised(turns):
    none = Samples(share=0.0, per_stratum_min=0, flagged_max=0)
    turns.watched.settings = turns.watched.settings.model_copy(update={"samples": none})
    turns.settle(0.0)
    turns.settle(60.0)
    assert not any(b"/v1/evidence/" in one.body for one in turns.outbox.every())


def test_the_daemon_says_what_a_candidate_lacks_and_signs_nothing(tmp_path):
    turns = acting(tmp_path, Mode.OBSERVE)
    turns.settle(0.0)
    turns.settle(60.0)
    told = control_of(turns).promotion(MODEL)
    assert (told["model"], told["name"], told["earned"]) == (MODEL, "v2", False)
    held = {gate["name"]: gate["held"] for gate in told["gates"]}
    assert (held["candidate"], held["soak"], held["calm"], held["probes"]) == (True, False, False, None)
    with pytest.raises(KeyError):
        control_of(turns).promotion("another")
    turns.close()
