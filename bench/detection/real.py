"""Figures of real streams for the README, and the whole table in `real.md`."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.detection import car_loan, employment, flights
from bench.detection.replay import HOUR_S, Page, Watch, learn
from bench.detection.retold import retell
from bench.detection.walk import STEPS, Walk
from bench.detection.wheels import Absent
from bench.figure import Figure
from bench.worlds import W1, World
from monitor.detectors.sequential import Tier
from monitor.panes.rows import Predictions
from monitor.panes.signals import What

TABLE = Path(__file__).parent / "real.md"
WALK_SEED = 4_000
NOTICED_H = 6.0  # of an incident, from its first row on
FULL_ROWS = 30  # of an incident that is more than the one that was learned: 25 rows on 20 February


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """One data set, replayed."""

    name: str
    watch: Watch
    rows: int
    start: float
    end: float

    @property
    def months(self) -> float:
        """Of 30 days."""
        return (self.end - self.start) / (30 * 24 * HOUR_S)


def measure() -> list[Figure]:
    """Measure all, write the table, and return its lines."""
    parts: list[tuple[str, Callable[[], tuple[list[Figure], Sequence[str]]]]] = [
        ("employment", _employment),
        ("car loan", _car_loan),
        ("car loan, broken", _broken_car_loan),
        ("flights", _flights),
        ("walk", _walk),
    ]
    figures: list[Figure] = []
    lines = [
        "# The e-detector on real streams\n",
        "Written by `python -m bench detection`. Where the data come from, how rows get their times and what is known",
        "to be true of them stands in the file of each data set in `bench/detection/`. One look in every minute with",
        "rows; reference, bands and weights as they come.\n",
    ]
    for name, part in parts:
        try:
            found, told = part()
        except Absent as absent:
            found, told = [Figure(f"{name}: pages", "not measured:", str(absent))], [f"## {name}: not measured\n"]
        figures += found
        lines += told
    text = "\n".join(lines) + "\n"
    TABLE.write_text(text)
    print(text)
    return figures


def _employment() -> tuple[list[Figure], list[str]]:
    watch = learn(employment.history(), employment.schema())
    stream = _replay("US census employment, 2016-18", watch, employment.live())
    pages = len(watch.paged())
    limit = f"<= {round(stream.months)}"
    again = retell(watch.reference, employment.labelled())
    return [
        Figure(f"{stream.name}, hardly any drift: pages in {stream.months:.0f} months", pages, "", limit),
        Figure("  pages by labels in a backtest of them", again.pages("labels"), ""),
        Figure("  pages by the number of rows", again.pages("volume"), ""),
    ], [
        *_told(stream),
        "AGEP was cut off at 94 in 2015 and 2016, and at 95 in the two years after: the page is right.\n",
        *again.lines(),
    ]


def _car_loan() -> tuple[list[Figure], list[str]]:
    watch = learn(car_loan.history(), car_loan.schema())
    stream = _replay("car loans, October 2018 to August 2019", watch, [car_loan.live()])
    changed = car_loan.CHANGED
    before = [page for page in watch.paged() if page.at < changed]
    after = [page for page in watch.paged() if page.at >= changed]
    first = (after[0].at - changed) / HOUR_S if after else float("inf")
    again = retell(watch.reference, car_loan.labelled())
    early = again.before("labels", changed)
    seen = again.first("labels", changed)
    return [
        Figure(f"{stream.name}: pages in the five months before the change", len(before), "", "<= 0"),
        Figure("  hours from the change to the first page, a row every 9 minutes", round(first, 1), "h", "<= 720"),
        Figure("  pages by labels before the change, in a backtest", early, "", "<= 0"),
        Figure("  hours from the change to the first page by labels", "never" if seen is None else round(seen, 1), "h"),
    ], [*_told(stream, changed), *again.lines()]


def _broken_car_loan() -> tuple[list[Figure], list[str]]:
    watch = learn(car_loan.history("dq_"), car_loan.schema())
    stream = _replay("car loans with broken data", watch, [car_loan.live("dq_")])
    said = "In November a sixth down payment turns up; in April two columns lose a third of their values as well.\n"
    return [], [*_told(stream), said]


def _flights() -> tuple[list[Figure], list[str]]:
    year = flights.Year()
    watch = learn(year.history(), flights.schema())
    stream = _replay("flights out of New York, April to December 2013", watch, year.live())
    incidents = year.incidents()
    found = [incident for incident in incidents if _is_noticed(incident, watch.paged())]
    large = [incident for incident in incidents if incident.rows > FULL_ROWS]
    warm = [page for page in watch.paged() if page.column == "temp" and page.what is not What.MISSING]
    monthly = Counter(datetime.fromtimestamp(page.at, UTC).month for page in warm)
    shown = [
        f"- {_when(each.start)}, {each.rows} rows in {each.hours} h: {'paged' if each in found else 'not paged'}"
        for each in incidents
    ]
    noticed = sum(incident in found for incident in large)
    again = retell(watch.reference, year.labelled())
    return [
        Figure(f"{stream.name}: of {len(large)} gaps in the weather of over {FULL_ROWS} flights, paged", noticed, ""),
        Figure("  pages for temperature in its fullest month", max(monthly.values(), default=0), "", "<= 4"),
        Figure("  pages by labels in a backtest, in 9 months of a model that gets worse", again.pages("labels"), ""),
        Figure("  of these, while no other by labels lasted", again.spells("labels"), ""),
    ], [*_told(stream), *again.lines(), "Gaps in the weather (a gap of 25 rows was learned):\n", *shown, ""]


def _walk() -> tuple[list[Figure], list[str]]:
    walk = Walk(World("W1", features=1, rows=W1.rows), WALK_SEED)
    frozen, sliding = walk.frozen(), walk.sliding()
    return [
        Figure("a walk of 200 daily steps of 0.025 sigma: steps until a page", frozen or STEPS + 1, "", "<= 99"),
        Figure("  the same compared with the last seven days", sliding or "never", "" if sliding else "paged"),
    ], [f"## walk\n\nFrozen reference: paged at step {frozen} of {STEPS}; one of the last seven days: {sliding}.\n"]


def _replay(name: str, watch: Watch, parts: Iterable[Predictions]) -> Stream:
    rows, start, end = 0, math.inf, -math.inf
    for part in parts:
        watch.replay(part)
        rows, start, end = rows + part.n, min(start, part.times[0]), max(end, part.times[-1])
    return Stream(name, watch, rows, float(start), float(end))


def _is_noticed(incident: flights.Incident, pages: Sequence[Page]) -> bool:
    end = incident.start + (incident.hours + NOTICED_H) * HOUR_S
    return any(page.what is What.MISSING and incident.start <= page.at <= end for page in pages)


def _told(stream: Stream, changed: float | None = None) -> list[str]:
    """One data set as Markdown."""
    watch = stream.watch
    counts = ", ".join(f"{len(watch.paged(tier))} {tier.value}" for tier in Tier)
    lines = [
        f"## {stream.name}\n",
        f"{stream.rows:,} rows, {stream.months:.1f} months, {watch.looks:,} looks, {len(watch.plan.groups)} groups,",
        f"{len(watch.signals.signals) + len(watch.signals.scored)} quantities; pages by tier: {counts}.\n",
        *_unknown(watch),
        "| page | group | what | odds |" + (" after |" if changed else ""),
        "|---|---|---|---:|" + ("---:|" if changed else ""),
    ]
    for page in watch.paged():
        after = f" {(page.at - changed) / HOUR_S:.1f} h |" if changed else ""
        lines.append(f"| {_when(page.at)} | {page.group} | {page.about} | {page.odds:.3g} |{after}")
    return [*lines, "", *_monthly(watch.paged())]


def _unknown(watch: Watch) -> list[str]:
    found = watch.unknown()
    if not found:
        return ["Every quantity has a band.\n"]
    columns = Counter(name.split()[0] for name in found)
    said = ", ".join(f"{name} {count}" for name, count in columns.most_common())
    example = next(iter(found.items()))
    return [f"No band: {len(found)} ({said}); such as {example[0]}: {example[1]}.\n"]


def _monthly(pages: Sequence[Page]) -> list[str]:
    groups = sorted({page.group for page in pages})
    months = sorted({_month(page) for page in pages})
    if len(pages) <= len(groups) + 1:
        return []
    counted = Counter((page.group, _month(page)) for page in pages)
    lines = ["| pages by month | " + " | ".join(months) + " |", "|---|" + "---:|" * len(months)]
    lines += [f"| {group} | " + " | ".join(str(counted[group, m] or "") for m in months) + " |" for group in groups]
    return [*lines, ""]


def _month(page: Page) -> str:
    return datetime.fromtimestamp(page.at, UTC).strftime("%Y-%m")


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
