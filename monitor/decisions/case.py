"""What a rollback decision rests on, as plain values, and what can be read from it without judging.

What counts as a signal: the rules with `rollback: true`, on all traffic, in the present epoch, of a family that can
speak against the model. Feature drift never does: rolling back does not undo a change of the world. Signals of labels
and pairs count when their interval lies beyond the limit, not a point: above one that is the most allowed (error),
below one that is the least (accuracy).

A signal holds when N of its last M windows breach or, of means over rows, when the windows hold together (together.py).
"""

from collections.abc import Sequence

import msgspec

from monitor.decisions.rules import SUPPORTING
from monitor.decisions.together import Z_ERRORS, Z_PAIRED, Together, together
from monitor.facts import (
    Bundle,
    BundleId,
    Epoch,
    Family,
    Mode,
    ModelName,
    Reading,
    Rollback,
    RollbackStep,
    Slot,
    Suspicion,
    Verdict,
)

LEFT = (RollbackStep.BAKING, RollbackStep.COMMITTED)  # the evidence was acted on, and the target proved
BOUNDED = (Family.LABELS, Family.PAIRED)  # families whose readings come with an interval


class Limits(msgspec.Struct, frozen=True):
    """How often automation may act, and on how much. The defaults are the promise S8."""

    cooldown_s: float = 21600.0  # since the last switch ended
    per_day: int = 2
    per_week: int = 3
    rows_min: int = 200  # rows in the breaching windows of a signal
    approval_valid_s: float = 3600.0


class Signal(msgspec.Struct, frozen=True):
    """What one rule that may support a rollback saw in its last M windows of the present epoch."""

    rule: str
    family: Family
    better: bool  # whether its breach says that the target would do better
    breaches: int  # N
    of: int  # M
    slots: tuple[Slot, ...]
    budgeted: bool = False  # whether it is a crossing of the budget of false alarms, at the tier `rollback`
    mean_error: bool = False  # whether its value is the served model's, in the unit of the paired difference


class Case(msgspec.Struct, frozen=True):
    """Everything a decision rests on."""

    model: ModelName
    now: float
    mode: Mode
    epoch: Epoch | None
    bundles: tuple[Bundle, ...] = ()  # of the release index
    signals: tuple[Signal, ...] = ()
    history: tuple[Rollback, ...] = ()  # of this model, running ones included
    once: str = ""  # the rollback that this incident already had
    considered: str = ""  # the proposal that is being decided again
    asked: BundleId | None = None  # the bundle that answers as known-good, as proved
    latch: str = ""  # why automation is off until a person says otherwise
    kill_switch: bool = False
    degraded: str = ""  # why `mode` is less than the settings say
    limits: Limits = Limits()
    floor: int = 0  # the least security version of a target
    expired: bool = False  # whether the release index has: then nothing in it is a target
    suspicions: tuple[Suspicion, ...] = ()  # data that the target must not have been trained on
    selection: tuple[Reading, ...] = ()  # how labelled rows differ from all: of each rule, the last that was told


def known_bad(bundles: Sequence[Bundle], history: Sequence[Rollback]) -> frozenset[str]:
    """Ids and checkpoint digests of what was rolled back from: the same bytes under a new id are the same."""
    left = {rollback.source for rollback in history if rollback.step in LEFT}
    return frozenset(left) | {bundle.checkpoint_digest for bundle in bundles if bundle.id in left}


def title(bundle: BundleId, bundles: Sequence[Bundle]) -> str:
    """What people call a bundle."""
    return next((each.name for each in bundles if each.id == bundle and each.name), str(bundle))


def held(signal: Signal, case: Case) -> bool | None:
    """Whether N of M hold now, or all together; None where windows that could not be told would decide it."""
    told = windows(signal, case)
    breaches = len(breaching(signal, case))
    untold = signal.of - sum(slot.reading.verdict in (Verdict.BREACH, Verdict.OK) for slot in told)
    if breaches >= signal.breaches or pooled(signal, case) is not None:
        return True
    return None if breaches + untold >= signal.breaches else False


def windows(signal: Signal, case: Case) -> tuple[Slot, ...]:
    """The last M windows, those of another epoch left out."""
    number = case.epoch.number if case.epoch else None
    return tuple(slot for slot in signal.slots[-signal.of :] if slot.epoch == number)


def breaching(signal: Signal, case: Case) -> tuple[Slot, ...]:
    """The breaching ones among them."""
    return tuple(slot for slot in windows(signal, case) if slot.reading.verdict is Verdict.BREACH)


def pooled(signal: Signal, case: Case) -> Together | None:
    """What the windows say together, where it is asked: of means over rows, when no N of M breach by themselves."""
    if not (signal.better or signal.mean_error) or len(breaching(signal, case)) >= signal.breaches:
        return None
    return together(windows(signal, case), signal.breaches, Z_PAIRED if signal.better else Z_ERRORS)


def resting(signal: Signal, case: Case) -> tuple[Slot, ...]:
    """The windows that a signal rests on: those that breach, or those that hold together."""
    found = pooled(signal, case)
    return breaching(signal, case) if found is None else found.slots


def supporting(case: Case) -> tuple[Signal, ...]:
    """The signals of a family that can speak against the model."""
    return tuple(signal for signal in case.signals if signal.family in SUPPORTING)


def holding(case: Case) -> tuple[Signal, ...]:
    """Those of them that hold now."""
    return tuple(signal for signal in supporting(case) if held(signal, case))


def rows(signal: Signal, case: Case) -> int:
    """Rows in the windows it rests on, which do not overlap."""
    return sum(slot.reading.n for slot in resting(signal, case))


def bounded(signal: Signal, case: Case) -> bool:
    """Whether every breach is one of a whole interval, where the family has intervals; what is pooled always is."""
    if signal.family not in BOUNDED or pooled(signal, case) is not None:
        return True
    return all(beyond(slot.reading) for slot in breaching(signal, case))


def beyond(reading: Reading) -> bool:
    """Whether the interval of a breach lies on one side of the limit; the verdict says that it is the wrong one."""
    if reading.limit is None:
        return reading.low is not None
    above = reading.low is not None and reading.low > reading.limit
    return above or (reading.high is not None and reading.high < reading.limit)


def solid(case: Case) -> tuple[Signal, ...]:
    """The signals that hold, on a bound and on enough rows."""
    enough = case.limits.rows_min
    return tuple(signal for signal in holding(case) if bounded(signal, case) and rows(signal, case) >= enough)
