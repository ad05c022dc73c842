"""The Model dashboard's last row: whether the daemon that watches this model is well."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, lines
from grafana.queries import DAEMON
from grafana.words import GREEN, SKY

ABSENT: Final = "The daemon was not scraped in this time range"
NO_RECEIVERS: Final = "No receivers in the settings: nobody is told"


def add(made: board.Dashboard) -> None:
    """Append the row."""
    made.with_row(board.Row("The daemon"))
    for words, unit, drawn in PANELS:
        made.with_panel(lines(words, unit, drawn, 8, 7))


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{DAEMON}}}[$__rate_interval])) > 0"


PANELS: Final = (
    (
        Words(
            "Journal lag",
            "Rows that are committed and not counted yet. It falls back within seconds; where it grows, verdicts "
            "are late.",
            ABSENT,
            "TocsinJournalLag",
        ),
        "short",
        [Line(f"tocsin_journal_lag_rows{{{DAEMON}}}", "rows not counted", Role.VALUE)],
    ),
    (
        Words(
            "Fold and look",
            "Time of the last fold (counting) and of the last look (windows, readings, decisions).",
            ABSENT,
            "TocsinJournalLag",
        ),
        "s",
        [
            Line(f"tocsin_fold_last_seconds{{{DAEMON}}}", "fold", Role.VALUE, SKY),
            Line(f"tocsin_look_last_seconds{{{DAEMON}}}", "look", Role.VALUE, GREEN),
        ],
    ),
    (
        Words(
            "Rows and requests refused",
            "Rows refused by validation, by reason, and whole requests by HTTP status. A schema change of the "
            "sender looks "
            "like this, and so does an attempt to flood.",
            "Nothing was refused, or the daemon was not scraped",
            "TocsinRowsRejected",
        ),
        "reqps",
        [
            Line(_rate("tocsin_rows_rejected_total", "reason"), "rows: {{reason}}"),
            Line(_rate("tocsin_requests_refused_total", "code"), "requests: {{code}}"),
        ],
    ),
    (
        Words(
            "Notices",
            "Notices that wait for a receiver, and those given up after all retries: nobody has read them. Alerts "
            "that fire as Alertmanager was last told, and those of them that are silenced or inhibited there.",
            NO_RECEIVERS,
            "TocsinOutboxDeadLetters",
        ),
        "short",
        [
            Line(f"tocsin_outbox_pending_notices{{{DAEMON}}}", "waiting for {{receiver}}"),
            Line(f"tocsin_outbox_dead_notices{{{DAEMON}}}", "given up for {{receiver}}"),
            Line(f"tocsin_alertmanager_firing_alerts{{{DAEMON}}}", "fire at {{alertmanager}}"),
            Line(f"tocsin_alertmanager_suppressed_alerts{{{DAEMON}}}", "silent at {{alertmanager}}"),
        ],
    ),
    (
        Words(
            "Memory and state",
            "Resident memory of the daemon and of the evidence worker, and the size of the database, its log, the "
            "receipts and the sampled rows.",
            ABSENT,
            "TocsinDiskNearlyFull",
        ),
        "bytes",
        [
            Line(f"tocsin_resident_memory_bytes{{{DAEMON}}}", "memory"),
            Line(f"tocsin_evidence_resident_memory_bytes{{{DAEMON}}}", "evidence worker"),
            Line(f"tocsin_state_size_bytes{{{DAEMON}}}", "{{part}}"),
            Line(f"sum by (instance) (tocsin_samples_bytes{{{DAEMON}}})", "samples"),
        ],
    ),
    (
        Words(
            "Disk",
            "Free space under the state directory; below the dashed line rows are refused, and alerts and "
            "rollback go on.",
            ABSENT,
            "TocsinDiskNearlyFull",
        ),
        "bytes",
        [
            Line(f"tocsin_state_free_bytes{{{DAEMON}}}", "free", Role.VALUE),
            Line(f"tocsin_state_free_min_bytes{{{DAEMON}}}", "rows are refused below", Role.LIMIT),
        ],
    ),
)
