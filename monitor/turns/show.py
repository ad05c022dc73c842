"""What is shown: the same facts as plain values for the API (`status`) and as a snapshot for the metrics page.

Nothing is computed here that a detector or a decision has not said. Feature values never appear: names of features,
classes and rules do, counts, shares and distances do.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from monitor.decisions.budget import Budgeted
from monitor.decisions.clearance import ClearanceState
from monitor.decisions.probes import Compared
from monitor.decisions.rules import Rule
from monitor.decisions.steadiness import between_registered
from monitor.detectors import DETECTORS
from monitor.export.edges import ModelEvidence, ProbesView, StagedView
from monitor.export.pictures import NOTHING_DRAWN, Pictures
from monitor.export.snapshot import (
    ClassRows,
    ConfusionCell,
    ModelView,
    ReadingView,
    ReferenceRole,
    RuleView,
    ServingStatus,
    Timing,
    Totals,
)
from monitor.facts import TRANSITION, UNREGISTERED, Bundle, BundleStatus, Gate, Mode, RollbackStep, Severity
from monitor.turns.pictures import Drawing
from monitor.turns.timed import Timed
from monitor.turns.watched import Shown, Watched

OTHER = "__other__"
NO_FEATURES = Drawing()
NAMES: dict[type, str] = {kind: name for name, kind in DETECTORS.items()} | {Budgeted: "sequential"}
STATUS = {
    BundleStatus.KNOWN_GOOD: ServingStatus.KNOWN_GOOD,
    BundleStatus.CANDIDATE: ServingStatus.CANDIDATE,
    BundleStatus.QUARANTINED: ServingStatus.QUARANTINED,
    BundleStatus.REVOKED: ServingStatus.REVOKED,
}


def status(watched: Watched) -> dict[str, Any]:
    """One model as JSON: what is served, the newest readings, alerts, the open incident, rollbacks, totals."""
    incident = watched.state.incident
    severities = {rule.name: rule.severity.value for rule in watched.pack.rules}
    return {
        "task": watched.schema.task.value,
        "served": served(watched),
        "readings": [  # a look may be adding to it
            reading(each) | {"severity": severities.get(each.rule, Severity.NONE.value)}
            for each in list(watched.shown.values())
        ],
        "carriers": [each._asdict() for each in watched.carried.carriers],
        "sequential": None if watched.sequential is None else msgspec.to_builtins(watched.sequential),
        "alerts": msgspec.to_builtins(watched.state.alerts),
        "incident": msgspec.to_builtins(incident) if incident else None,
        "rollbacks": [msgspec.to_builtins(rollback) for rollback in rollbacks(watched)],
        "latch": watched.state.latch,
        "mode": watched.mode[0].value,
        "degraded": watched.mode[1],
        "release_index_problem": watched.releases.problem,
        "release_index": watched.releases.told(),
        "totals": msgspec.to_builtins(watched.totals)
        | {
            "rows": watched.totals.predictions,
            "last_prediction": watched.totals.last_prediction or None,
            "last_label": watched.totals.last_label or None,
        },
    }


def served(watched: Watched) -> dict[str, Any] | None:
    """What is served, since when, and in which role; None before the first proof or its loss."""
    if not watched.epochs:
        return None
    epoch = watched.epoch
    return {
        "bundle": epoch.bundle,
        "name": name_of(watched, epoch.bundle),
        "role": serving_status(watched).value,
        "epoch": epoch.number,
        "since": epoch.start,
        "proved": proved(watched),
        "digest": epoch.digest,
        "declared": watched.settings.serving is None,
    }


def proved(watched: Watched) -> float:
    """When the server last proved what it serves, by the clock as it was then; before this life, by the timeline."""
    return watched.epoch.proved if watched.proved is None else watched.proved


def reading(shown: Shown) -> dict[str, Any]:
    """One reading, flat."""
    found = shown.reading
    return {
        "name": shown.rule,
        "column": shown.column,
        "segment": shown.segment,
        "window_start": shown.start,
        "window_end": shown.end,
        "reference": "own" if shown.own else "judge",
        "verdict": found.verdict.value,
        "value": found.value,
        "limit": found.limit,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "unit": found.unit,
        "why": found.why,
    }


def rollbacks(watched: Watched) -> list[Any]:
    """All that are known, oldest first; those under way included."""
    return sorted(watched.rollbacks.values(), key=lambda rollback: (rollback.planned, rollback.id))


def name_of(watched: Watched, bundle: str) -> str:
    """What people call a bundle; TRANSITION and UNREGISTERED are their own names."""
    found = next((each for each in watched.bundles if each.id == bundle), None)
    return found.name or bundle if found else bundle


def serving_status(watched: Watched) -> ServingStatus:
    """What the release index and the timeline say of the bundle that is served."""
    bundle = watched.epoch.bundle
    if bundle == TRANSITION:
        return ServingStatus.TRANSITION
    if bundle == UNREGISTERED:
        return ServingStatus.UNREGISTERED
    found: Bundle | None = next((each for each in watched.bundles if each.id == bundle), None)
    return STATUS[found.status] if found else ServingStatus.UNREGISTERED


def within_s(watched: Watched) -> float | None:
    """How long automation acts without an operator; None where it does not act, or for ever."""
    allowed = watched.settings.rollback
    return allowed.contact_within if allowed.mode is Mode.AUTO and allowed.contact_within else None


def degrades_in_s(watched: Watched) -> float | None:
    """How long automation goes on if no operator is heard; negative once it has stopped."""
    within = within_s(watched)
    return None if within is None else within - watched.silent_s()


def readings(watched: Watched, rules: Mapping[str, RuleView]) -> tuple[ReadingView, ...]:
    """The newest readings of these rules, by their names; those of rules that are gone are not shown."""
    return tuple(reading_view(each, rules[each.rule]) for each in list(watched.shown.values()) if each.rule in rules)


def model_view(
    watched: Watched,
    drawing: Drawing = NO_FEATURES,
    gate: ClearanceState | None = None,
    promotion: tuple[Gate, ...] = (),
    staged: StagedView | None = None,
) -> ModelView | None:
    """One model for the metrics page; None before anything is known of it.

    `gate` is what deployers are told, `staged` what is kept beside its link.
    """
    if not watched.epochs:
        return None
    epoch, state = watched.epoch, watched.state
    views = {rule.name: rule_view(rule) for rule in (*watched.pack.rules, *watched.pack.budgeted)}
    ended = [each for each in watched.rollbacks.values() if each.step is RollbackStep.COMMITTED]
    return ModelView(
        model=watched.name,
        status=serving_status(watched),
        epoch=epoch.number,
        bundle=epoch.bundle,
        bundle_name=name_of(watched, epoch.bundle),
        since=epoch.start,
        proved=proved(watched),
        unproved_s=None if watched.settings.serving is None else watched.unproved_s or 0.0,
        unsteady=between_registered(watched.proofs, watched.bundles),
        probes=probes(watched),
        known_good=watched.good.id,
        known_good_name=watched.good.name,
        mode=watched.mode[0],
        contact_within_s=within_s(watched),
        degrades_in_s=degrades_in_s(watched),
        latched=bool(state.latch),
        gate=gate,
        promotion=promotion,
        release_index_ok=not watched.releases.problem,
        release_index_expires=watched.releases.expires,
        release_index_serial=watched.releases.memory.serial,
        rules=tuple(views.values()),
        readings=readings(watched, views),
        segments=segments(watched),
        alerts=state.alerts,
        incidents_open=int(state.incident is not None),
        incidents_opened=state.incidents,
        rollbacks={step: watched.reached.steps.get(step.value, 0) for step in RollbackStep},
        staged=staged,
        rollbacks_waiting=sum(each.step is RollbackStep.PROPOSED for each in watched.rollbacks.values()),
        last_rollback=max((each.stepped for each in ended), default=None),
        totals=totals(watched),
        outputs=outputs(watched),
        confusion=confusion(watched),
        last_prediction=watched.totals.last_prediction or None,
        last_label=watched.totals.last_label or None,
        pictures=pictures(watched, drawing),
        evidence=evidence(watched),
        task=watched.schema.task,
        sequential=watched.sequential,
        groups=groups(watched),
    )


def totals(watched: Watched) -> Totals:
    """What was folded since the state directory began."""
    found = watched.totals
    return Totals(
        predictions=found.predictions,
        labels=found.labels,
        labels_untrusted=found.labels_untrusted,
        labels_repeated=found.labels_repeated,
        labels_corrected=found.labels_corrected,
        labels_sampled_out=found.labels_sampled_out,
        pairs=found.pairs,
        pairs_failed=found.pairs_failed,
        unattributed=found.unattributed,
        claim_mismatches=found.claims_wrong,
    )


def segments(watched: Watched) -> tuple[str, ...]:
    """The segments that the settings name, in the bins that decide: what may be a label."""
    judge = watched.epoch.judge
    return watched.segments(judge).names if judge in watched.layouts else ()


def groups(watched: Watched) -> tuple[str, ...]:
    """What the e-detector may latch, as alerts name it: columns of the schema, and the few that are no feature's."""
    if watched.sequential is None:
        return ()
    return (*(feature.name for feature in watched.schema.features), "output", "score")


def evidence(watched: Watched) -> ModelEvidence | None:
    """What reports and metrics were made; None where the settings ask for none."""
    asked = watched.settings.evidence
    if not (asked.incidents or asked.every or asked.metrics):
        return None
    return ModelEvidence(dict(watched.evidence_values), watched.evidence_end, watched.evidence_reports)


def probes(watched: Watched) -> ProbesView | None:
    """How golden probes were answered; None where the settings name none."""
    if watched.settings.probes is None:
        return None
    shown = watched.probes
    if shown.last is None:
        return ProbesView(rounds=shown.rounds)
    return ProbesView(
        verdict=shown.last.reading.verdict,
        rounds=shown.rounds,
        rows=shown.rows,
        recorded=shown.recorded,
        asked=shown.last.at,
        **({} if shown.last.worst is None else figures(shown.last.worst)),
    )


def figures(worst: Compared) -> dict[str, Any]:
    """What the worst of the answers was like, by the names of `ProbesView`."""
    found: dict[str, Any] = msgspec.to_builtins(worst)
    del found["rows"]
    return found


def probed(watched: Watched) -> dict[str, Any] | None:
    """The last round of golden probes as JSON: no row and no answer of it."""
    last, shown = watched.probes.last, watched.probes
    if watched.settings.probes is None or last is None:
        return None
    found = {"verdict": last.reading.verdict.value, "why": last.reading.why, "asked": last.at, "epoch": last.epoch}
    return found | {"rows": shown.rows, "recorded": shown.recorded} | (figures(last.worst) if last.worst else {})


def pictures(watched: Watched, drawing: Drawing) -> Pictures:
    """What is drawn, in the bins that decide."""
    judge = watched.epoch.judge
    if judge not in watched.layouts:
        return NOTHING_DRAWN
    return watched.frame(judge, drawing).pictures(
        watched.counted.get(judge), watched.features.features, watched.outputs.features
    )


def rule_view(rule: Rule) -> RuleView:
    """What the metrics page needs of a rule."""
    name = NAMES.get(type(rule.detector), type(rule.detector).__name__)
    return RuleView(rule.name, name, rule.subject, rule.family, rule.severity, rule.window_s)


def reading_view(shown: Shown, rule: RuleView) -> ReadingView:
    """A reading for the metrics page."""
    role = ReferenceRole.OWN if shown.own else ReferenceRole.JUDGE
    return ReadingView(rule, shown.reading, shown.end, shown.column, shown.segment, role)


def outputs(watched: Watched) -> tuple[ClassRows, ...]:
    """Rows per class in the newest window that was read."""
    names = (*watched.schema.classes, OTHER)
    return tuple(ClassRows(name, rows) for name, rows in zip(names, watched.outputs.outputs, strict=False))


def confusion(watched: Watched) -> tuple[ConfusionCell, ...]:
    """Labelled rows of the newest window in which the error could be read."""
    names = (*watched.schema.classes, OTHER)
    return tuple(
        ConfusionCell(predicted, label, rows)
        for predicted, row in zip(names, watched.confusion.confusion, strict=False)
        for label, rows in zip(names, row, strict=True)
    )


def timing(timed: Timed) -> Timing:
    """A timing for the metrics page."""
    return Timing(timed.count, timed.sum_s, timed.last_s)
