"""`docs/metrics.md`, from the tables that the page itself is made of, so that it cannot say anything else.

python -m monitor.export.describe > docs/metrics.md
"""

import sys
from collections.abc import Iterable, Iterator, Mapping

from monitor.export.collector import describe
from monitor.export.metrics import DAEMON, EDGES, LIVE, MODEL, PICTURES, Metric
from monitor.export.readings import EVERY

_HEAD = """\
# Metrics

Everything that `/metrics` can show. Made by `python -m monitor.export.describe`; what is not here is not exported.

Names end in the base unit; counters end in `_total`, shares in `_ratio` (0 to 1), times in `_timestamp_seconds` (Unix),
and what has only labels to tell in `_info` (its value is 1). A summary comes as `_count` and `_sum`. A value that is
not known has no sample, never a zero: a reading that is `unknown` or `broken` has its verdict and its rows, no value.
Labels hold names from the settings, names from the schema and words of closed lists, nothing that a client could
choose; empty ones are left out. Above `metrics.series_max` series the features with the worst readings keep theirs.
"""

_PICTURES = """\
Rows by bin since the start of the daemon, of output, score and the first `metrics.features_drawn_max` features, beside
the reference's share of the same bins, under the same labels: drift over any time and any set of replicas is one
division ([recording rules](../rules/tocsin.recording.rules.yml)). Bins are those of the judge's reference `profile`.
Counts are per bin, not cumulative; `le` is the upper edge of a score's bin. A bin of a number is called by its place,
`00` being everything below the reference's least value and the last everything above its greatest; those of a category
by place too, unless `metrics.category_names` asks for the category. Each histogram is shown whole or not at all."""

_SECTIONS: Mapping[str, tuple[str, tuple[Metric, ...]]] = {
    "Life": ("Computed at each scrape, so they are true even when the daemon has stopped rendering.", LIVE),
    "The daemon": ("Intake, journal, fold, look, settings, deliveries, disk.", DAEMON),
    "Its edges": ("Requests, what the store keeps, Alertmanagers, silences, the evidence worker.", EDGES),
    "Models": ("What is served, what was counted, alerts, incidents, rollbacks.", MODEL),
    "Pictures": (_PICTURES, PICTURES),
    "Every reading": ("Of each rule and reading, whatever its detector.", EVERY),
}
_REST = "Readings by detector"
_REST_WORDS = """\
The newest reading of each rule, with its limit and, where there is one, its 95 % interval. `reference` says whose
profile it was read against: `own` of the bundle that is served, `judge` of the last known-good."""


def markdown() -> str:
    """The whole document."""
    rows = {name: (name, kind, labels, text) for name, kind, labels, text in describe()}
    parts = [_HEAD]
    for title, (words, metrics) in _SECTIONS.items():
        parts.append(_section(title, words, (rows.pop(metric.name) for metric in metrics)))
    parts.append(_section(_REST, _REST_WORDS, rows.values()))
    return "\n".join(parts)


def _section(title: str, words: str, rows: Iterable[tuple[str, str, tuple[str, ...], str]]) -> str:
    return "\n".join([f"## {title}", "", words, "", *_table(rows), ""])


def _table(rows: Iterable[tuple[str, str, tuple[str, ...], str]]) -> Iterator[str]:
    yield "| metric | type | labels | what it says |"
    yield "|---|---|---|---|"
    for name, kind, labels, text in rows:
        yield f"| `{name}` | {kind} | {' '.join(f'`{label}`' for label in labels)} | {text} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
