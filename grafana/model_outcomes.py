"""The Model dashboard's rows on truth: error and the paired comparison with intervals, other measures, labels."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, lines
from grafana.queries import DISTANCES_FROM_TRUTH, READING, SCOPE, SHARES, any_of, limits
from grafana.words import GREEN, PURPLE, SKY, YELLOW

NO_LABELS: Final = "No rule reads this, too few trusted labels yet, or the daemon was not scraped"
NO_PAIRS: Final = "The known-good is not asked, is what is served, or too few pairs have a label yet"
NOT_THIS_TASK: Final = "No rule reads such a measure of this model"


def add(made: board.Dashboard) -> None:
    """Append the rows."""
    made.with_row(board.Row("Right or wrong"))
    _error(made)
    _measures(made)
    made.with_row(board.Row("Labels"))
    _labels(made)


def interval(metric: str, word: str, color: str = SKY, *, share: bool = True) -> list[Line]:
    """A reading, its 95 % interval as a band, and its limit dashed; `share` or in a unit of its own."""
    end, unit = (f"_ratio{{{READING}}}", "percentunit") if share else (f"{{{READING}}}", "short")
    return [
        Line(f"{metric}_low{end}", "{{reference}} low", Role.LOW, color, unit),
        Line(f"{metric}_high{end}", "{{reference}} high", Role.HIGH, color, unit),
        Line(f"{metric}{end}", f"{word}, {{{{reference}}}}", Role.VALUE, color, unit),
        Line(f"{metric}_limit{end}", "limit, {{reference}}", Role.LIMIT, unit=unit),
    ]


def _error(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Error",
                "How wrong it is on rows whose label came, hence a while ago, with the 95 % interval and the rule's "
                "limit (dashed). Share of wrong answers; of a model that predicts a number the mean absolute error in "
                "the label's unit; of one that ranks NDCG, where more is better.",
                NO_LABELS,
                "TocsinError",
            ),
            "percentunit",
            [
                *interval("tocsin_error", "error"),
                *interval("tocsin_mean_absolute_error", "absolute error", share=False),
                *interval("tocsin_ndcg", "NDCG"),
            ],
            height=9,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Error against the known-good, on the same rows",
                "Error of what is served minus error of the known-good, with its 95 % interval. Above 0 the "
                "known-good does better, whatever the world does: when the interval's lower end passes the limit "
                "(dashed) a rollback helps.",
                NO_PAIRS,
                "TocsinError",
            ),
            "percentunit",
            [
                *interval("tocsin_paired_error_difference", "difference", PURPLE),
                *interval("tocsin_paired_absolute_error_difference", "absolute error", PURPLE, share=False),
            ],
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
            interval("tocsin_paired_disagreement", "disagreement", GREEN),
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
                Line(limits(any_of("tocsin_", SHARES, "_limit_ratio", READING)), "limit of {{rule}}", Role.LIMIT),
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
                Line(
                    limits(any_of("tocsin_", DISTANCES_FROM_TRUTH, "_limit", READING)), "limit of {{rule}}", Role.LIMIT
                ),
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
            interval("tocsin_label_coverage", "coverage"),
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
        ).decimals(1)
    )
    made.with_panel(
        lines(
            Words(
                "Labels counted",
                "Labels per second by trust in their source. Only trusted ones count towards error; a flood of others "
                "is a reason to look at who sends them. Without a receipt: labels of rows that were dropped to hold "
                "the quota of receipts.",
                "No labels came",
                "TocsinNoLabels",
            ),
            "rowsps",
            [
                Line(f"sum (rate({_labels_counted('true')}))", "trusted", Role.VALUE, SKY),
                Line(f"sum (rate({_labels_counted('false')}))", "not trusted", Role.VALUE, PURPLE),
                Line(
                    f"sum (rate(tocsin_labels_sampled_out_total{{{SCOPE}}}[$__rate_interval]))",
                    "without a receipt",
                    Role.VALUE,
                    YELLOW,
                ),
            ],
            8,
        )
    )


def _labels_counted(trusted: str) -> str:
    return f'tocsin_labels_total{{{SCOPE}, trusted="{trusted}"}}[$__rate_interval]'
