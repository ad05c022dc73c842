"""The account of a crossing: what moved, from what to what, since when, how strongly, and how often chance does that.

Made of counts alone: what arrived since the evidence began, beside what the reference holds and the band of this hour.

- *Which quantity*: of the group that crossed the one farthest outside its band, in standard errors of what arrived (a
  row counts as 1 / design), not the bet that happened to pay most: a mean score bets best and says least to people.
  Where all lie inside, over the whole time since, it is the bet's after all. It rose or fell from what is usual.
- *Sigma*: the mean normal score, by how many standard deviations of the column it moved (`monitor.panes.normal`).
- *By chance*: where no quantity left its band, E[crossings of a level of m minutes by time T] <= T / m, so evidence of
  odds times the budget is seen by chance at most once in so long: 3 times a budget of 30 days is once in 90.

It ranks and words what the detector has decided; it decides nothing, and a page is one without it.
"""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detectors.sequential.ledger import DAY, TIERS, Tier
from monitor.detectors.sequential.plan import Plan
from monitor.detectors.sequential.process import Crossing
from monitor.facts import Family
from monitor.panes.rhythm import Bounds
from monitor.panes.sections import OTHER
from monitor.panes.signals import Counted, Signal, What

ALSO_MAX: Final = 3  # further quantities of the group that are named
LISTED_MAX: Final = 5  # other groups that are named

SHARES: Final[Mapping[What, str]] = MappingProxyType(
    {
        What.ABOVE: "share of {column} above {item}",
        What.CATEGORY: "share of {item} in {column}",
        What.CLASS: "share of the answer {item}",
        What.MISSING: "share of rows without {column}",
        What.INVALID: "share of {column} of the wrong type",
        What.NON_FINITE: "share of {column} that is no finite number",
        What.UNSEEN: "share of categories of {column} that the reference never saw",
        What.UNDER: "share of {column} below everything in the reference",
        What.OVER: "share of {column} above everything in the reference",
        What.CONCORDANT: "share of rows in which {column} lie on the same side of their medians",
        What.CONTENT: "share of rows whose contents fall into {item}, as copies do",
        What.REPEATED: "share of predictions whose id came before",
        What.ERROR: "share of errors {item}",
        What.CLASS_ERROR: "share of wrong answers where the label is {item}",
        What.SLICE_ERROR: "share of wrong answers where {column} is {item}",
        What.SEGMENT_ERROR: "error of {item}",
        What.CALIBRATION: "share of outcomes that came true at scores {item}",
        What.PAIRED_ERROR: "share of pairs that the served model alone gets wrong, of those that one of both does",
        What.PAIRED_LOSS: (
            "error of the served model beside the known-good's on the same rows, "
            "from 0 (smaller by {item} and more) over 0.5 (alike) to 1 (larger by {item} and more),"
        ),
        What.AGREEMENT: "share of labels by untrusted sources that agree with what was served",
        What.HIT: "share of lists with a relevant item {item}",
        What.RATE: "rows a minute: {item}",
        What.STALE: "share of minutes in which {column} stood still",
    }
)
MINUTES: Final[Mapping[str, str]] = MappingProxyType(
    {"more": "above the usual 98 %", "fewer": "below the usual 98 %", "none": "no row at all"}
)
NEXT: Final[Mapping[Family, str]] = MappingProxyType(
    {
        Family.FEATURES: "compare what sends {column} with a week ago; if the world moved, a new reference is due",
        Family.QUALITY: "look at the feed of {column}: its schema, its joins, its last deployment",
        Family.OUTPUT: "see which features carry it (tocsin status names them) and whether errors rose as well",
        Family.LABELS: "compare with the known-good on the same rows: if it errs as much, the world moved",
        Family.PAIRED: "the known-good does better on the same rows: roll back, unless the labels are wrong",
        Family.VOLUME: "look at the senders: a flood, a cut tap or a retry storm",
    }
)


class Account(msgspec.Struct, frozen=True):
    """What one group did since its evidence began. Shares lie in [0, 1]; None: nothing is known of it."""

    group: str
    family: Family
    column: str
    what: str  # the quantity, in words
    falls: bool
    usual: float | None  # in the reference
    low: float | None  # the band of this hour
    high: float | None
    now: float
    n: int  # rows since `since`
    since: float  # seconds
    tier: Tier
    odds: float
    chance_days: float  # by chance at most once in so many days
    sigma: float | None = None  # by which the column's mean score moved
    also: tuple[str, ...] = ()  # other quantities of the group outside their bands
    others: tuple[str, ...] = ()  # other groups that stand out
    carried: tuple[str, ...] = ()  # features whose own change accounts for it, of a changed answer


def explain(
    plan: Plan,
    signals: Sequence[Signal],
    crossing: Crossing,
    *,
    now: Counted,
    then: Counted,
    bounds: Bounds,
    since: float,
    others: tuple[str, ...] = (),
    carried: tuple[str, ...] = (),
) -> Account | None:
    """Account for a crossing by what arrived `since`; `then` is the reference. None where nothing arrived."""
    mine = np.array([signal.group == crossing.group for signal in signals], np.bool_)
    beyond = np.where(mine, _beyond(signals, now, bounds), -np.inf)
    order = np.argsort(-beyond, kind="stable")
    sigma = _sigma(plan, crossing.group, now, bounds)
    if not math.isfinite(beyond[order[0]]):
        return None
    at = int(order[0])
    if beyond[at] <= 0 and crossing.lane.signal in signals:  # all are inside by now, over so long: the bet that paid
        at = signals.index(crossing.lane.signal)
    signal = signals[at]
    share, usual = int(now.x[at]) / int(now.n[at]), _share(then, at)
    also = [_moved(signals[i], now, bounds, int(i)) for i in order[1 : 1 + ALSO_MAX] if beyond[i] > 1]
    budget = plan.ledger.minutes[TIERS.index(crossing.tier)]
    return Account(
        group=crossing.group,
        family=signal.family,
        column=signal.column,
        what=quantity(signal),
        falls=share < (_middle(bounds, at) if usual is None else usual),
        usual=usual,
        low=_known(bounds.low[at]),
        high=_known(bounds.high[at]),
        now=share,
        n=int(now.n[at]),
        since=since,
        tier=crossing.tier,
        odds=crossing.odds,
        chance_days=crossing.odds * budget / DAY,
        sigma=sigma,
        also=tuple(also),
        others=tuple(other for other in others if other != crossing.group)[:LISTED_MAX],
        carried=carried[:LISTED_MAX],
    )


def quantity(signal: Signal) -> str:
    """The quantity in words, without its value."""
    form = SHARES.get(signal.what, f"{signal.what.value.replace('_', ' ')} {{item}}")
    item = "the other categories" if signal.item == OTHER else signal.item
    item = MINUTES.get(item, item) if signal.what is What.RATE else item
    return form.format(column=signal.column, item=item).strip()


def words(account: Account) -> str:
    """A sentence or two for whoever is woken.

    >>> words(Account("features/age", Family.FEATURES, "age", "share of age above 40", False, .3, .26, .34, .52, 1200,
    ...     0.0, Tier.PAGE, 2.0, 60.0, sigma=.6))
    'share of age above 40 rose to 0.52 in 1,200 rows, usual 0.3, band 0.26 to 0.34; mean moved +0.6 sigma; \
by chance at most once in 60 days'
    """
    verb = "fell" if account.falls else "rose"
    parts = [f"{account.what} {verb} to {account.now:.3g} in {account.n:,} rows"]
    if account.family is Family.VOLUME:
        parts = [f"{account.what} in {round(account.now * account.n):,} of {account.n:,} minutes"]
    if account.usual is not None:
        parts[0] += f", usual {account.usual:.3g}"
    if account.low is not None and account.high is not None:
        parts[0] += f", band {account.low:.3g} to {account.high:.3g}"
    if account.sigma is not None:
        parts.append(f"mean moved {account.sigma:+.2g} sigma")
    if account.carried:
        parts.append("carried by " + ", ".join(account.carried))
    if account.also:
        parts.append("also " + ", ".join(account.also))
    parts.append(f"by chance at most once in {rarity(account.chance_days)}")
    if account.others:
        parts.append(f"{', '.join(account.others)} stand out as well")
    return "; ".join(parts)


def rarity(days: float) -> str:
    """So many days in the unit that people count them in.

    >>> rarity(.5), rarity(45), rarity(800), rarity(1e6)
    ('12 hours', '45 days', '2.2 years', 'more than 1,000 years')
    """
    if days < 2:
        return f"{days * 24:.3g} hours"
    years = days / 365.25
    if years < 2:
        return f"{days:.3g} days"
    return f"{years:,.2g} years" if years < 1000 else "more than 1,000 years"


def next_step(family: Family, column: str) -> str:
    """What to look at next; "" for families that say it themselves.

    >>> next_step(Family.QUALITY, "age")
    'look at the feed of age: its schema, its joins, its last deployment'
    """
    return NEXT.get(family, "").format(column=column or "what moved")


def _beyond(signals: Sequence[Signal], now: Counted, bounds: Bounds) -> NDArray[np.float64]:
    """How far each share lies outside its band in standard errors, negative inside; -inf where nothing is known."""
    n = now.n.astype(np.float64)
    known = (n > 0) & np.isfinite(bounds.low) & np.isfinite(bounds.high)
    share = now.x / np.maximum(n, 1.0)
    up = share > (bounds.low + bounds.high) / 2
    edge = np.where(up, bounds.high, bounds.low)
    design = np.where(np.isfinite(bounds.design), np.maximum(bounds.design, 1.0), 1.0)
    spread = np.sqrt(np.maximum(edge * (1 - edge), 1e-6) * design / np.maximum(n, 1.0))
    watched = np.where(up, [signal.rises for signal in signals], [signal.falls for signal in signals])
    signed = np.where(up, share - edge, edge - share)
    beyond: NDArray[np.float64] = np.where(known & watched, signed / np.where(known, spread, 1.0), -np.inf)
    return beyond


def _sigma(plan: Plan, group: str, now: Counted, bounds: Bounds) -> float | None:
    """By how much the mean normal score of the group's column lies from the middle of its band; None without one."""
    scored = [lane.group for lane in plan.lanes[plan.sides :]]  # each column twice: it rises, it falls
    if group not in scored:
        return None
    at = scored.index(group)
    n = int(now.bins[at].sum())
    middle = float(bounds.score_low[at] + bounds.score_high[at]) / 2
    if not n or not math.isfinite(middle):
        return None
    return float(now.bins[at] @ bounds.score_z[at]) / n - middle


def _moved(signal: Signal, now: Counted, bounds: Bounds, at: int) -> str:
    share = int(now.x[at]) / int(now.n[at])
    return f"{quantity(signal)} {'down' if share < _middle(bounds, at) else 'up'} to {share:.3g}"


def _middle(bounds: Bounds, at: int) -> float:
    return float(bounds.low[at] + bounds.high[at]) / 2


def _share(counted: Counted, at: int) -> float | None:
    n = int(counted.n[at])
    return int(counted.x[at]) / n if n else None


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
