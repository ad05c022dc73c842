"""The Safety dashboard's last row: whether the record of what was done can be trusted."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, lines, states
from grafana.queries import DAEMON
from grafana.words import BLUE, ORANGE, PURPLE, SKY, VERMILLION

ABSENT: Final = "No daemon answers for this model in this time range"
VERIFIED: Final = {0: ("did not verify", VERMILLION), 1: ("verified", SKY)}


def add(made: board.Dashboard) -> None:
    """Append the row."""
    made.with_row(board.Row("The audit log"))
    for words, unit, drawn, width in RECORD:
        made.with_panel(lines(words, unit, drawn, width, 7).decimals(0))
    verified = Words(
        "Verified at the start",
        "Whether the end of the log verified when the daemon started: chain, digests, signed heads. The whole of it "
        "is for `tocsin audit verify`.",
        "The audit log was new when the daemon started, so there was nothing to verify",
        "TocsinAuditUnverified",
    )
    made.with_panel(states(verified, f"max(tocsin_audit_verified{{{DAEMON}}})", "end of the log", VERIFIED, 8, 7))


RECORD: Final = (
    (
        Words(
            "Audit records",
            "Number of the newest record, and of the one up to which a head is signed. Both only grow: a number that "
            "fell is a log that was cut. Prometheus is the witness; `tocsin audit verify --anchor` compares.",
            ABSENT,
            "TocsinAuditUnverified",
        ),
        "short",
        [
            Line(f"tocsin_audit_head_sequence{{{DAEMON}}}", "newest", Role.VALUE, SKY),
            Line(f"tocsin_audit_signed_sequence{{{DAEMON}}}", "signed", Role.VALUE, BLUE),
        ],
        8,
    ),
    (
        Words(
            "Records at risk",
            "Records that wait to be written, those lost because too many waited, and writes that failed: a switch "
            "waits for its line.",
            ABSENT,
            "TocsinAuditFailing",
        ),
        "short",
        [
            Line(f"tocsin_audit_waiting_records{{{DAEMON}}}", "waiting", Role.VALUE, ORANGE),
            Line(
                f"increase(tocsin_audit_lost_records_total{{{DAEMON}}}[$__rate_interval])",
                "lost",
                Role.VALUE,
                VERMILLION,
            ),
            Line(
                f"increase(tocsin_audit_failures_total{{{DAEMON}}}[$__rate_interval])",
                "failed writes",
                Role.VALUE,
                PURPLE,
            ),
        ],
        8,
    ),
    (
        Words(
            "Size of the audit log",
            "On disk, in rotated files; the oldest are dropped over `audit.bytes_max`.",
            ABSENT,
        ),
        "bytes",
        [Line(f"tocsin_audit_size_bytes{{{DAEMON}}}", "records", Role.VALUE)],
        8,
    ),
    (
        Words(
            "Lines set aside and files dropped",
            "Torn lines that a crash left and that were set aside, and files dropped over `audit.bytes_max`: what was "
            "in those cannot be shown any more, so keep copies elsewhere.",
            ABSENT,
            "TocsinAuditUnverified",
        ),
        "short",
        [
            Line(f"increase(tocsin_audit_torn_total{{{DAEMON}}}[$__rate_interval])", "torn lines", Role.VALUE, ORANGE),
            Line(
                f"increase(tocsin_audit_dropped_files_total{{{DAEMON}}}[$__rate_interval])",
                "dropped files",
                Role.VALUE,
                PURPLE,
            ),
        ],
        16,
    ),
)
