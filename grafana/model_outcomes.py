"""The Model dashboard's rows on truth: error and the paired comparison with intervals, labels, segments."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from grafana.board import Line, Role, Words, column, columns, lines, prop, rows
from grafana.queries import DISTANCES_FROM_TRUTH, FAIRNESS, READING, SCOPE, SHARES, any_of
from grafana.words import GREEN, ORANGE, PURPLE, SKY

NO_LABELS: Final = "No rule reads this, too few trusted labels yet, or the daemon was not scraped"
NO_PAIRS: Final = "The known-good is not asked, is what is served, or too few pairs have a label yet"
NO_SEGMENTS: Final = "No segments in the settings, or no rule reads by segment"
NOT_THIS_TASK: Final = "No rule reads such a measure of this model"


def add(made: board.Dashboard) -> None:
    """Append the rows."""
    made.with_row(board.Row("Right or wrong"))
    _error(made)
    _measures(made)
    made.with_row(board.Row("Labels"))
    _labels(made)
    made.with_row(board.Row("Segments"))
    _segments(made)


def interval(metric: str, unit: str = "_ratio", word: str = "value", color: str = SKY) -> list[Line]:
    """A reading, its 95 % interval as a band, and its limit dashed."""
    end = f"{unit}{{{READING}}}"
    return [
        Line(f"{metric}_low{end}", "{{reference}} low", Role.LOW, color),
        Line(f"{metric}_high{end}", "{{reference}} high", Role.HIGH, color),
        Line(f"{metric}{end}", f"{word}, {{{{reference}}}}", Role.VALUE, color),
        Line(f"{metric}_limit{end}", "limit, {{reference}}", Role.LIMIT),
    ]


def _error(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Error",
                "Share of the labelled rows that were wrong, with its 95 % interval and the rule's limit "
                "(dashed). It tells "
                "of rows whose label came, hence of a while ago.",
                NO_LABELS,
                "TocsinError",
            ),
            "percentunit",
            interval("tocsin_error", word="error"),
            height=9,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Error against the known-good, on the same rows",
                "Error of what is served minus error of the known-good, with its 95 % interval. Above 0 the "
                "known-good does "
                "better, whatever the world does: when the interval's lower end passes the limit (dashed) a "
                "rollback helps.",
                NO_PAIRS,
                "TocsinError",
            ),
            "percentunit",
            interval("tocsin_paired_error_difference", word="difference", color=PURPLE),
            height=9,
        )
    )


def _measures(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Answers the known-good gave otherwise",
                "Share of rows that the known-good answers otherwise; needs no label. High together with drift "
                "of features: "
                "the two models see the new world differently.",
                NO_PAIRS,
                "TocsinDrift",
            ),
            "percentunit",
            interval("tocsin_paired_disagreement", word="disagreement", color=GREEN),
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Other measures, as shares",
                "Accuracy, precision, recall, calibration, hit rates and the like, 0 to 1, with their limits (dashed).",
                NOT_THIS_TASK,
                "TocsinError",
            ),
            "percentunit",
            [
                Line(any_of("tocsin_", SHARES, "_ratio", READING), "{{rule}}"),
                Line(any_of("tocsin_", SHARES, "_limit_ratio", READING), "limit of {{rule}}", Role.LIMIT),
            ],
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Other measures, in their own units",
                "Brier score, log loss; absolute and squared errors in the label's unit; with their limits (dashed).",
                NOT_THIS_TASK,
                "TocsinError",
            ),
            "none",
            [
                Line(any_of("tocsin_", DISTANCES_FROM_TRUTH, "", READING), "{{rule}}"),
                Line(any_of("tocsin_", DISTANCES_FROM_TRUTH, "_limit", READING), "limit of {{rule}}", Role.LIMIT),
            ],
            8,
        )
    )


def _labels(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Label coverage",
                "Share of the rows that have a trusted label, with its interval and limit. Low coverage makes "
                "error unknown.",
                NO_LABELS,
                "TocsinNoLabels",
            ),
            "percentunit",
            interval("tocsin_label_coverage", word="coverage"),
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Label lag",
                "Median time from prediction to label, with its limit (dashed).",
                NO_LABELS,
                "TocsinNoLabels",
            ),
            "s",
            [
                Line(f"tocsin_label_lag_seconds{{{READING}}}", "lag", Role.VALUE),
                Line(f"tocsin_label_lag_limit_seconds{{{READING}}}", "limit", Role.LIMIT),
            ],
            8,
        )
    )
    rate = f"tocsin_labels_total{{{SCOPE}}}[$__rate_interval]"
    made.with_panel(
        lines(
            Words(
                "Labels counted",
                "Labels per second by trust in their source. Only trusted ones count towards error; a flood of "
                "others is a "
                "reason to look at who sends them.",
                "No labels came",
                "TocsinNoLabels",
            ),
            "rowsps",
            [Line(f"sum by (trusted) (rate({rate}))", "trusted: {{trusted}}")],
            8,
        )
    )


def _segments(made: board.Dashboard) -> None:
    labels = f'{SCOPE}, segment!=""'
    words = Words(
        "Segments now",
        "Each segment's rows, error and worst rule: a model can be right on the whole and wrong for some.",
        NO_SEGMENTS,
        "TocsinError",
    )
    queries = [
        f"max by (segment) (tocsin_reading_rows{{{labels}}})",
        f"max by (segment) (tocsin_error_ratio{{{labels}}})",
        f'sum by (segment) (tocsin_readings{{{labels}, verdict="breach"}})',
        f'sum by (segment) (tocsin_readings{{{labels}, verdict="unknown"}})',
    ]
    panel = rows(words, queries, 8, 8)
    names = ("Rows", "Error", "In breach", "Unknown")
    values = {f"Value #{letter}": name for letter, name in zip("ABCD", names, strict=True)}
    columns(panel, {"segment": "Segment"} | values)
    column(panel, "Rows", "short", 80, prop("decimals", 0))
    column(panel, "Error", "percentunit", 80, prop("decimals", 1))
    column(panel, "In breach", "none", 90, prop("custom.cellOptions", {"type": "color-text"}), _orange_from_one())
    made.with_panel(panel)
    error = f"tocsin_error_ratio{{{labels}}}"
    made.with_panel(
        lines(
            Words(
                "Error by segment",
                "Share of the labelled rows that were wrong, by segment.",
                NO_SEGMENTS,
                "TocsinError",
            ),
            "percentunit",
            [Line(error, "{{segment}}")],
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
