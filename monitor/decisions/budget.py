"""The budget of false pages, as a rule pack writes it, and the rules that follow from it.

    sequential:
      every: 1m                                              # the time between ticks
      budget: {warn: 1/1d, page: 1/30d, rollback: 1/1000d}   # false alarms a tier may make, on average
      weights: {labels: 0.3, output: 0.15, quality: 0.15, features: 0.2, poisoning: 0.2}
      segments: {share: 0.1, max: 20}                        # of the budget, for the errors of so many segments
      calm: 30h                                              # without a crossing until an alert is over

One detector (`monitor.detectors.sequential`) watches everything; what it says becomes alerts by family and tier, one
for each group: `features_page/age`. A crossing of the tier `rollback` is no alert, because the page came before it: it
is a signal of the rollback policy (`monitor.decisions.gates`), of the families that can speak against the model. A
family without weight is not watched and has no rules: a pack whose `labels` weigh nothing sets the policy no budget.

Errors of segments speak as the family `labels`, each segment as a group of its own (`labels_page/error@origin=EWR`), on
a share of the whole budget that is theirs: where there are such segments, the weights divide what is left of it. So
twenty segments, or two hundred, make the model page no more often, and nothing else noticeably later.

`1/30d` reads "one in 30 days", which is how people ask for it; a number of minutes is what the detector is given.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from monitor.decisions.entry import Entry, seconds
from monitor.detectors.sequential import Ledger, Tier
from monitor.detectors.sequential.ledger import FUNDS
from monitor.facts import Family, Severity

MINUTE_S: Final = 60.0
CALM_MAX_S: Final = 30 * 86400.0
SEGMENTS_SHARE: Final = 0.1
SEGMENTS_SHARE_MAX: Final = 0.9  # something must be left for everything else
SEGMENTS_MAX: Final = 20
SEGMENTS_MOST: Final = 200  # that may be asked for: each takes small reads of the store when rows come
SEVERITIES: Final[Mapping[Tier, Severity]] = MappingProxyType(
    {Tier.WARN: Severity.WARNING, Tier.PAGE: Severity.CRITICAL, Tier.ROLLBACK: Severity.NONE}
)
WATCHED: Final = (
    Family.LABELS,
    Family.PAIRED,
    Family.OUTPUT,
    Family.QUALITY,
    Family.VOLUME,
    Family.FEATURES,
)
MOVED: Final[Mapping[Family, str]] = MappingProxyType(
    {
        Family.LABELS: "the served model is wrong more often than on its reference",
        Family.PAIRED: "the served model is wrong more often than the known-good on the same rows",
        Family.OUTPUT: "the answers moved away from the reference",
        Family.QUALITY: "what comes in is broken more often than in the reference",
        Family.VOLUME: "other amounts of rows come than in the reference",
        Family.FEATURES: "what comes in moved away from the reference",
    }
)


@dataclass(frozen=True, slots=True)
class Budgeted:
    """Stands where a rule names its detector: the tier of the one that watches everything."""

    tier: Tier


@dataclass(frozen=True, slots=True)
class Watch:
    """What a pack says of the sequential detector."""

    ledger: Ledger
    every_s: float = MINUTE_S
    segments_share: float = SEGMENTS_SHARE  # of the budget, for errors of segments; 0: none is watched
    segments_max: int = SEGMENTS_MAX  # watched, the most frequent ones first

    @property
    def calm_s(self) -> float:
        """Seconds without a crossing after which a group is calm."""
        return self.ledger.hold * MINUTE_S

    def weight(self, family: Family) -> float:
        """The share of the budget that this family may spend, perhaps together with another; 0: it is not watched."""
        weight: float = getattr(self.ledger, FUNDS[family])
        return weight


def rule_name(family: Family, tier: Tier) -> str:
    """The name of what a family says at a tier.

    >>> rule_name(Family.FEATURES, Tier.PAGE)
    'features_page'
    """
    return f"{family.value}_{tier.value}"


def read_watch(entry: Entry) -> Watch:
    """Read the section; what is wrong becomes problems, and the default stands for it."""
    every_s = entry.duration("every") if "every" in entry.left else MINUTE_S
    calm_s = entry.duration("calm") if "calm" in entry.left else Ledger().hold * MINUTE_S
    if calm_s > CALM_MAX_S:
        entry.problem("calm", "is longer than 30d")
    budget = Entry(f"{entry.path}.budget", entry.left.pop("budget", {}), entry.problems)
    weights = Entry(f"{entry.path}.weights", entry.left.pop("weights", {}), entry.problems)
    segments = Entry(f"{entry.path}.segments", entry.left.pop("segments", {}), entry.problems)
    minutes = {tier.value: _budget(budget, tier.value) for tier in Tier}
    names = ("labels", "output", "quality", "features", "poisoning")
    shares = {name: _share(weights, name, getattr(Ledger(), name)) for name in names}
    apart = (
        _share(segments, "share", SEGMENTS_SHARE, SEGMENTS_SHARE_MAX),
        segments.integer("max", SEGMENTS_MAX, 1, SEGMENTS_MOST),
    )
    budget.refuse_rest(minutes)
    weights.refuse_rest(shares)
    segments.refuse_rest(("share", "max"))
    entry.refuse_rest(("every", "budget", "weights", "segments", "calm"))
    try:
        return Watch(Ledger(**minutes, **shares, hold=calm_s / MINUTE_S), every_s, *apart)
    except ValueError as error:
        entry.problem("", str(error))
        return Watch(Ledger())


def _budget(entry: Entry, tier: str) -> float:
    """Minutes for each false alarm, from `1/30d` or `2/7d`."""
    default: float = getattr(Ledger(), tier)
    text = entry.left.pop(tier, None)
    if text is None:
        return default
    match = re.fullmatch(r"([1-9][0-9]{0,3})/(\S+)", text) if isinstance(text, str) else None
    try:
        return seconds(match and match[2]) / MINUTE_S / int(match[1] if match else 1)
    except ValueError:
        entry.problem(tier, "is not a number of alarms in a time", "write 1/30d: one in 30 days")
        return default


def _share(entry: Entry, name: str, default: float, most: float = 1) -> float:
    value = entry.left.pop(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        entry.problem(name, f"is not a share from 0 to {most}")
        return default
    return float(value)
