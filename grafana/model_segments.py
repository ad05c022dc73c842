"""The Model dashboard's rows on segments, and on what Evidently says of sampled rows (folded)."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana.board import Line, Role, Words, column, columns, lines, number, prop, rows
from grafana.queries import DAEMON, FAIRNESS, SCOPE, any_of
from grafana.words import ORANGE
from monitor.facts import Task

NO_SEGMENTS: Final = "No segments in the settings, or no rule reads by segment"
NO_EVIDENCE: Final = "No evidence metrics in the settings, or no sample was large enough yet"
MEASURES: Final = {  # metric, its name, its unit, what it is
    Task.CLASSIFICATION: ("tocsin_error_ratio", "Error", "percentunit", "Share of the labelled rows that were wrong"),
    Task.REGRESSION: (
        "tocsin_mean_absolute_error",
        "Absolute error",
        "short",
        "Mean distance of predicted number and truth, in the target's unit",
    ),
    Task.RANKING: ("tocsin_ndcg_ratio", "NDCG", "none", "How near the relevant items stand to the top, 1 is best"),
}
EACH: Final = f'{SCOPE}, segment!=""'


def add(made: board.Dashboard, task: Task) -> None:
    """Append the rows."""
    made.with_row(board.Row("Segments"))
    made.with_panel(_now(task))
    _over_time(made, task)
    made.with_row(_evidence())


def _now(task: Task) -> table.Panel:
    measure, name, unit, _ = MEASURES[task]
    words = Words(
        "Segments now",
        f"Each segment's rows, {name}, and how many of its readings are in breach or unknown: a model can be "
        "right on the whole and wrong for some.",
        NO_SEGMENTS,
        "TocsinError",
    )
    queries = [
        f"max by (segment) (tocsin_reading_rows{{{EACH}}})",
        f"max by (segment) ({measure}{{{EACH}}})",
        f'sum by (segment) (tocsin_readings{{{EACH}, verdict="breach"}})',
        f'sum by (segment) (tocsin_readings{{{EACH}, verdict="unknown"}})',
    ]
    panel = rows(words, queries, 8, 8)
    values = dict(zip((f"Value #{letter}" for letter in "ABCD"), ("Rows", name, "In breach", "Unknown"), strict=True))
    columns(panel, {"segment": "Segment"} | values)
    column(panel, "Rows", "short", 80, prop("decimals", 0))
    column(panel, name, unit, 110, prop("decimals", 1 if unit == "percentunit" else 2))
    column(panel, "In breach", "none", 90, prop("custom.cellOptions", {"type": "color-text"}), _orange_from_one())
    column(panel, "Unknown", "none", 90)
    return panel


def _over_time(made: board.Dashboard, task: Task) -> None:
    measure, name, unit, what = MEASURES[task]
    words = Words(f"{name} by segment", f"{what}, by segment.", NO_SEGMENTS, "TocsinError")
    fair = task is Task.CLASSIFICATION  # groups are compared in their positive answers
    made.with_panel(lines(words, unit, [Line(f"{measure}{{{EACH}}}", "{{segment}}, {{rule}}")], 8 if fair else 16))
    if fair:
        _fairness(made)


def _fairness(made: board.Dashboard) -> None:
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
    row = board.Row("What sampled rows say").collapsed(True)
    values = Words(
        "Metrics of evidence",
        "The metrics that the settings ask for, computed on samples of rows and the reference's sample: Evidently's, "
        "and a domain classifier (AUC; 0.5: it cannot tell) or MMD of all columns, beside what shuffles give. "
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
