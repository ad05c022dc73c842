"""Snapshots for tests of the export and of what is built on it: one that shows every metric, and parts of it."""

from dataclasses import replace

from monitor.decisions.clearance import ClearanceState
from monitor.export.edges import (
    AlertmanagerView,
    AuditView,
    EvidenceView,
    IntakeView,
    KeptView,
    ModelEvidence,
    ProbesView,
    StagedView,
    StoreView,
)
from monitor.export.pictures import BinsView, Drawn, Pictures, SpreadView
from monitor.export.sequential import EvidenceView as EvidenceOf
from monitor.export.sequential import LatchView, SegmentsView, SequentialView, WindowsView
from monitor.export.shown import SHOWN
from monitor.export.snapshot import (
    ClassRows,
    ConfusionCell,
    DaemonView,
    ModelView,
    ReadingView,
    ReceiverView,
    RuleView,
    ServingStatus,
    Snapshot,
    Timing,
    Totals,
)
from monitor.facts import (
    Alert,
    AlertState,
    BundleId,
    Family,
    Gate,
    ModelName,
    Reading,
    RejectReason,
    RollbackStep,
    RowKind,
    Severity,
    Subject,
    Verdict,
)

NOW = 1_364_774_400.0  # 2013-04-01
MODEL = ModelName("delays")
BAD = BundleId("sha256:" + "b" * 64)
GOOD = BundleId("sha256:" + "a" * 64)
FAMILIES = {
    Subject.FEATURES: Family.FEATURES,
    Subject.OUTPUT: Family.OUTPUT,
    Subject.SCORE: Family.OUTPUT,
    Subject.OUTCOMES: Family.LABELS,
    Subject.EXPECTED: Family.OUTPUT,
    Subject.PAIRS: Family.PAIRED,
    Subject.EXPECTED: Family.LABELS,
    Subject.GROUPS: Family.FAIRNESS,
    Subject.ARRIVALS: Family.VOLUME,
}


def rule(detector="psi", subject=Subject.FEATURES, severity=Severity.WARNING):
    name = f"{subject.value}-{detector}".replace("_", "-")
    return RuleView(name, detector, subject, FAMILIES[subject], severity, window_s=86_400.0)


def ok(value=0.1, n=1_000):
    return Reading(Verdict.OK, n, value, limit=0.2, low=value - 0.01, high=value + 0.01)


def breach(value=0.3, n=1_000):
    return Reading(Verdict.BREACH, n, value, limit=0.2, low=value - 0.01, high=value + 0.01)


UNKNOWN = Reading(Verdict.UNKNOWN, 3, why="fewer than 500 rows")
BROKEN = Reading(Verdict.BROKEN, 1_000, why="failed")


def view(reading, column="hour", **changes):
    return replace(ReadingView(rule(), reading, NOW, column), **changes)


def daemon(**changes):
    return replace(DaemonView("0.1.0", started=NOW - 3_600, clock=NOW), **changes)


def model(*readings, **changes):
    known = {"release_index_expires": NOW + 9e6, "release_index_serial": 3}
    return replace(ModelView(MODEL, ServingStatus.KNOWN_GOOD, 1, GOOD, "v1", readings=readings), **known | changes)


def snapshot(*readings, **changes):
    """One model with these readings and changes, in an idle daemon."""
    return Snapshot(NOW, (model(*readings, **changes),), daemon())


def wide(features, reading=ok):
    """`features` readings of one rule, the later the worse."""
    return [view(reading(0.1 + i / 100_000), f"f{i:05}") for i in range(features)]


def every_reading():
    known = [
        ReadingView(rule(detector, subject), breach(), NOW, "hour" if subject is Subject.FEATURES else "")
        for detector, subject in SHOWN
    ]
    return [*known, view(UNKNOWN, "wind"), view(BROKEN, "temp"), ReadingView(rule("foreign", Subject.SCORE), ok(), NOW)]


def bins(drawn=Drawn.FEATURE, column="hour", rows=(5, 3), reference=(60, 40)):
    """Rows of one column by bin."""
    names = tuple(f"{i:02}" for i in range(len(rows)))
    return BinsView(drawn, "" if drawn is not Drawn.FEATURE else column, names, tuple(rows), tuple(reference))


def pictures(features=1, bins_each=2):
    """Output, score and so many features, with where their numbers lie."""
    columns = [f"f{i:05}" for i in range(features)]
    row, reference = tuple(range(1, bins_each + 1)), (10,) * bins_each
    spreads = [
        SpreadView(column, of_reference, ((0.05, 1.0), (0.5, 2.5), (0.95, 9.0)), 3.0)
        for of_reference in (False, True)
        for column in columns
    ]
    whole = [bins(drawn) for drawn in (Drawn.OUTPUT, Drawn.SCORE)]
    spreads += [
        SpreadView("", of_reference, ((0.05, -4.0), (0.5, 8.0), (0.95, 60.0)), 12.5) for of_reference in (False, True)
    ]
    return Pictures(
        "0123456789ab", (*whole, *(bins(column=c, rows=row, reference=reference) for c in columns)), spreads
    )


def sequential():
    """An e-detector at work: one group is latched, one is quiet, some bands are unknown."""
    return SequentialView(
        at=NOW,
        since=NOW - 600,
        every_s=60.0,
        rows=9_000,
        budgets={"warn": 1_440.0, "page": 43_200.0, "rollback": 1_440_000.0},
        watched=40,
        unknown=3,
        why="",
        evidence=(EvidenceOf("features", "page", "hour", 1.2), EvidenceOf("output", "page", "score", -7.5)),
        latched=(LatchView("features_page", "hour", NOW - 60, 3.5, "the share of hour above 12 rises"),),
        verdicts={"features_page": {Verdict.BREACH: 1, Verdict.OK: 2, Verdict.UNKNOWN: 0}},
        untold={"labels": "nothing of this family is watched"},
        labels=WindowsView(open=24, closed={"coverage": 90, "deadline": 3}, revised=12, expected_share=0.95),
        segments=SegmentsView(0.1, ("origin=EWR", "origin=JFK"), {"device=ios": "senders name it"}, 3),
    )


def full():
    """A snapshot in which every metric of the table has a sample."""
    readings = every_reading()
    busy = ModelView(
        release_index_expires=NOW + 9e6,
        release_index_serial=3,
        model=MODEL,
        status=ServingStatus.CANDIDATE,
        epoch=2,
        bundle=BAD,
        bundle_name="v2",
        since=NOW - 600,
        proved=NOW - 1,
        known_good=GOOD,
        gate=ClearanceState.OK,
        known_good_name="v1",
        rules=tuple({r.rule.name: r.rule for r in readings}.values()),
        readings=tuple(readings),
        alerts=(Alert(MODEL, "outcomes-error", "", AlertState.FIRING, since=NOW),),
        incidents_open=1,
        incidents_opened=3,
        rollbacks={RollbackStep.COMMITTED: 2},
        contact_within_s=86_400.0,
        degrades_in_s=80_000.0,
        promotion=(Gate("soak", True, ""), Gate("calm", False, ""), Gate("labels", None, "")),
        last_rollback=NOW - 86_400,
        staged=StagedView(3, 36_000, ready=True, verified=NOW - 900, failures={"no_room": 2}),
        totals=Totals(9_000, 8_000, 50, pairs=900, unattributed=7, claim_mismatches=1),
        outputs=(ClassRows("late", 10), ClassRows("on_time", 40)),
        confusion=(ConfusionCell("late", "on_time", 3),),
        last_prediction=NOW,
        last_label=NOW - 7_200,
        unproved_s=0.0,
        pictures=pictures(),
        sequential=sequential(),
        probes=ProbesView(
            Verdict.BREACH,
            {Verdict.OK: 9, Verdict.BREACH: 1},
            rows=64,
            recorded=True,
            asked=1.7e9,
            mismatches=5,
            flips=2,
            exact=0.875,
            difference=0.3,
            divergence=0.02,
        ),
        groups=("hour", "output", "score"),
        evidence=ModelEvidence({"drifted": 0.25}, end=NOW, reports=2),
    )
    return Snapshot(
        NOW,
        (busy,),
        daemon(
            operator_contact=NOW - 6_400,
            clock_jumps={"ahead": 1, "back": 0},
            clock_paused=True,
            connections_cut={"intake": 2, "metrics": 0},
            intake=IntakeView(
                accepted={RowKind.PREDICTIONS: 9_000},
                rejected={RejectReason.TIME_IN_FUTURE: 4},
                refused={(413, "too_many_rows"): 2},
                requests={("/v1/predictions", "2xx"): 90},
                gates={(MODEL, ClearanceState.OK): 3, (MODEL, ClearanceState.BAD): 0},
                parts_dropped={"bundle": 2},
                unknown_features={MODEL: 1},
            ),
            store=StoreView(
                commits=500,
                commit_seconds=1.2,
                journal_rows=12,
                journal_oldest=NOW - 1,
                free_bytes=1 << 34,
                free_bytes_min=1 << 28,
                db_bytes=1 << 20,
                wal_bytes=1 << 22,
                run_bytes=1 << 24,
                run_files=4,
                kept=(KeptView(MODEL, 9_000, 1 << 20, 10, 0.5, 2, 90, 1 << 16, 3, 0),),
            ),
            fold=Timing(10, 1.5, 0.1),
            look=Timing(3, 0.01, 0.002),
            tick=Timing(3, 0.004, 0.001),
            reloaded=NOW - 3_600,
            waiting={"http": 1},
            links={"opened": 2, "expired": 1, "invalid": 0, "off": 0},
            receivers=(ReceiverView("on-call", 1, 0, 5, 2),),
            rss_bytes=100 << 20,
            alertmanagers=(AlertmanagerView("main", 9, 4, {"timeout": 1}, 0, 1, 0, NOW),),
            audit=AuditView(
                key="ed25519:00112233445566778899aabbccddeeff",
                verified=True,
                records=40,
                sequence=1234,
                digest_parts=(1, 2, 3, 4, (1 << 48) - 1),
                written=1_700_000_000.0,
                signed_sequence=1200,
                failures=1,
                waiting=2,
                lost=3,
                torn=1,
                dropped_files=1,
                files=3,
                size_bytes=40 << 20,
            ),
            evidence=EvidenceView(
                0, False, 3, 21.5, {(MODEL, "timeout"): 1}, starts=2, ends={"idle": 1}, rss_bytes=1 << 28
            ),
        ),
    )
