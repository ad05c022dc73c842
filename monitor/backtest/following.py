"""A planted shift in the e-detector: a state of its own from the onset on, and when it was found.

At its onset it takes over the state of the replay as it is (a state is a value, so that costs nothing) and from then on
is stepped with the same ticks, in which some counts are others. Groups that the plant has nothing to do with bet on
what really came; their pages are nobody's merit here and are not looked at.

Found: the first page of the tier `page` of a group of its own. A group that was latched at the onset could not page
again: the outcome is then `already`, and nothing is said of the delay.

Cost: a step a tick until it is found or missed, 0.2 ms at 20 features.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from monitor.backtest.betting import Betting
from monitor.backtest.came import Parts
from monitor.backtest.plants import Plant
from monitor.backtest.report import Planted
from monitor.decisions.budget import rule_name
from monitor.detectors.sequential import Step, Tier


@dataclass(slots=True)
class Following:
    """A plant while it is looked for; `mine` tells its groups. `betting` is None before its onset."""

    plant: Plant
    within_s: float
    mine: Callable[[str], bool]
    betting: Betting | None = None
    done: Planted | None = None
    warned_s: float | None = None

    @property
    def onset(self) -> float:
        """When it begins; plants are placed before they are sown."""
        assert self.plant.onset is not None, "a plant without an onset is placed first"
        return self.plant.onset

    def begins(self, began: float) -> bool:
        """Whether it is looked for in a tick that began then, and was not before."""
        return self.betting is None and self.done is None and self.onset <= began

    def take_over(self, before: Betting) -> None:
        """Go on from where the replay is, through the quiet spell in which the onset may lie."""
        self.betting = before.fork()
        for _ in self.betting.rest(self.onset):
            pass  # who is let go of there may page again
        if any(tier is Tier.PAGE and self.mine(group) for tier, group in self.betting.latched()):
            self._end("already")

    def step(self, now: float, parts: Parts) -> None:
        """Bet on a tick that ends at `now`."""
        if self.betting is None or self.done is not None:
            return
        for at, said in self.betting.advance(now, parts):
            self._hear(at, said)
        if self.done is None and now - self.onset >= self.within_s:
            self._end("missed")

    def close(self) -> Planted:
        """What became of it, the replay being over."""
        if self.done is None:
            self._end("ended")
        assert self.done is not None, "it has just ended"
        return self.done

    def _hear(self, at: float, said: Step) -> None:
        assert self.betting is not None, "who crossed has bet"
        for crossing in said.crossings:
            if not crossing.pages or not self.mine(crossing.group) or self.done is not None:
                continue
            if crossing.tier is Tier.WARN and self.warned_s is None:
                self.warned_s = at - self.onset
            if crossing.tier is Tier.PAGE:
                self._end("found", at - self.onset, rule_name(self.betting.family(crossing.group), Tier.PAGE))

    def _end(self, outcome: str, delay_s: float | None = None, rule: str = "") -> None:
        self.done, self.betting = ended(self.plant, self.onset, outcome, delay_s, rule, self.warned_s), None


def ended(  # noqa: PLR0917  # the fields of the answer
    plant: Plant, onset: float, outcome: str, delay_s: float | None, rule: str, warned_s: float | None
) -> Planted:
    """What became of a plant."""
    return Planted(
        plant=plant.text,
        column=plant.column,
        size=plant.told,
        onset=onset,
        outcome=outcome,
        delay_s=delay_s,
        rule=rule,
        warned_s=warned_s,
    )


def together(told: Sequence[Planted]) -> Planted:
    """What became of a plant that several looked for: found by the first of them, or why it was not.

    >>> from monitor.backtest.plants import Change
    >>> plant = Plant("label~10%", "label", Change.FLIP, 0.1, "10%")
    >>> told = [ended(plant, 0.0, "missed", None, "", 60.0), ended(plant, 0.0, "found", 90.0, "error", None)]
    >>> together(told).outcome, together(told).warned_s
    ('found', 60.0)
    """
    found = min((each for each in told if each.delay_s is not None), key=lambda each: each.delay_s or 0.0, default=None)
    best = found or min(told, key=lambda each: ("already", "missed", "ended").index(each.outcome))
    warned = min((each.warned_s for each in told if each.warned_s is not None), default=None)
    return msgspec.structs.replace(best, warned_s=warned)
