"""Pages that follow from what is served alone, without a window.

    unregistered  a bundle nobody registered            fires with its epoch
    redelivered   a bundle that was rolled back from    fires with its epoch
    unproved      the server has proved nothing for `Terms.unproved_max_s`
    unsteady      the server takes turns between registered bundles (`monitor.decisions.steadiness`)
    probe_mismatch  golden probes are answered otherwise than recorded (`monitor.decisions.probes`)

They end when something else has been served for `CALM_S` without a break, and not with its first proof: behind one
address two workers may hold different models and take turns from proof to proof, which is one thing that went wrong,
and is told once. Only `unproved` ends with the first proof, because the proof is all that it was waiting for; a server
that comes and goes pages once in `unproved_max_s` at most. A restart of ours proves nothing: what is unknown
(`unproved_s` is 0, not None) ends nothing. `probe_mismatch` ends in its own epoch only with probes that are answered
right, the last wrong answer `CALM_S` ago: a round that tells nothing, or a restart of ours, is no such answer.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from monitor.decisions.case import known_bad
from monitor.decisions.incidents import Line
from monitor.decisions.probes import Probed
from monitor.decisions.rules import BUILT_IN
from monitor.decisions.state import ModelState, Terms, with_alerts
from monitor.facts import TRANSITION, UNREGISTERED, Alert, AlertState, Epoch, Verdict

CALM_S = 300.0  # of event time: a rolling deployment is over by then


WATCHED = ("unproved", "unsteady", "probe_mismatch")  # what is seen between epochs, hence at each turn


def fire(state: ModelState, terms: Terms, epoch: Epoch, now: float) -> tuple[ModelState, tuple[Alert, ...]]:
    """Fire what holds of the epoch that was opened just now and does not fire yet."""
    return _fire(state, {k: v for k, v in _holding(state, terms, epoch).items() if k not in WATCHED}, epoch, now)


def watch(state: ModelState, terms: Terms, now: float) -> tuple[ModelState, tuple[Alert, ...]]:
    """Fire what holds of the server at this turn, whatever the epoch is, and does not fire yet."""
    if state.epoch is None:
        return state, ()
    holding = _holding(state, terms, state.epoch)
    return _fire(state, {rule: holding[rule] for rule in WATCHED}, state.epoch, now)


def _fire(
    state: ModelState, holding: Mapping[str, bool], epoch: Epoch, now: float
) -> tuple[ModelState, tuple[Alert, ...]]:
    alerts = {alert.rule: alert for alert in state.alerts if alert.rule in BUILT_IN}
    fired: list[Alert] = []
    for rule, holds in holding.items():
        if holds and (rule not in alerts or alerts[rule].state is not AlertState.FIRING):
            alerts[rule] = Alert(state.model, rule, "", AlertState.FIRING, since=now, fired=now, epoch=epoch.number)
            fired.append(alerts[rule])
    return (_with(state, alerts) if fired else state), tuple(fired)


def calm(state: ModelState, terms: Terms, now: float) -> tuple[ModelState, tuple[Line, ...]]:
    """Resolve what has not held for long enough; a transition proves nothing."""
    epoch = state.epoch
    if epoch is None:
        return state, ()
    alerts = {alert.rule: alert for alert in state.alerts if alert.rule in BUILT_IN}
    calms = epoch.bundle != TRANSITION and now - epoch.start >= CALM_S
    holding = _holding(state, terms, epoch)
    may_end = {rule: calms and not holds for rule, holds in holding.items()} | {"unproved": terms.unproved_s is None}
    may_end["probe_mismatch"] &= _answered(alerts.get("probe_mismatch"), terms, epoch, now)
    over = [rule for rule, each in alerts.items() if each.state is AlertState.FIRING and may_end[rule]]
    if not over:
        return state, ()
    alerts |= {rule: replace(alerts[rule], state=AlertState.RESOLVED, since=now) for rule in over}
    return _with(state, alerts), tuple(Line(f"{rule}: resolved") for rule in over)


def _holding(state: ModelState, terms: Terms, epoch: Epoch) -> dict[str, bool]:
    bad = known_bad(terms.bundles, state.history)
    holding = {
        "unregistered": epoch.bundle == UNREGISTERED,
        "redelivered": bool({epoch.bundle, epoch.digest} & bad),
        "unproved": terms.unproved_s is not None and terms.unproved_s >= terms.unproved_max_s,
        "unsteady": terms.unsteady,
        "probe_mismatch": _mismatch(terms.probed, epoch),
    }
    assert holding.keys() == BUILT_IN.keys(), "each has its words"
    return holding


def _mismatch(probed: Probed | None, epoch: Epoch) -> bool:
    return probed is not None and probed.epoch == epoch.number and probed.reading.verdict is Verdict.BREACH


def _answered(alert: Alert | None, terms: Terms, epoch: Epoch, now: float) -> bool:
    """Whether probes have been answered right for long enough, or the wrong answers were another activation's."""
    probed = terms.probed
    if probed is None or probed.epoch != epoch.number:
        return alert is None or alert.epoch != epoch.number
    return probed.breached is None or now - probed.breached >= CALM_S


def _with(state: ModelState, alerts: dict[str, Alert]) -> ModelState:
    others = [alert for alert in state.alerts if alert.rule not in BUILT_IN]
    return with_alerts(state, [*others, *alerts.values()])
