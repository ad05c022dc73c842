"""What the monitor sees at this moment, for those who decide about a deployment (`monitor.decisions.clearance`)."""

from typing import Any

from monitor.decisions.budget import MINUTE_S
from monitor.decisions.clearance import Asked, Clearance, ClearanceState, Sight, clear
from monitor.detectors.sequential import Tier
from monitor.turns.minutes import AWAY_LOOKS
from monitor.turns.watched import Watched
from monitor.turns.wheel import Wheel, terms


def cleared(wheel: Wheel, watched: Watched, asked: Asked) -> Clearance:
    """Answer for one model; asks memory alone, and changes nothing."""
    return clear(watched.state, terms(watched), watched.slots, sight(wheel, watched), asked)


def sight(wheel: Wheel, watched: Watched) -> Sight:
    """How well the monitor sees. Looks may be as late as minutes allow them (`monitor.turns.minutes`)."""
    view = watched.sequential
    log_odds = () if view is None else (each for each in view.evidence if each.tier == Tier.PAGE.value)
    return Sight(
        now=wheel.parts.clock.now(),
        looked=watched.looked,
        stale_s=AWAY_LOOKS * max(wheel.bounds.look_every_s, MINUTE_S),
        waiting=wheel.parts.store.health().oldest_arrival,
        paired=watched.settings.known_good is not None,
        bet=None if view is None else view.bet,
        untold={} if view is None else view.untold,
        log_odds={each.family: each.log_odds for each in log_odds},
    )


def answer(model: str, told: Clearance) -> dict[str, Any]:
    """The document of GET /v1/gate/{model}: `data` is what tools read, the rest is for people."""
    return {
        "data": {"ok": told.state is ClearanceState.OK, "state": told.state.value, "value": told.value},
        "model": model,
        "bundle": told.bundle,
        "name": told.name,
        "since": told.since,
        "why": told.why,
        "firing": told.firing,
        "unknown": told.unknown,
    }
