"""Whether a served candidate has earned to be known-good, as far as evidence can say. People promote; this tells them.

    candidate    the index has what is served as a candidate, not below its floor
    soak         it was served without a break for `soak_s`
    calm         no incident was open in that time, and nothing critical fires
    labels       its error was told on `labels_min` trusted labels, and no window of its last M breaches
    not_worse    by the pairs, its error is surely at most `worse_max` above the known-good's
    probes       it answers its golden probes as was recorded
    untainted    it was trained on nothing that is suspected

Each is held, failed, or None: it could not be told; `earned` is all of them. Nothing is promoted by nothing having
happened: a bundle without labels, pairs or probes has earned nothing, it is only not known to be bad.

The difference is one of non-inferiority: windows that do not overlap are pooled by their labelled pairs, each with the
standard error that its 95 % interval has, and the upper end of the pooled one-sided 95 % interval is held to the
margin. Source: Agresti & Min 2005 of a window (`monitor.detectors.paired_error`); weights by rows, so a window counts
as its labels do. Rows of a window that hang together make it too sure, as they make the windows themselves.

The daemon answers this and signs nothing: it has no release key, and must not have one. Whoever holds the machine of
the model would hold the key that says what is known-good, and one successful poisoning would approve of itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import sqrt
from typing import Final

import msgspec

from monitor.decisions.case import title
from monitor.decisions.rules import RulePack
from monitor.decisions.state import ModelState
from monitor.decisions.taint import taint
from monitor.detectors.intervals import Z95
from monitor.facts import (
    TRANSITION,
    UNREGISTERED,
    AlertState,
    Bundle,
    BundleStatus,
    Family,
    Gate,
    Incident,
    Severity,
    Slot,
    Suspicion,
    Verdict,
)

Z_ONE_SIDED: Final = 1.6448536269514722  # the 95 % point of the normal distribution
TOLD: Final = (Verdict.OK, Verdict.BREACH)
DAY_S: Final = 86_400.0


class Needed(msgspec.Struct, frozen=True):
    """What is asked of a candidate."""

    soak_s: float = 7 * DAY_S
    labels_min: int = 1_000  # of its error, and of its pairs
    worse_max: float = 0.01  # above the known-good's error, in its unit


class Candidacy(msgspec.Struct, frozen=True):
    """Everything that this rests on."""

    state: ModelState
    rules: RulePack
    now: float
    bundles: tuple[Bundle, ...]
    slots: Mapping[tuple[str, str], Sequence[Slot]]
    incidents: tuple[Incident, ...] = ()  # all that are remembered of the model
    suspicions: tuple[Suspicion, ...] = ()
    probes: Verdict | None = None  # of the checkpoint that is served; None: none are recorded
    floor: int = 0
    needed: Needed = Needed()

    @property
    def bundle(self) -> Bundle | None:
        """What is served; None where that is not proved, or nobody registered it."""
        epoch = self.state.epoch
        if epoch is None or epoch.bundle in (TRANSITION, UNREGISTERED):
            return None
        return next((each for each in self.bundles if each.id == epoch.bundle), None)


class Promotion(msgspec.Struct, frozen=True):
    """The answer: `earned` None where something could not be told and nothing speaks against it."""

    bundle: str  # id; "": it is not known what is served
    name: str
    earned: bool | None
    gates: tuple[Gate, ...]


def promotion(case: Candidacy) -> Promotion:
    """Look at every condition."""
    gates = tuple(gate(case) for gate in GATES)
    found = [gate.held for gate in gates]
    bundle = case.bundle
    earned = False if False in found else None if None in found else True
    return Promotion(bundle.id if bundle else "", title(bundle.id, case.bundles) if bundle else "", earned, gates)


def _candidate(case: Candidacy) -> Gate:
    bundle = case.bundle
    if bundle is None:
        return Gate("candidate", None, "it is not proved that a bundle of the index is served")
    if bundle.status is not BundleStatus.CANDIDATE:
        return Gate("candidate", False, f"what is served is {bundle.status.value}")
    if bundle.security < case.floor:
        return Gate("candidate", False, f"its security version {bundle.security} is below the floor {case.floor}")
    return Gate("candidate", True, f"{title(bundle.id, case.bundles)} is served and a candidate")


def _soak(case: Candidacy) -> Gate:
    epoch = case.state.epoch
    if epoch is None or case.bundle is None:
        return Gate("soak", None, "it is not known since when it is served")
    served, needed = case.now - epoch.start, case.needed.soak_s
    return Gate("soak", served >= needed, f"served for {served / DAY_S:.3g} d, needs {needed / DAY_S:.3g} d")


def _calm(case: Candidacy) -> Gate:
    epoch = case.state.epoch
    if epoch is None:
        return Gate("calm", None, "it is not known what is served")
    since = case.now - case.needed.soak_s
    hit = [each.id for each in case.incidents if each.closed is None or each.closed > since]
    present = case.state.incident
    if present is not None or hit:
        return Gate("calm", False, f"incident {present.id if present else hit[-1]} was open in that time")
    firing = [each.rule for each in case.state.alerts if each.state is AlertState.FIRING]
    critical = [rule for rule in firing if case.rules.severity(rule) is Severity.CRITICAL]
    return Gate("calm", not critical, f"{critical[0]} fires" if critical else "no incident, and nothing critical fires")


def _labels(case: Candidacy) -> Gate:
    """Of several rules of labels the one that is told on the most decides; any that breaches speaks against it."""
    found = {rule.name: _told(case, rule.name) for rule in case.rules.rules if rule.family is Family.LABELS}
    breached = [rule.name for rule in case.rules.rules if _breaches(found.get(rule.name, ())[-rule.of :])]
    if breached:
        return Gate("labels", False, f"{breached[0]} breached in its last windows")
    rows = max((sum(slot.reading.n for slot in slots) for slots in found.values()), default=0)
    enough = rows >= case.needed.labels_min
    return Gate("labels", enough or None, f"{rows} trusted labels, needs {case.needed.labels_min}")


def _not_worse(case: Candidacy) -> Gate:
    rules = [rule for rule in case.rules.rules if rule.better]
    slots = max((_told(case, rule.name) for rule in rules), key=len, default=())
    pooled = _pooled(slots)
    if pooled is None:
        return Gate("not_worse", None, "the known-good was not asked about the same rows, or not enough is labelled")
    rows, mean, error = pooled
    if rows < case.needed.labels_min:
        return Gate("not_worse", None, f"{rows} labelled pairs, needs {case.needed.labels_min}")
    highest = mean + Z_ONE_SIDED * error
    words = f"it errs {mean:+.3g} against the known-good, surely at most {highest:+.3g}"
    if highest <= case.needed.worse_max:
        return Gate("not_worse", True, f"{words}; {case.needed.worse_max:g} is allowed")
    surely = mean - Z_ONE_SIDED * error > case.needed.worse_max
    return Gate("not_worse", False if surely else None, f"{words}; {case.needed.worse_max:g} is allowed")


def _pooled(slots: Sequence[Slot]) -> tuple[int, float, float] | None:
    """Rows, mean and its standard error over windows that do not overlap; None where no interval was told."""
    told = [
        (slot.reading.n, slot.reading.value, (slot.reading.high - slot.reading.low) / (2 * Z95))
        for slot in slots
        if slot.reading.value is not None and slot.reading.low is not None and slot.reading.high is not None
    ]
    rows = sum(n for n, _, _ in told)
    if not rows:
        return None
    mean = sum(n * value for n, value, _ in told) / rows
    return rows, mean, sqrt(sum((n * error) ** 2 for n, _, error in told)) / rows


def _probes(case: Candidacy) -> Gate:
    words = {
        None: "no golden probes are recorded for it",
        Verdict.OK: "it answers its golden probes as was recorded",
        Verdict.BREACH: "it answers its golden probes otherwise than was recorded",
    }
    held = {Verdict.OK: True, Verdict.BREACH: False}.get(case.probes) if case.probes else None
    return Gate("probes", held, words.get(case.probes, "its golden probes could not be asked"))


def _untainted(case: Candidacy) -> Gate:
    bundle = case.bundle
    if bundle is None:
        return Gate("untainted", None, "it is not known what is served")
    why = taint(bundle, {each.id: each for each in case.bundles}, case.suspicions)
    return Gate("untainted", not why, why or "it was trained on nothing that is suspected")


GATES: Final[tuple[Callable[[Candidacy], Gate], ...]] = (
    _candidate,
    _soak,
    _calm,
    _labels,
    _not_worse,
    _probes,
    _untainted,
)


def _told(case: Candidacy, rule: str) -> tuple[Slot, ...]:
    """What a rule told of the whole in the present activation."""
    return tuple(_present(case, case.slots.get((rule, ""), ())))


def _present(case: Candidacy, slots: Sequence[Slot]) -> Iterator[Slot]:
    number = case.state.epoch.number if case.state.epoch else None
    yield from (slot for slot in slots if slot.epoch == number and slot.reading.verdict in TOLD)


def _breaches(slots: Sequence[Slot]) -> bool:
    return any(slot.reading.verdict is Verdict.BREACH for slot in slots)
