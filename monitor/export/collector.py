"""Turns a snapshot into metric families for prometheus_client's encoders.

The collector only renders: it holds no counter but the one of what it left out, and asks nobody. `describe` is the
table of everything that can be exported; `docs/metrics.md` is made from it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import prometheus_client

from monitor.export.daemon_lines import add_daemon
from monitor.export.model_lines import add_model, shown_segment
from monitor.export.picture_lines import pictures
from monitor.export.readings import METRICS, Sample, summaries
from monitor.export.series import SERIES_MAX, Group, Series, fit, fit_whole, groups, room_for_pictures
from monitor.export.snapshot import ModelView, ReadingView, Snapshot


@dataclass(frozen=True, slots=True)
class Families:
    """Finished families, as a registry that prometheus_client's encoders accept."""

    families: tuple[prometheus_client.Metric, ...]

    def collect(self) -> Iterator[prometheus_client.Metric]:
        """Yield them in the order of the page."""
        yield from self.families


class Collector:
    """Renders snapshots, at most `series_max` series each."""

    def __init__(self, series_max: int = SERIES_MAX) -> None:
        """`series_max` >= 1."""
        self._series_max = series_max
        self._dropped = 0

    def collect(self, snapshot: Snapshot) -> Families:
        """Every family of one snapshot. Counts what it left out."""
        series = Series(self._series_max - 1)  # one is for the count of what was left out
        add_daemon(series, snapshot)
        candidates: list[Group] = []
        for model in snapshot.models:
            add_model(series, model)
            candidates += _readings(series, model)
        drawn, undrawn = fit_whole(pictures(snapshot.models), room_for_pictures(candidates, series.room))
        series.extend(drawn)
        lines, left_out = fit(candidates, series.room)
        series.extend(lines)
        self._dropped += undrawn + left_out + series.dropped
        return families([Sample("tocsin_series_dropped_total", {}, self._dropped), *series.samples])


def families(lines: Iterable[Sample]) -> Families:
    """Group samples into the families of the table, in order of first appearance."""
    found: dict[str, prometheus_client.Metric] = {}
    for sample in lines:
        metric = METRICS[sample.metric.removesuffix("_count").removesuffix("_sum")]
        family = found.get(metric.name)
        if family is None:
            family = prometheus_client.Metric(metric.family, metric.help, metric.kind.value, metric.unit)
            found[metric.name] = family
        labels = {name: _clean(value) for name, value in sample.labels.items() if value}
        family.add_sample(sample.metric, labels, sample.value)
    return Families(tuple(found.values()))


def describe() -> list[tuple[str, str, tuple[str, ...], str]]:
    """(name, type, labels, help) of everything that can be exported, in the order of the tables."""
    return [(metric.name, metric.kind.value, metric.labels, metric.help) for metric in METRICS.values()]


def _clean(value: str) -> str:
    """A label value that can be encoded: a lone surrogate becomes a question mark."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _readings(series: Series, view: ModelView) -> list[Group]:
    """Add what a whole model's rules say; return the features and segments, which share what room is left."""
    shown = [reading for reading in view.readings if shown_segment(view, reading.segment)]
    series.dropped += len(view.readings) - len(shown)
    series.extend(summaries(view.model, shown))
    whole: list[ReadingView] = []
    parts: list[ReadingView] = []
    for reading in shown:
        (parts if reading.column or reading.segment else whole).append(reading)
    for group in groups(view.model, whole):
        series.extend(group.lines)
    return groups(view.model, parts)
