"""The gates of the rollback policy: one condition each, with what it saw in words and numbers.

A gate is held, failed, or None: it could not be told. The guards among them say nothing about the evidence.
"""

from collections.abc import Callable, Iterable, Iterator

from monitor.decisions.case import (
    BOUNDED,
    Case,
    Signal,
    bounded,
    breaching,
    held,
    holding,
    known_bad,
    pooled,
    resting,
    rows,
    solid,
    supporting,
    title,
    windows,
)
from monitor.decisions.choosing import find_target, skipped
from monitor.decisions.rollback import RUNNING
from monitor.facts import TRANSITION, UNREGISTERED, Gate, Mode, Reading, RollbackStep, Verdict

DAY_S = 86400.0
GUARDS = ("kill_switch", "latch", "idle", "once", "new", "cooldown", "budget")


def _mode(case: Case) -> Gate:
    words = {
        Mode.OBSERVE: "is recorded",
        Mode.PROPOSE: "is proposed with its command",
        Mode.APPROVE: "waits for approval",
        Mode.AUTO: "acts at once",
    }
    why = f" ({case.degraded})" if case.degraded else ""
    return Gate("mode", True, f"{case.mode.value}: what the evidence says {words[case.mode]}{why}")


def _kill_switch(case: Case) -> Gate:
    return Gate("kill_switch", not case.kill_switch, "is set" if case.kill_switch else "is not set")


def _latch(case: Case) -> Gate:
    return Gate("latch", not case.latch, f"latched to manual: {case.latch}" if case.latch else "is open")


def _idle(case: Case) -> Gate:
    busy = [r.id for r in case.history if r.step in RUNNING]
    return Gate("idle", not busy, f"{busy[0]} is under way" if busy else "no rollback is under way")


def _once(case: Case) -> Gate:
    spent = case.once not in ("", case.considered)
    return Gate("once", not spent, f"this incident had {case.once}" if spent else "the first one of this incident")


def _serving(case: Case) -> Gate:
    if case.epoch is None or case.epoch.bundle == TRANSITION:
        return Gate("serving", None, "what is served is not proved")
    if case.epoch.bundle == UNREGISTERED:
        return Gate("serving", False, "an unregistered model is served: it pages and is not acted on")
    return Gate("serving", True, f"epoch {case.epoch.number} serves {title(case.epoch.bundle, case.bundles)}")


def _new(case: Case) -> Gate:
    present = {case.epoch.bundle, case.epoch.digest} if case.epoch else set()
    if present & known_bad(case.bundles, case.history):
        return Gate("new", False, "this bundle was rolled back from before and delivered again: people decide")
    return Gate("new", True, "this bundle was not rolled back from before")


def _cooldown(case: Case) -> Gate:
    ended = [r.stepped for r in case.history if r.step in (RollbackStep.COMMITTED, RollbackStep.FAILED)]
    if not ended:
        return Gate("cooldown", True, "no switch so far")
    since = case.now - max(ended)
    words = f"last switch {since / 3600:.4g} h ago, cooldown {case.limits.cooldown_s / 3600:.4g} h"
    return Gate("cooldown", since >= case.limits.cooldown_s, words)


def _budget(case: Case) -> Gate:
    moved = (*RUNNING, RollbackStep.COMMITTED, RollbackStep.FAILED)
    starts = [r.planned for r in case.history if r.step in moved]
    day = sum(start > case.now - DAY_S for start in starts)
    week = sum(start > case.now - 7 * DAY_S for start in starts)
    words = f"{day} of {case.limits.per_day} in 24 h, {week} of {case.limits.per_week} in 7 days"
    return Gate("budget", day < case.limits.per_day and week < case.limits.per_week, words)


def _target(case: Case) -> Gate:
    target, passed = find_target(case), skipped(case)
    why = "; ".join(f"not {title(ident, case.bundles)}: {words}" for ident, words in passed[:3])
    if target is None:
        words = "has expired" if case.expired else "holds no other bundle that may be a target"
        return Gate("target", False, f"the release index {words}{why and f' ({why})'}")
    return Gate("target", True, f"{target.name or target.id} is known-good{why and f' ({why})'}")


def _differs(case: Case) -> Gate:
    target = find_target(case)
    if target is None or case.epoch is None:
        return Gate("differs", None, "there is nothing to compare")
    same = target.checkpoint_digest == case.epoch.digest
    return Gate("differs", not same, "the target is what is served" if same else "the target is another checkpoint")


def _held(case: Case) -> Gate:
    told = [(signal, held(signal, case)) for signal in supporting(case)]
    words = "; ".join(_share(signal, case) for signal, _ in told) or "no rule that may support a rollback was read"
    if any(state for _, state in told):
        return Gate("held", True, words)
    return Gate("held", None if not told or any(state is None for _, state in told) else False, words)


def _share(signal: Signal, case: Case) -> str:
    words = f"{signal.rule} {len(breaching(signal, case))} of {signal.of} (needs {signal.breaches})"
    found = pooled(signal, case)
    return (
        words if found is None else f"{words}, {len(found.slots)} together {found.value:.3g}, at least {found.low:.3g}"
    )


def _bounds(case: Case) -> Gate:
    """A point is no evidence, and takes nothing from that of others: only `solid` signals count further on."""
    points = [signal.rule for signal in holding(case) if not bounded(signal, case)]
    words = f"{', '.join(points)} breached with a point only" if points else "intervals lie beyond their limits"
    return Gate("bound", len(points) < len(holding(case)) if holding(case) else None, words)


def _enough(case: Case) -> Gate:
    counts = {signal.rule: rows(signal, case) for signal in holding(case)}
    words = "; ".join(f"{rule} {count} rows" for rule, count in counts.items()) or "no breaching rows"
    enough = any(count >= case.limits.rows_min for count in counts.values())
    return Gate("rows", enough if counts else None, f"{words}, needs {case.limits.rows_min}")


def _independent(case: Case) -> Gate:
    families = list(dict.fromkeys(signal.family for signal in solid(case)))
    perhaps = [signal.family for signal in supporting(case) if held(signal, case) is None]
    words = f"families that agree: {', '.join(family.value for family in families) or 'none'}; needs two"
    if len(families) > 1:
        return Gate("independent", True, words)
    return Gate("independent", None if len(set(families + perhaps)) > 1 else False, words)


def _better(case: Case) -> Gate:
    pairs = [signal for signal in supporting(case) if signal.better]
    states = [held(signal, case) for signal in pairs]
    target = find_target(case)
    if any(signal in pairs for signal in solid(case)):
        if case.asked is None or target is None:
            return Gate("better", None, "which bundle the pairs compare with is not proved")
        same = case.asked == target.id
        words = "on the same rows it errs less" if same else "the pairs compare with another bundle"
        return Gate("better", same, words)
    if not pairs or None in states:
        return Gate("better", None, "the paired difference in error cannot be told")
    return Gate("better", False, "the paired difference in error does not favour the target")


def _false_alarms(case: Case) -> Gate:
    """Windows say that it is so now; the sequential detector, how often chance alone would say it."""
    watched = [signal for signal in case.signals if signal.budgeted and signal.family in BOUNDED]
    if not watched:
        return Gate("false_alarms", True, "the rules set no budget of false alarms for errors")
    crossed = [signal.rule for signal in watched if held(signal, case)]
    if crossed:
        return Gate("false_alarms", True, f"{', '.join(crossed)}: rarer by chance than its budget")
    told = all(held(signal, case) is False for signal in watched)
    return Gate("false_alarms", False if told else None, "errors have not crossed the budget of the tier rollback")


def _selection(case: Case) -> Gate:
    """What is said of labelled rows must hold of those that are served."""
    apart = [each for each in case.selection if each.verdict is Verdict.BREACH]
    if apart:
        worst = max(apart, key=lambda each: each.value or 0.0)
        words = f"labelled rows differ from all rows by {worst.value:.3g} ({worst.low:.3g} to {worst.high:.3g})"
        return Gate("selection", False, words)
    told = any(each.verdict is Verdict.OK for each in case.selection)
    return Gate("selection", True, "labelled rows are like all rows" if told else "nothing says that labels are chosen")


def _plausible(case: Case) -> Gate:
    """Labels by which the known-good fails, too, speak of the labels or of the world, not of this bundle.

    Who may write labels and sees what was served can call every answer wrong. Where the known-good answered otherwise
    it is then right, so the paired difference is as large as the two models disagree; but on all other rows it is as
    wrong. Its error is the served model's less the paired difference, over the windows that the pairs rest on.
    """
    paired = {
        (slot.start, slot.end): slot.reading for each in solid(case) if each.better for slot in resting(each, case)
    }
    errors = [slot for each in supporting(case) if each.mean_error for slot in windows(each, case)]
    told = list(_known_good_errors((slot.reading, paired.get((slot.start, slot.end))) for slot in errors))
    rows_told = sum(n for n, _, _ in told)
    if not rows_told:
        return Gate("plausible", True, "no windows of errors stand beside the paired ones")
    error = sum(n * known_good for n, known_good, _ in told) / rows_told
    limit = sum(n * most for n, _, most in told) / rows_told
    words = f"by these labels the known-good errs by {error:.3g}, at most {limit:.3g} was allowed"
    return Gate("plausible", error <= limit, words)


def _known_good_errors(windows: Iterable[tuple[Reading, Reading | None]]) -> Iterator[tuple[int, float, float]]:
    """Rows, error of the known-good and what was allowed of the served model, of every window where both are told."""
    for error, paired in windows:
        if paired is not None and error.value is not None and error.limit is not None and paired.value is not None:
            yield error.n, error.value - paired.value, error.limit


GATES: tuple[Callable[[Case], Gate], ...] = (
    _mode,
    _kill_switch,
    _latch,
    _idle,
    _once,
    _serving,
    _new,
    _cooldown,
    _budget,
    _target,
    _differs,
    _held,
    _bounds,
    _enough,
    _independent,
    _better,
    _false_alarms,
    _selection,
    _plausible,
)


def person_gates(case: Case) -> tuple[Gate, ...]:
    """The gates that bind a person, too."""
    return tuple(gate(case) for gate in (_idle, _serving, _target, _differs))
