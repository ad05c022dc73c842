"""How a reading is shown: each known detector has its own family (shown.py), with one unit and one meaning.

One family `tocsin_reading{detector=...}` for all would mix units, and a sum or a maximum over it would mean nothing.

A reading that is `unknown` or `broken` has no value sample. Its verdict is a sample of `tocsin_reading_verdict`, as
every reading's is: 1 for the present verdict, and no series for the others, as Prometheus does with `ALERTS`.
A value that is not finite is shown as `broken`: a detector never answers that.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from monitor.export.metrics import DAEMON, EDGES, LIVE, MODEL, PICTURES, Kind, Metric
from monitor.export.shown import FEATURE_LABELS, GENERIC, RULE_LABELS, SHOWN, suffixed
from monitor.export.snapshot import ReadingView
from monitor.facts import Reading, Verdict

EVERY = (  # of each reading, whatever its detector
    Metric("tocsin_reading_rows", Kind.GAUGE, "Rows a reading rests on.", FEATURE_LABELS),
    Metric("tocsin_reading_verdict", Kind.GAUGE, "1 for the verdict of a reading.", (*FEATURE_LABELS, "verdict")),
    Metric("tocsin_readings", Kind.GAUGE, "Readings of a rule by verdict.", (*RULE_LABELS, "verdict")),
    Metric("tocsin_window_end_timestamp_seconds", Kind.GAUGE, "Event time the window ended.", RULE_LABELS),
)

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metrics in (
        LIVE,
        DAEMON,
        EDGES,
        MODEL,
        PICTURES,
        EVERY,
        *(shown.metrics() for shown in (*SHOWN.values(), GENERIC)),
    )
    for metric in metrics
}

SUFFIXED = {  # names of limit and interval
    shown.name: tuple(suffixed(shown.name, what) for what in ("limit", "low", "high"))
    for shown in (*SHOWN.values(), GENERIC)
}


class Sample(NamedTuple):
    """One line of the page. Labels that are empty are left out: to Prometheus that is the same."""

    metric: str
    labels: Mapping[str, str]
    value: float


def settled(reading: Reading) -> Reading:
    """The reading as it may be shown: BROKEN when its value cannot be one."""
    known = reading.verdict is Verdict.OK or reading.verdict is Verdict.BREACH
    if known and (reading.value is None or not math.isfinite(reading.value)):
        return Reading(Verdict.BROKEN, reading.n, why="not a finite value")
    return reading


def rule_labels(model: str, view: ReadingView) -> dict[str, str]:
    """What names a reading, but for its feature."""
    return {"model": model, "rule": view.rule.name, "segment": view.segment, "reference": view.reference.value}


def samples(model: str, view: ReadingView) -> list[Sample]:
    """All lines of one reading. A value has its family; n and verdict are common to all."""
    reading = settled(view.reading)
    labels = rule_labels(model, view) | ({"feature": view.column} if view.column else {})
    lines = [
        Sample("tocsin_reading_rows", labels, reading.n),
        Sample("tocsin_reading_verdict", labels | {"verdict": reading.verdict.value}, 1),
    ]
    if reading.value is None or reading.verdict is Verdict.UNKNOWN or reading.verdict is Verdict.BROKEN:
        return lines
    shown = SHOWN.get((view.rule.detector, view.rule.subject), GENERIC)
    if shown is GENERIC:
        labels = labels | {"detector": view.rule.detector}
    limit, low, high = SUFFIXED[shown.name]
    lines.append(Sample(shown.name, labels, reading.value))
    if reading.limit is not None:
        lines.append(Sample(limit, labels, reading.limit))
    if shown.interval and reading.low is not None and reading.high is not None:
        lines += [Sample(low, labels, reading.low), Sample(high, labels, reading.high)]
    return lines


def summaries(model: str, views: Iterable[ReadingView]) -> list[Sample]:
    """Per rule: how many readings have which verdict, and where the newest window ended."""
    counts: dict[tuple[str, ...], dict[Verdict, int]] = {}
    ends: dict[tuple[str, ...], float] = {}
    for view in views:
        key = tuple(rule_labels(model, view).values())
        if key not in counts:
            counts[key] = dict.fromkeys(Verdict, 0)
        counts[key][settled(view.reading).verdict] += 1
        ends[key] = max(view.window_end, ends.get(key, view.window_end))
    lines = []
    for key, verdicts in counts.items():
        labels = dict(zip(RULE_LABELS, key, strict=True))
        lines.append(Sample("tocsin_window_end_timestamp_seconds", labels, ends[key]))
        lines += [Sample("tocsin_readings", labels | {"verdict": v.value}, n) for v, n in verdicts.items()]
    return lines


def renamed(view: ReadingView, *, column: str, segment: str) -> ReadingView:
    """The same reading under a pooled name."""
    return replace(view, column=column, segment=segment)
