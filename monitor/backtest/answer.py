"""From what a replay found to the report, and whether limits that were given with --fail-... were kept.

--fail-above pages-per-month=1     what was counted, per 30 days, not the upper end of its interval
--fail-above incidents-per-month=1 pages that open an incident: those that begin while another lasts join it
--fail-above warns-per-month=30
--fail-missed 0.5sigma             of planted shifts of that size and larger, one was not found in time
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.backtest.rates import MONTH_S, median_interval, poisson_interval
from monitor.backtest.replay import Replayed
from monitor.backtest.report import Delay, Fired, Planted, Rate, Report
from monitor.backtest.terms import Terms
from monitor.decisions.budget import MINUTE_S
from monitor.detectors.sequential import Tier
from monitor.errors import Problem, SettingsError

EVERY_FAMILY: Final = "all"
INCIDENTS: Final = "incidents"
LIMITS: Final = {
    "pages-per-month": (Tier.PAGE, EVERY_FAMILY),
    "incidents-per-month": (Tier.PAGE, INCIDENTS),
    "warns-per-month": (Tier.WARN, EVERY_FAMILY),
}
_SIZE: Final = re.compile(r"(\d*\.?\d+)(sigma|%)")


@dataclass(frozen=True, slots=True)
class Demands:
    """What must hold, or the command ends with a code of its own."""

    above: tuple[tuple[str, float], ...] = ()  # names of LIMITS, and the most that is allowed
    missed: tuple[tuple[float, str], ...] = ()  # sizes and their unit


def read_demands(above: Sequence[str], missed: Sequence[str]) -> Demands:
    """Read the options; SettingsError with every one that says nothing."""
    problems, limits, sizes = [], [], []
    for text in above:
        name, _, value = text.partition("=")
        if name in LIMITS and re.fullmatch(r"\d*\.?\d+", value):
            limits.append((name, float(value)))
        else:
            problems.append(Problem(f"--fail-above {text}", "is no limit", f"like {' or '.join(LIMITS)}=1"))
    for text in missed:
        if found := _SIZE.fullmatch(text):
            sizes.append((float(found[1]), found[2]))
        else:
            problems.append(Problem(f"--fail-missed {text}", "is no size of a shift", "like 0.5sigma or 10%"))
    if problems:
        raise SettingsError(problems)
    return Demands(tuple(limits), tuple(sizes))


def report(terms: Terms, source: str, found: Replayed, demands: Demands) -> Report:
    """The whole answer."""
    months = found.armed_s / MONTH_S
    rates = tuple(_rates(terms, found, months))
    return Report(
        model=terms.model,
        reference=terms.layout.digest,
        source=source,
        tolerance=terms.tolerance,
        start=found.start,
        end=found.end,
        rows=found.rows,
        rows_late=found.late,
        rows_left_out=found.left_out,
        months=months,
        rates=rates,
        fired=tuple(sorted(found.ledgered.told, key=lambda each: (each.start, each.rule, each.group))),
        fired_left_out=found.ledgered.left_out,
        planted=found.planted,
        delays=tuple(_delays(found.planted)),
        labels=found.labels,
        minutes=found.minutes,
        not_read=found.not_read,
        limits_broken=tuple(_broken(demands, rates, found.planted)),
    )


def _rates(terms: Terms, found: Replayed, months: float) -> list[Rate]:
    ledger = None if terms.pack.watch is None else terms.pack.watch.ledger
    rates = []
    for tier in Tier:
        own = dict.fromkeys(found.families, 0)
        own |= {family: count for (of, family), count in sorted(found.ledgered.counts.items()) if of == tier.value}
        budget = None if ledger is None else MONTH_S / MINUTE_S / ledger.minutes[list(Tier).index(tier)]
        rates.append(_rate(tier, EVERY_FAMILY, sum(own.values()), months, budget))
        if tier is Tier.PAGE and not found.ledgered.left_out:
            rates.append(_rate(tier, INCIDENTS, incidents(found.ledgered.told), months, None))
        rates += [_rate(tier, family, count, months, None) for family, count in own.items()]
    return rates


def incidents(fired: Iterable[Fired]) -> int:
    """How many pages began while no other lasted: a bad night moves errors, slices and calibration within hours."""
    count, until = 0, -math.inf
    pages = [each for each in fired if each.tier == Tier.PAGE.value]
    for page in sorted(pages, key=lambda each: each.start):
        count += page.start > until
        until = max(until, math.inf if page.end is None else page.end)
    return count


def _rate(tier: Tier, family: str, count: int, months: float, budget: float | None) -> Rate:
    low, high = poisson_interval(count)
    if months <= 0:
        return Rate(tier=tier.value, family=family, count=count, per_month=None, low=None, high=None, budget=budget)
    return Rate(
        tier=tier.value,
        family=family,
        count=count,
        per_month=count / months,
        low=low / months,
        high=high / months,
        budget=budget,
    )


def _delays(planted: Sequence[Planted]) -> list[Delay]:
    delays = []
    for size in dict.fromkeys(each.size for each in planted):
        told = [each for each in planted if each.size == size and each.outcome in ("found", "missed")]
        seen = [math.inf if each.delay_s is None else each.delay_s for each in told]
        median, low, high = median_interval(seen) if seen else (math.inf, math.inf, math.inf)
        found = sum(map(math.isfinite, seen))
        delays.append(
            Delay(
                size=size,
                plants=sum(each.size == size for each in planted),
                found=found,
                missed=len(told) - found,
                missed_share=(len(told) - found) / len(told) if told else None,
                median_s=_finite(median),
                low_s=_finite(low),
                high_s=_finite(high),
            )
        )
    return delays


def _broken(demands: Demands, rates: Sequence[Rate], planted: Sequence[Planted]) -> list[str]:
    broken = []
    for name, most in demands.above:
        tier, family = LIMITS[name]
        rate = next((each for each in rates if (each.tier, each.family) == (tier.value, family)), None)
        if rate is None or rate.per_month is None or rate.per_month > most:
            said = _unknown(rate) if rate is None or rate.per_month is None else f"{rate.per_month:.3g}"
            broken.append(f"{name} is {said}, above {most:g}")
    for size, unit in demands.missed:
        mine = [each for each in planted if _at_least(each.size, size, unit)]
        missed = [each for each in mine if each.outcome == "missed"]
        if missed:
            broken.append(f"{len(missed)} of {len(mine)} shifts of {size:g}{unit} or more were missed")
        elif not any(each.outcome == "found" for each in mine):
            broken.append(f"no shift of {size:g}{unit} or more was planted that tells anything")
    return broken


def _unknown(rate: Rate | None) -> str:
    return "unknown: too many alerts to tell which lasted together" if rate is None else "unknown: no time was replayed"


def _at_least(told: str, size: float, unit: str) -> bool:
    found = _SIZE.fullmatch(told)
    return found is not None and found[2] == unit and float(found[1]) >= size - 1e-9


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
