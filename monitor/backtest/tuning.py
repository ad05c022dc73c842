"""What to change so that a quiet history stays quiet: proposals, in words and as a snippet; nothing is changed.

One replay, in which the same rows are bet on under bands of every tolerance of a ladder. From it:

- *tolerance*: the least at which no more pages came than the budget buys in that time. A band widened by t ignores
  shifts of about 1.25 t sigma more; which shifts then become invisible is told for every column;
- *groups*: of each that paged, the least tolerance at which it does not. Where one column alone needs a wide band, its
  reference is too short or its world moved: a longer history, or leaving the column out, costs the others nothing;
- *calm*: how many pages were the same group's again within days, and would be one under a longer calm;
- *weights*: shares of the budget that belong to families of which nothing is watched. They may be given to the others:
  the sum stays 1, and the promise with it.

It is only worth what the history is: pages of a history that was not quiet are true ones, and tuning them away blinds.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np

from monitor.backtest.rates import MONTH_S, poisson_interval
from monitor.backtest.replay import Replayed
from monitor.backtest.terms import Terms
from monitor.backtest.told import Ledgered
from monitor.decisions.budget import MINUTE_S
from monitor.detectors.sequential import Ledger, Tier
from monitor.detectors.sequential.ledger import FUNDS
from monitor.panes.rhythm import WEEK_H

VERSION: Final = 1
LADDER: Final = (0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3)
GROUPS_MAX: Final = 50  # told one by one
SPARE: Final = "poisoning"  # kept for what looks for poison, whatever is watched now


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """What would have been under bands of one tolerance."""

    tolerance: float
    pages: int
    warns: int
    pages_per_month: float | None
    pages_low: float | None  # exact 95 % interval
    pages_high: float | None


class Noisy(msgspec.Struct, frozen=True, kw_only=True):
    """A group that paged."""

    group: str
    pages: int
    warns: int
    quiet_at: float | None  # the least tolerance of the ladder at which it does not page; null: at none


class Unseen(msgspec.Struct, frozen=True, kw_only=True):
    """From which shift of its mean on a column leaves its band, in sigma of the reference; null: it has no band."""

    column: str
    now: float | None
    then: float | None


class Calm(msgspec.Struct, frozen=True, kw_only=True):
    """Pages that would be left if a group had to be calm for longer."""

    calm_s: float
    pages: int


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; `yaml` is a snippet of a rule pack, to be read before it is used."""

    version: int = VERSION
    model: str
    reference: str
    source: str
    months: float
    tolerance: float
    budget: float  # pages per 30 days
    rungs: tuple[Rung, ...]  # the present tolerance first
    proposed: float | None  # null: no tolerance of the ladder keeps the budget
    noisy: tuple[Noisy, ...]  # most pages first
    unseen: tuple[Unseen, ...]  # at the proposed tolerance, widest first
    calms: tuple[Calm, ...]
    unspent: dict[str, float]  # weights of families of which nothing is watched
    words: tuple[str, ...]
    yaml: str


def rungs_above(tolerance: float) -> tuple[float, ...]:
    """The tolerances to try beside the present one."""
    return tuple(rung for rung in LADDER if rung > tolerance + 1e-9)


def advise(terms: Terms, source: str, found: Replayed) -> Advice:
    """Read a replay that tried `rungs_above`. The pack has a budget and the reference bands."""
    assert terms.pack.watch is not None, "asked for where there is a budget"
    assert terms.tolerance is not None, "asked for where there are bands"
    months = found.armed_s / MONTH_S
    ledger = terms.pack.watch.ledger
    budget = MONTH_S / MINUTE_S / ledger.page
    steps = ((terms.tolerance, found.ledgered), *found.rungs)
    rungs = tuple(_rung(tolerance, ledgered, months) for tolerance, ledgered in steps)
    proposed = next((rung.tolerance for rung in rungs if rung.pages <= budget * months), None)
    noisy = tuple(_noisy(steps))
    unseen = tuple(_unseen(terms, proposed))
    calms = tuple(_calms(found.ledgered, rungs[0].pages))
    unspent = _unspent(terms, ledger)
    return Advice(
        model=terms.model,
        reference=terms.layout.digest,
        source=source,
        months=months,
        budget=budget,
        rungs=rungs,
        noisy=noisy,
        unseen=unseen,
        calms=calms,
        unspent=unspent,
        words=tuple(_words(rungs, proposed, noisy, unseen, calms, unspent, budget, months)),
        yaml=snippet(terms, proposed, unspent, calms, rungs),
        tolerance=terms.tolerance,
        proposed=proposed,
    )


def _rung(tolerance: float, ledgered: Ledgered, months: float) -> Rung:
    pages, warns = (_budgeted(ledgered, tier) for tier in (Tier.PAGE, Tier.WARN))
    low, high = poisson_interval(pages)
    known = months > 0
    return Rung(
        tolerance=tolerance,
        pages=pages,
        warns=warns,
        pages_per_month=pages / months if known else None,
        pages_low=low / months if known else None,
        pages_high=high / months if known else None,
    )


def _budgeted(ledgered: Ledgered, tier: Tier) -> int:
    """Alerts of a tier that the e-detector made: those of rules over windows know no tolerance."""
    return sum(count for (of, _), count in ledgered.bets.items() if of == tier.value)


def _noisy(steps: Sequence[tuple[float, Ledgered]]) -> list[Noisy]:
    first = steps[0][1]
    groups = {group: count for (tier, group), count in first.bets.items() if tier == Tier.PAGE.value}
    ranked = sorted(groups, key=lambda group: (-groups[group], group))[:GROUPS_MAX]
    return [
        Noisy(
            group=group,
            pages=groups[group],
            warns=first.bets[Tier.WARN.value, group],
            quiet_at=next((at for at, ledgered in steps if not ledgered.bets[Tier.PAGE.value, group]), None),
        )
        for group in ranked
    ]


def _unseen(terms: Terms, proposed: float | None) -> list[Unseen]:
    now = _widths(terms)
    then = now if proposed is None or proposed == terms.tolerance else _widths(terms.tolerant(proposed))
    found = [Unseen(column=column, now=now[column], then=then[column]) for column in now]
    return sorted(found, key=lambda each: (-(each.then or 0.0), each.column))


def _widths(terms: Terms) -> dict[str, float | None]:
    """Half of the mean width of the band of each column's mean score, sigma."""
    lookout = terms.lookout()
    assert lookout is not None, "asked for where there is a budget"
    assert lookout.rhythm is not None, "asked for where there are bands"
    period = lookout.rhythm.period
    bounds = [lookout.rhythm.bounds(hour) for hour in range(0, period, 1 if period < WEEK_H else 6)]
    half = np.mean([(each.score_high - each.score_low) / 2 for each in bounds], axis=0)
    widths = np.atleast_1d(half).tolist()
    return {
        column: None if np.isnan(width) else float(width)
        for column, width in zip(lookout.signals.scored, widths, strict=True)
    }


def _calms(ledgered: Ledgered, pages: int) -> list[Calm]:
    joined = {calm: count for (tier, calm), count in ledgered.joined.items() if tier == Tier.PAGE.value}
    return [Calm(calm_s=calm, pages=pages - count) for calm, count in sorted(joined.items())]


def _unspent(terms: Terms, ledger: Ledger) -> dict[str, float]:
    lookout = terms.lookout()
    assert lookout is not None, "asked for where there is a budget"
    watched = {FUNDS[family] for family, kin in lookout.families.items() if kin.known}
    funds = dict.fromkeys((*FUNDS.values(), SPARE))
    return {fund: getattr(ledger, fund) for fund in funds if fund not in watched and getattr(ledger, fund) > 0}


def _words(  # noqa: PLR0917  # everything there is to be told
    rungs: Sequence[Rung],
    proposed: float | None,
    noisy: Sequence[Noisy],
    unseen: Sequence[Unseen],
    calms: Sequence[Calm],
    unspent: Mapping[str, float],
    budget: float,
    months: float,
) -> list[str]:
    now = rungs[0]
    span = f"{months:.3g} months of 30 days"
    bought = f"{budget * months:.3g}"
    words = [f"{now.pages} pages in {span} at tolerance {now.tolerance:g}; the budget buys {bought}."]
    if not now.pages:
        high = "" if now.pages_high is None else f" With 95% confidence there are at most {now.pages_high:.2g} a month."
        words.append(f"Nothing has to be changed.{high}")
    elif proposed is None:
        words.append("No tolerance of the ladder keeps the budget: was this history quiet? Build from a longer one.")
    elif proposed != now.tolerance:
        words.append(f"At tolerance {proposed:g} the budget is kept.")
        lost = [one for one in unseen if one.now is not None and one.then is not None and one.then > one.now]
        words += [
            f"Then shifts of {one.column} below {one.then:.2g} sigma are never seen; now it is {one.now:.2g}."
            for one in lost[:5]
        ]
    alone = [one for one in noisy if proposed is not None and one.quiet_at is not None and one.quiet_at >= proposed]
    if alone and len(alone) < len(noisy):
        named = ", ".join(one.group for one in alone)
        words.append(f"It is {named} that needs so much; a longer history for it would spare the others.")
    words += [
        f"{one.group} pages at every tolerance: its world moved, or its reference is too short."
        for one in noisy
        if one.quiet_at is None
    ]
    shorter = next((calm for calm in calms if calm.pages <= now.pages * 0.7), None)
    if shorter is not None:
        words.append(f"With calm {shorter.calm_s / 3600:g}h these pages would be {shorter.pages}.")
    if unspent:
        shares = ", ".join(f"{fund} {share:g}" for fund, share in unspent.items())
        words.append(f"Unspent, as nothing of them is watched here: {shares}.")
    return words


def snippet(
    terms: Terms, proposed: float | None, unspent: Mapping[str, float], calms: Sequence[Calm], rungs: Sequence[Rung]
) -> str:
    """Write the section `sequential:` with what is proposed: the least calm that spares nearly a third of the pages."""
    assert terms.pack.watch is not None, "asked for where there is a budget"
    ledger = terms.pack.watch.ledger
    calm_h = terms.pack.watch.calm_s / 3600
    longer = next((calm.calm_s / 3600 for calm in calms if calm.pages <= rungs[0].pages * 0.7), calm_h)
    spare = sum(share for fund, share in unspent.items() if fund != SPARE)
    funds = ("labels", "output", "quality", "features", SPARE)
    spent = {fund: getattr(ledger, fund) for fund in funds if fund not in unspent}
    scale = 1 + spare / sum(spent.values()) if spent and sum(spent.values()) else 1.0
    weights = {fund: round(share * scale, 4) for fund, share in spent.items()}
    weights |= {fund: (ledger.poisoning if fund == SPARE else 0.0) for fund in unspent}
    given = ", ".join(f"{fund}: {weights[fund]:g}" for fund in funds)
    kept = ", ".join(f"{fund}: {getattr(ledger, fund):g}" for fund in funds)
    tiers = ", ".join(f"{tier.value}: 1/{_days(minutes)}" for tier, minutes in zip(Tier, ledger.minutes, strict=True))
    lines = [
        "sequential:",
        f"  every: {terms.pack.watch.every_s:g}s",
        f"  budget: {{{tiers}}}",
        f"  weights: {{{kept}}}",
        f"  calm: {longer:g}h" + ("" if longer == calm_h else f"  # now {calm_h:g}h"),
    ]
    if spare > 0:
        lines.append(f"  # while nothing else is watched: weights: {{{given}}}")
    if proposed is not None and proposed != terms.tolerance:
        lines.append(f"# and build the reference again: tocsin reference build ... --tolerance {proposed:g}")
    return "\n".join(lines) + "\n"


def _days(minutes: float) -> str:
    return f"{minutes / 1440:.10g}d" if minutes >= 1440 else f"{minutes:.10g}m"
