"""Evidence: asked for when an incident opens or closes and when a period is over; nobody waits, nothing rests on it."""

import asyncio
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from desk import KEEP, Desk, reports_of
from msgspec.structs import replace
from world import MODEL, Turns, evidence, label, many

from monitor.decisions.rules import RulePack
from monitor.decisions.state import ModelState
from monitor.evidence.office import Limits
from monitor.facts import Alert, AlertState, Incident, Reading, Slot, Verdict
from monitor.settings import ModelEvidence, Samples
from monitor.settings.units import Duration
from monitor.turns.evidence import Keep
from monitor.turns.reloading import renewed

DAY, HOUR = 86_400.0, 3_600.0
OPEN = Incident("m-1", MODEL, 60.0, 1, "v2", "pairs", ("pairs",))


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", *evidence(), served="v1")
    yield made
    made.close()


def asking(turns, **settings):
    """Let the settings of evidence be these; durations in seconds."""
    made = ModelEvidence(metrics={"rows": {"metric": "RowCount"}})
    values = {key: Duration(value) if key.endswith("every") else value for key, value in settings.items()}
    turns.watched.settings = turns.watched.settings.model_copy(update={"evidence": made.model_copy(update=values)})


def sampled(turns, *labels, start=0.0):
    """Sixty rows from `start` on, all of which are kept."""
    turns.watched.settings = turns.watched.settings.model_copy(update={"samples": Samples(share=1.0)})
    turns.serve((0.0, "v1"))
    turns.count(many(60, start, f"p{start}-"), *([list(labels)] if labels else []))
    turns.clock.step(start + 60.0)


def done(turns, reports, act):
    """Act, and wait for all that follows from it."""

    async def run():
        await reports.open()
        act()
        while reports._tasks:
            await asyncio.gather(*reports._tasks.values())

    turns.do(run())


# ---------------------------------------------------------------- incidents


def test_an_incident_gets_a_report_of_its_window(turns):
    sampled(turns)
    desk = Desk()
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    [job] = desk.jobs
    assert (job.id, job.epoch, job.start, job.end) == ("m-1", 1, 60.0 - HOUR, 60.0)
    assert all(Path(name).exists() for name in job.samples)
    assert [report.id for report in reports.reports()] == ["m-1"]
    assert turns.watched.evidence_reports == 1


def test_the_look_that_opens_an_incident_asks_and_the_one_that_closes_it_again(turns):
    told = []
    turns.wheel_of["report"] = lambda _, incident: told.append((incident.id, incident.closed is not None))
    turns.wheel = turns._wheel()
    turns.settle(0.0)
    turns.settle(60.0)
    turns.watched.pack = RulePack(1, ())  # nothing breaches any more
    turns.settle(120.0)
    assert [closed for _, closed in told] == [False, True]
    assert len({ident for ident, _ in told}) == 1


def test_the_report_of_a_closed_incident_is_of_the_windows_that_opened_it(turns):
    sampled(turns)
    slot = Slot("pairs", "", 1, 0.0, 60.0, Reading(Verdict.BREACH, 60, 0.5))
    fired = Alert(MODEL, "pairs", "", AlertState.FIRING, evidence=(slot,))
    reports = reports_of(turns, desk := Desk())
    turns.watched.state = ModelState(MODEL, alerts=(fired,))
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    turns.watched.state = ModelState(MODEL)
    turns.clock.step(10 * HOUR)
    done(turns, reports, lambda: reports.incident(turns.watched, replace(OPEN, closed=10 * HOUR)))
    assert [(job.start, job.end) for job in desk.jobs] == [(-HOUR, 60.0)] * 2
    assert reports._shown == {}


def test_nothing_is_asked_for_where_the_settings_say_so(turns):
    sampled(turns)
    asking(turns, incidents=False)
    desk = Desk()
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    assert desk.jobs == []


def test_without_kept_rows_there_is_no_job(turns):
    desk = Desk()
    turns.serve((0.0, "v1"))
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    assert desk.jobs == []


def test_the_second_report_of_an_incident_follows_the_first(turns):
    sampled(turns)
    desk = Desk()
    reports = reports_of(turns, desk)

    async def run():
        await reports.open()
        desk.hold()
        reports.incident(turns.watched, OPEN)
        await desk.asked.wait()
        reports.incident(turns.watched, OPEN)
        under_way = len(desk.jobs)
        desk.held.set()
        while reports._tasks:
            await asyncio.gather(*reports._tasks.values())
        return under_way

    assert (turns.do(run()), desk.ids) == (1, ["m-1", "m-1"])


def test_an_open_incident_whose_report_a_crash_prevented_gets_it_at_the_start(turns):
    sampled(turns)
    turns.watched.state = turns.watched.state.__class__(MODEL, incident=OPEN)
    desk = Desk()
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: None)
    again = reports_of(turns, later := Desk())
    done(turns, again, lambda: None)
    assert (desk.ids, later.ids) == (["m-1"], [])


# ---------------------------------------------------------------- labels


def mode_of(name):
    return Path(name).stat().st_mode & 0o777


def test_labels_go_with_the_rows_they_are_of_and_are_gone_afterwards(turns):
    sampled(turns, *(label(f"p0.0-{i}", i % 2) for i in range(60)))
    seen = {}

    class Reading(Desk):
        async def submit(self, job):
            table = pq.read_table(job.labels)
            ids = {one for name in job.samples for one in pq.read_table(name)["id_hash"].to_pylist()}
            seen["known"] = set(table["id_hash"].to_pylist()) == ids
            seen["mode"] = mode_of(job.labels)
            return await super().submit(job)

    desk = Reading()
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    assert seen == {"known": True, "mode": 0o600}
    assert not Path(desk.jobs[0].labels).exists()


def test_labels_that_do_not_count_are_not_shown(turns):
    sampled(turns, *(label(f"p0.0-{i}", 1, source="crowd") for i in range(60)))
    desk = Desk()
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    assert desk.jobs[0].labels == ""


def test_labels_that_a_crash_left_are_swept_at_the_start(turns):
    reports = reports_of(turns)
    reports.sources.archive.prepare("m")
    left = reports.sources.archive.path("m", "m-1").with_suffix(".labels")
    left.write_bytes(b"rows")
    done(turns, reports, lambda: None)
    assert not left.exists()


# ---------------------------------------------------------------- schedule


def test_a_period_that_is_over_gets_its_report_and_its_numbers_once(turns):
    asking(turns, every=DAY, metrics_every=HOUR)
    sampled(turns, start=DAY - 60.0)
    desk = Desk(rows=60.0)
    reports = reports_of(turns, desk)
    for now in (DAY - 1.0, DAY, DAY + 1.0):
        done(turns, reports, lambda now=now: reports.due(now))
    assert sorted(desk.ids) == ["metrics-1970-01-02T000000", "report-1970-01-02T000000"]
    assert [(job.start, job.end) for job in desk.jobs if not job.report] == [(DAY - HOUR, DAY)]
    assert turns.watched.evidence_values == {"rows": 60.0}


def test_a_period_is_over_when_its_grace_is(turns):
    asking(turns, every=0.0, metrics_every=HOUR)
    sampled(turns)
    desk = Desk()
    reports = reports_of(turns, desk, KEEP.__class__(1.0, 1, 60.0))
    done(turns, reports, lambda: reports.due(HOUR + 59.0))
    assert desk.ids == []
    done(turns, reports, lambda: reports.due(HOUR + 60.0))
    assert desk.ids == ["metrics-1970-01-01T010000"]


def test_after_a_restart_a_report_that_is_there_is_not_made_again_and_the_numbers_are(turns):
    asking(turns, every=HOUR, metrics_every=HOUR)
    sampled(turns)
    for desk in (Desk(), again := Desk(rows=2.0)):
        reports = reports_of(turns, desk)
        done(turns, reports, lambda reports=reports: reports.due(HOUR))
    assert (again.ids, turns.watched.evidence_values) == (["metrics-1970-01-01T010000"], {"rows": 2.0})
    assert turns.watched.evidence_end == 3600.0


def test_numbers_of_an_older_period_do_not_stand_for_a_newer_one(turns):
    asking(turns, every=0.0, metrics_every=HOUR)
    sampled(turns)
    desk = Desk(rows=60.0)
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.due(HOUR))
    assert turns.watched.evidence_values == {"rows": 60.0}
    done(turns, reports, lambda: reports.due(2 * HOUR))  # no row of it was kept
    assert turns.watched.evidence_values == {}
    assert turns.watched.evidence_end is None


@pytest.mark.parametrize("settings", [{"every": 0.0, "metrics_every": 0.0}, {"every": 0.0, "metrics": {}}])
def test_what_is_not_asked_for_is_not_made(turns, settings):
    asking(turns, **settings)
    sampled(turns)
    desk = Desk()
    reports = reports_of(turns, desk)
    done(turns, reports, lambda: reports.due(10 * DAY))
    assert desk.jobs == []


# ---------------------------------------------------------------- the end


def test_what_is_too_old_is_removed_and_counted(turns):
    sampled(turns)
    reports = reports_of(turns, keep=KEEP.__class__(10.0, 1 << 30, 0.0))
    done(turns, reports, lambda: reports.incident(turns.watched, OPEN))
    turns.clock.step(4e9)
    turns.do(reports.upkeep())
    assert (reports.reports(), reports.removed, reports.swept.by_age) == ((), 1, 1)


def test_closing_leaves_nobody_waiting(turns):
    sampled(turns)
    desk = Desk()
    reports = reports_of(turns, desk)

    async def run():
        await reports.open()
        desk.hold()
        reports.incident(turns.watched, OPEN)
        await reports.aclose()
        reports.incident(turns.watched, OPEN)
        return reports._tasks

    assert turns.do(run()) == {}


# ---------------------------------------------------------------- settings that change


def renewing(reports, *changed, **limits):
    reports.renew(Keep(1.0, 2, 3.0), Limits(**limits), changed)


def test_new_limits_reach_the_office_and_what_is_kept_follows_at_once(turns):
    reports = reports_of(turns, desk := Desk())
    renewing(reports, queue_max=3)
    assert (reports.keep, desk.limits) == (Keep(1.0, 2, 3.0), Limits(queue_max=3))


def test_metrics_that_changed_are_told_of_the_last_period_at_once_and_others_are_not_asked_again(turns):
    asking(turns, every=DAY, metrics_every=HOUR)
    sampled(turns, start=DAY - 60.0)
    reports = reports_of(turns, desk := Desk(rows=60.0))
    for changed in ([], [], [MODEL], ["another"]):
        reports.renew(reports.keep, Limits(), changed)
        done(turns, reports, lambda: reports.due(DAY))
    assert [job.id for job in desk.jobs if not job.report] == ["metrics-1970-01-02T000000"] * 2
    assert len([job for job in desk.jobs if job.report]) == 1


def test_a_metric_that_is_gone_is_told_no_more_even_by_a_job_under_way(turns):
    asking(turns, metrics_every=HOUR)
    sampled(turns, start=DAY - 60.0)
    desk = Desk(rows=60.0)
    reports = reports_of(turns, desk)

    async def run():
        desk.hold()
        reports.due(DAY)
        await desk.asked.wait()
        asking(turns, metrics_every=HOUR, metrics={})
        desk.held.set()
        while reports._tasks:
            await asyncio.gather(*reports._tasks.values())

    turns.do(run())
    assert (turns.watched.evidence_values, turns.watched.evidence_end) == ({}, None)


def test_a_job_under_way_at_a_change_is_followed_by_one_with_the_new_settings(turns):
    asking(turns, metrics_every=HOUR, metrics={})
    sampled(turns, start=DAY - 60.0)
    asking(turns, every=0.0, metrics_every=HOUR)
    reports = reports_of(turns, desk := Desk(rows=60.0))

    async def run():
        desk.hold()
        reports.due(DAY)
        await desk.asked.wait()
        reports.renew(reports.keep, Limits(), [MODEL])
        reports.due(DAY)
        desk.held.set()
        while reports._tasks:
            await asyncio.gather(*reports._tasks.values())
        return len(desk.jobs)

    assert (turns.do(run()), reports._again) == (2, set())


def test_what_new_settings_no_longer_name_is_shown_no_more(turns):
    asking(turns, metrics_every=HOUR)
    turns.watched.tell_evidence({"rows": 1.0, "rows.count": 2.0, "gone": 3.0}, 60.0)
    assert turns.watched.evidence_values == {"rows": 1.0, "rows.count": 2.0}
    asking(turns, metrics={})
    renewed(turns.watched)
    assert (turns.watched.evidence_values, turns.watched.evidence_end) == ({}, None)
