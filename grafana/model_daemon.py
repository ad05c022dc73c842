"""The Model dashboard's last row: whether the daemon that watches this model is well."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, lines
from grafana.queries import DAEMON
from grafana.words import BLUE, GREEN, PURPLE, SKY, VERMILLION, YELLOW

ABSENT: Final = "The daemon was not scraped in this time range"
NO_RECEIVERS: Final = "No receivers in the settings: nobody is told"


def add(made: board.Dashboard) -> None:
    """Append the row."""
    made.with_row(board.Row("The daemon"))
    for words, unit, drawn in PANELS:
        panel = lines(words, unit, drawn, 8, 7)
        made.with_panel(panel.decimals(0) if unit == "short" else panel)


def _taken(kind: str) -> str:
    return f'sum (rate(tocsin_rows_accepted_total{{{DAEMON}, kind="{kind}"}}[$__rate_interval]))'


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{DAEMON}}}[$__rate_interval])) > 0"


def _part(part: str) -> str:
    return f'tocsin_state_size_bytes{{{DAEMON}, part="{part}"}}'


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
            "Rows taken and refused",
            "Rows acknowledged; rows refused by validation and whole requests, by reason. A schema change of the "
            "sender shows as refusals, and so does an attempt to flood.",
            ABSENT,
            "TocsinRowsRejected",
        ),
        "rowsps",
        [
            Line(_taken("predictions"), "predictions", Role.VALUE, SKY),
            Line(_taken("labels"), "labels", Role.VALUE, GREEN),
            Line(_rate("tocsin_rows_rejected_total", "reason"), "refused: {{reason}}"),
            Line(_rate("tocsin_requests_refused_total", "reason"), "requests refused: {{reason}}", unit="reqps"),
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
            Line(f"tocsin_outbox_pending_notices{{{DAEMON}}}", "waiting for {{receiver}}", Role.VALUE, SKY),
            Line(f"tocsin_outbox_dead_notices{{{DAEMON}}}", "given up for {{receiver}}", Role.VALUE, VERMILLION),
            Line(f"tocsin_alertmanager_firing_alerts{{{DAEMON}}}", "fire at {{alertmanager}}", Role.VALUE, PURPLE),
            Line(f"tocsin_alertmanager_suppressed_alerts{{{DAEMON}}}", "silent at {{alertmanager}}", Role.VALUE, BLUE),
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
            Line(f"tocsin_resident_memory_bytes{{{DAEMON}}}", "memory", Role.VALUE, SKY),
            Line(f"tocsin_evidence_resident_memory_bytes{{{DAEMON}}}", "evidence worker", Role.VALUE, BLUE),
            Line(_part("database"), "database", Role.VALUE, GREEN),
            Line(_part("log"), "its log", Role.VALUE, YELLOW),
            Line(_part("receipts"), "receipts", Role.VALUE, VERMILLION),
            Line(f"sum by (instance) (tocsin_samples_bytes{{{DAEMON}}})", "samples", Role.VALUE, PURPLE),
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
