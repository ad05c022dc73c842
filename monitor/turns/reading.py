"""Reading one window with one rule: the detector's verdicts, column by column or segment by segment, and their slot.

A detector that raises is BROKEN, counted, and its neighbours are read: this is the one place where any exception
becomes a verdict, because third parties write detectors too.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec

from monitor.decisions.rules import Rule
from monitor.detectors.protocol import Detector, Sequential, orders
from monitor.facts import Arrivals, Epoch, Groups, Pane, Reading, Slot, Subject, Task, Verdict, View
from monitor.panes.layout import Layout
from monitor.panes.views import Views
from monitor.turns.refusals import REFUSED
from monitor.turns.watched import Shown

WORST_MAX = 10  # breaching columns named in a slot
RANK = {Verdict.BREACH: 3, Verdict.BROKEN: 2, Verdict.OK: 1, Verdict.UNKNOWN: 0}


def due(epoch: Epoch, rule: Rule, closed: float) -> Iterator[tuple[float, float]]:
    """The newest `rule.reach` windows of an epoch that ended by `closed`, oldest first.

    The first window of an epoch is cut at the epoch's start, so that it holds no row of another; it keeps its place.
    """
    width = rule.window_s
    last = math.floor(closed / width)  # windows before this one are over
    first = math.floor(epoch.start / width)
    for k in range(max(first, last - rule.reach), last):
        if (k + 1) * width > epoch.start:
            yield k * width, (k + 1) * width


def newer(old: Shown | None, new: Shown, *, late: bool) -> bool:
    """Whether `new` is shown instead of `old`: the later window, but of late labels the last one known."""
    if old is None or old.end == new.end:
        return True
    if late and new.reading.verdict is Verdict.UNKNOWN and old.reading.verdict is not Verdict.UNKNOWN:
        return False
    return new.end > old.end or (late and old.reading.verdict is Verdict.UNKNOWN is not new.reading.verdict)


def read_all(rule: Rule, reference: Views, current: Views) -> dict[str, Reading]:
    """Read a window with a rule: one reading, or of features one per column to which the question applies."""
    detector = cast("Detector", rule.detector)
    if rule.subject is not Subject.FEATURES:
        return {"": read(detector, reference.of(rule.subject), current.of(rule.subject))}
    asked = orders(detector)
    pairs = zip(reference.features, current.features, strict=True)
    return {now.column: read(detector, then, now) for then, now in pairs if then.ordered in asked}


def read_refused(rule: Rule, reference: Views, current: Views, refused: int) -> dict[str, Reading]:
    """Read how many rows came where so many more may have: what is not true of both is unknown."""
    detector, then = cast("Detector", rule.detector), reference.of(rule.subject)
    came = cast("Arrivals", current.of(rule.subject))
    least, most = read(detector, then, came), read(detector, then, Arrivals(came.rows + refused))
    return {"": least if least.verdict is most.verdict else doubted(least)}


def doubted(reading: Reading) -> Reading:
    """What is left of a reading that rows which were refused might change."""
    return Reading(Verdict.UNKNOWN, reading.n, limit=reading.limit, unit=reading.unit, why=REFUSED)


def read_groups(rule: Rule, parts: Mapping[str, Views]) -> dict[str, Reading]:
    """Compare the segments of a window with each other; a reference profile knows no segments.

    Nothing where the task has no classes: a known-good may have come that does not fit the rules.
    """
    detector = cast("Detector", rule.detector)
    if any(views.layout.task is not Task.CLASSIFICATION for views in parts.values()):
        return {}
    found = tuple(views.layout.group(views.pane, segment) for segment, views in parts.items())
    positive = next((views.layout.positive for views in parts.values()), None)
    return {"": read(detector, Groups(rule.by, positive, ()), Groups(rule.by, positive, found))}


def read(detector: Detector, reference: View, current: View) -> Reading:
    """One reading; BROKEN if the detector raises."""
    try:
        return detector.read(reference, current)
    except Exception as error:  # noqa: BLE001 - whatever a third party's detector does, the others are read
        return broken(error)


def stepped(
    rule: Rule, layout: Layout, delta: Pane, dt_s: float, state: dict[str, Any] | None
) -> tuple[Reading, dict[str, Any] | None]:
    """One step of a sequential detector, and its state as plain values; BROKEN if it raises, the state unchanged."""
    reference, current = layout.view(layout.reference_pane(), rule.subject), layout.view(delta, rule.subject)
    return advanced(cast("Sequential", rule.detector), reference, current, dt_s, state)


def advanced(
    detector: Sequential, reference: View, current: View, dt_s: float, state: dict[str, Any] | None
) -> tuple[Reading, dict[str, Any] | None]:
    """As `stepped`, for views that are there."""
    try:
        before = None if state is None else msgspec.convert(state, detector.State)
        reading, after = detector.step(reference, current, dt_s, before)
        return reading, msgspec.to_builtins(after)
    except Exception as error:  # noqa: BLE001 - as in `read`
        return broken(error), state


def broken(error: Exception) -> Reading:
    """What a detector that raised has said; the text of the error may hold data, so only its type is told."""
    return Reading(Verdict.BROKEN, 0, why=f"the detector failed: {type(error).__name__}")


def slot_of(  # noqa: PLR0917 - the coordinates of a slot
    rule: Rule, segment: str, epoch: Epoch, start: float, end: float, readings: Mapping[str, Reading]
) -> Slot:
    """The worst reading stands for the window; the breaching columns are named, worst first."""
    if not readings:
        nothing = Reading(Verdict.UNKNOWN, 0, why="no column to which this applies")
        return Slot(rule.name, segment, epoch.number, start, end, nothing)
    order = sorted(readings, key=lambda column: (-RANK[readings[column].verdict], -excess(readings[column]), column))
    worst = tuple(column for column in order if column and readings[column].verdict is Verdict.BREACH)[:WORST_MAX]
    return Slot(rule.name, segment, epoch.number, start, end, readings[order[0]], worst)


def excess(reading: Reading) -> float:
    """How far a value is beyond its limit, below 0 on the side where it is ok; for ordering only."""
    apart = abs((reading.value or 0.0) - (reading.limit or 0.0))
    return apart if reading.verdict is Verdict.BREACH else -apart
