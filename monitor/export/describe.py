"""`docs/metrics.md`, from the tables that the page itself is made of, so that it cannot say anything else.

python -m monitor.export.describe > docs/metrics.md
"""

import sys
from collections.abc import Iterable, Iterator, Mapping

from monitor.export.collector import describe
from monitor.export.metrics import DAEMON, LIVE, MODEL, Metric
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

_SECTIONS: Mapping[str, tuple[str, tuple[Metric, ...]]] = {
    "Life": ("Computed at each scrape, so they are true even when the daemon has stopped rendering.", LIVE),
    "The daemon": ("Intake, journal, fold, look, settings, deliveries, disk.", DAEMON),
    "Models": ("What is served, what was counted, alerts, incidents, rollbacks.", MODEL),
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
