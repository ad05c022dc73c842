"""Pages that follow from what is served alone: a bundle nobody registered, a bundle that was rolled back from before.

They fire with the epoch, without a window. They end when something else has been served for `CALM_S` without a break,
and not with its first proof: behind one address two workers may hold different models and take turns from proof to
proof, which is one thing that went wrong, and is told once.
"""

from msgspec.structs import replace

from monitor.decisions.case import known_bad
from monitor.decisions.incidents import Line
from monitor.decisions.rules import BUILT_IN
from monitor.decisions.state import ModelState, Terms, with_alerts
from monitor.facts import TRANSITION, UNREGISTERED, Alert, AlertState, Epoch

CALM_S = 300.0  # of event time: a rolling deployment is over by then


def fire(state: ModelState, terms: Terms, epoch: Epoch, now: float) -> tuple[ModelState, tuple[Alert, ...]]:
    """Fire what holds of the epoch that was opened just now and does not fire yet."""
    alerts = {alert.rule: alert for alert in state.alerts if alert.rule in BUILT_IN}
    fired: list[Alert] = []
    for rule, holds in _holding(state, terms, epoch).items():
        if holds and (rule not in alerts or alerts[rule].state is not AlertState.FIRING):
            alerts[rule] = Alert(state.model, rule, "", AlertState.FIRING, since=now, fired=now, epoch=epoch.number)
            fired.append(alerts[rule])
    return _with(state, alerts), tuple(fired)


def calm(state: ModelState, terms: Terms, now: float) -> tuple[ModelState, tuple[Line, ...]]:
    """Resolve what has not held for long enough; a transition proves nothing."""
    epoch = state.epoch
    if epoch is None or epoch.bundle == TRANSITION or now - epoch.start < CALM_S:
        return state, ()
    alerts = {alert.rule: alert for alert in state.alerts if alert.rule in BUILT_IN}
    holding = _holding(state, terms, epoch)
    over = [rule for rule, each in alerts.items() if each.state is AlertState.FIRING and not holding[rule]]
    if not over:
        return state, ()
    alerts |= {rule: replace(alerts[rule], state=AlertState.RESOLVED, since=now) for rule in over}
    return _with(state, alerts), tuple(Line(f"{rule}: resolved") for rule in over)


def _holding(state: ModelState, terms: Terms, epoch: Epoch) -> dict[str, bool]:
    bad = known_bad(terms.bundles, state.history)
    holding = {
        "unregistered": epoch.bundle == UNREGISTERED,
        "redelivered": bool({epoch.bundle, epoch.digest} & bad),
    }
    assert holding.keys() == BUILT_IN.keys(), "each has its words"
    return holding


def _with(state: ModelState, alerts: dict[str, Alert]) -> ModelState:
    others = [alert for alert in state.alerts if alert.rule not in BUILT_IN]
    return with_alerts(state, [*others, *alerts.values()])
