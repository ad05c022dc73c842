"""The Model dashboard's rows on segments, and on what Evidently says of sampled rows (folded)."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana.board import Line, Role, Words, column, columns, lines, number, prop, rows
from grafana.queries import DAEMON, FAIRNESS, SCOPE, any_of
from grafana.words import ORANGE

NO_SEGMENTS: Final = "No segments in the settings, or no rule reads by segment"
NO_EVIDENCE: Final = "No evidence metrics in the settings, or no sample was large enough yet"
EACH: Final = f'{SCOPE}, segment!=""'


def add(made: board.Dashboard) -> None:
    """Append the rows."""
    made.with_row(board.Row("Segments"))
    made.with_panel(_now())
    _over_time(made)
    made.with_row(_evidence())


def _now() -> table.Panel:
    words = Words(
        "Segments now",
        "Each segment's rows, error and worst rule: a model can be right on the whole and wrong for some.",
        NO_SEGMENTS,
        "TocsinError",
    )
    queries = [
        f"max by (segment) (tocsin_reading_rows{{{EACH}}})",
        f"max by (segment) (tocsin_error_ratio{{{EACH}}})",
        f"max by (segment) (tocsin_mean_absolute_error{{{EACH}}})",
        f'sum by (segment) (tocsin_readings{{{EACH}, verdict="breach"}})',
        f'sum by (segment) (tocsin_readings{{{EACH}, verdict="unknown"}})',
    ]
    panel = rows(words, queries, 8, 8)
    names = ("Rows", "Error", "Abs. error", "In breach", "Unknown")
    values = {f"Value #{letter}": name for letter, name in zip("ABCDE", names, strict=True)}
    columns(panel, {"segment": "Segment"} | values)
    column(panel, "Rows", "short", 80, prop("decimals", 0))
    column(panel, "Error", "percentunit", 80, prop("decimals", 1))
    column(panel, "Abs. error", "short", 90)
    column(panel, "In breach", "none", 90, prop("custom.cellOptions", {"type": "color-text"}), _orange_from_one())
    column(panel, "Unknown", "none", 90)
    return panel


def _over_time(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Error by segment",
                "Share of the labelled rows that were wrong, by segment; mean absolute error of a model that predicts "
                "a number, NDCG of one that ranks.",
                NO_SEGMENTS,
                "TocsinError",
            ),
            "percentunit",
            [
                Line(f"tocsin_error_ratio{{{EACH}}}", "{{segment}}"),
                Line(f"tocsin_mean_absolute_error{{{EACH}}}", "{{segment}}, absolute", unit="short"),
                Line(f"tocsin_ndcg_ratio{{{EACH}}}", "{{segment}}, NDCG"),
            ],
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Fairness over segments",
                "Largest difference between segments, or smallest ratio (disparate impact), with limits (dashed).",
                NO_SEGMENTS,
                "TocsinError",
            ),
            "percentunit",
            [
                Line(any_of("tocsin_", FAIRNESS, "_ratio", SCOPE), "{{rule}}"),
                Line(any_of("tocsin_", FAIRNESS, "_limit_ratio", SCOPE), "limit of {{rule}}", Role.LIMIT),
            ],
            8,
        )
    )


def _orange_from_one() -> DynamicConfigValue:
    steps = [{"value": None, "color": "text"}, {"value": 1, "color": ORANGE}]
    return prop("thresholds", {"mode": "absolute", "steps": steps})


def _evidence() -> board.Row:
    """Folded, as it is asked only by who wants to know more, and not every daemon has the worker."""
    row = board.Row("What Evidently says of sampled rows").collapsed(True)
    values = Words(
        "Metrics of Evidently",
        "The metrics that the settings ask for, computed by Evidently on samples of rows and the reference's sample. "
        "Reports of incidents stand in the daemon's directory of evidence: `tocsin evidence` lists them.",
        NO_EVIDENCE,
    )
    row.with_panel(lines(values, "none", [Line(f"tocsin_evidence_value{{{SCOPE}}}", "{{metric}}")], 15))
    for words, unit, expr, color in (
        (
            Words("Reports", "Reports written in this time range.", "The daemon was not scraped"),
            "none",
            f"sum(increase(tocsin_evidence_reports_total{{{SCOPE}}}[$__range]))",
            "text",
        ),
        (
            Words("Kept", "Size of all reports on disk, of every model.", "The daemon has no evidence worker"),
            "bytes",
            f"tocsin_evidence_report_bytes{{{DAEMON}}}",
            "text",
        ),
        (
            Words(
                "Came to nothing",
                "Reports, parts of them and metrics that failed in this time range; the log says why.",
                "Nothing failed, or the daemon was not scraped",
            ),
            "none",
            f"sum(increase(tocsin_evidence_failures_total{{{SCOPE}}}[$__range]))",
            ORANGE,
        ),
    ):
        row.with_panel(number(words, unit, expr, color=color).decimals(0))
    return row
