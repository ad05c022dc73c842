"""The Model dashboard's rows on truth: error and the paired comparison with intervals, other measures, labels.

What differs by task is a table of words and queries (`MEASURES`), so that each has the same form and its own unit.
"""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, lines
from grafana.queries import ESTIMATED, ESTIMATED_LOSSES, OWN_UNITS, READING, SCOPE, SHARES, any_of, limits
from grafana.words import BLUE, GREEN, ORANGE, PURPLE, SKY, YELLOW
from monitor.facts import Task

NO_LABELS: Final = "No rule reads this, too few trusted labels yet, or the daemon was not scraped"
NO_PAIRS: Final = "The known-good is not asked, is what is served, or too few pairs have a label yet"
NO_OTHER: Final = "No rule reads such a measure, or too few trusted labels yet"


def add(made: board.Dashboard, task: Task) -> None:
    """Append the rows."""
    made.with_row(board.Row(ROWS[task]))
    for words, unit, drawn, width, height in MEASURES[task]:
        made.with_panel(lines(words, unit, drawn, width, height))
    if ESTIMATES[task]:
        made.with_row(board.Row("Estimated, before labels come"))
    for words, unit, drawn, width, height in ESTIMATES[task]:
        made.with_panel(lines(words, unit, drawn, width, height))
    made.with_row(board.Row("Labels"))
    _labels(made)
    if task is Task.CLASSIFICATION:
        _selection(made)


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
        )
        .axis_soft_min(0)
        .decimals(1)
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


def _selection(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Who is labelled",
                "How far labelled rows differ from all rows in scores and answers, with its interval and limit. Far: "
                "labels speak for some rows only, and no rollback rests on them.",
                NO_LABELS,
                "TocsinNoLabels",
            ),
            "percentunit",
            interval("tocsin_label_selection", "difference"),
            24,
        )
    )


def interval(metric: str, word: str, color: str = SKY, *, share: bool = True) -> list[Line]:
    """A reading, its 95 % interval as a band, and its limit dashed; `share`: its name ends in `_ratio`."""
    end = f"_ratio{{{READING}}}" if share else f"{{{READING}}}"
    return [
        Line(f"{metric}_low{end}", "{{reference}} low", Role.LOW, color),
        Line(f"{metric}_high{end}", "{{reference}} high", Role.HIGH, color),
        Line(f"{metric}{end}", f"{word}, {{{{reference}}}}", Role.VALUE, color),
        Line(f"{metric}_limit{end}", "limit, {{reference}}", Role.LIMIT),
    ]


def beside(metric: str, word: str, *, share: bool = True) -> list[Line]:
    """An estimate with its interval and limit, and the measured figure of the same name."""
    end = f"_ratio{{{READING}}}" if share else f"{{{READING}}}"
    measured = Line(f"tocsin_{metric}{end}", f"{word}, measured, {{{{reference}}}}", Role.VALUE, BLUE)
    return [*interval(f"tocsin_estimated_{metric}", f"{word}, estimated", ORANGE, share=share), measured]


def several(families: tuple[str, ...], end: str = "") -> list[Line]:
    """Readings of several families, each with the limit of its rule; `end`: of the families' names."""
    return [
        Line(any_of("tocsin_", families, end, READING), "{{rule}}"),
        Line(limits(any_of("tocsin_", families, f"_limit{end}", READING)), "limit of {{rule}}", Role.LIMIT),
    ]


PAIRED: Final = (
    "of what is served minus that of the known-good, with its 95 % interval. Above 0 the known-good does better, "
    "whatever the world does: when the interval's lower end passes the limit (dashed) a rollback helps."
)
LATE: Final = "on rows whose label came, hence a while ago, with the 95 % interval and the rule's limit (dashed)"
ROWS: Final = {
    Task.CLASSIFICATION: "Right or wrong",
    Task.REGRESSION: "How far from the truth",
    Task.RANKING: "How good the order is",
}
MEASURES: Final[dict[Task, tuple[tuple[Words, str, list[Line], int, int], ...]]] = {
    Task.CLASSIFICATION: (
        (
            Words("Error", f"Share of wrong answers {LATE}.", NO_LABELS, "TocsinError"),
            "percentunit",
            interval("tocsin_error", "error"),
            12,
            9,
        ),
        (
            Words("Error against the known-good, on the same rows", f"Error {PAIRED}", NO_PAIRS, "TocsinError"),
            "percentunit",
            interval("tocsin_paired_error_difference", "difference", PURPLE),
            12,
            9,
        ),
        (
            Words(
                "Answers the known-good gave otherwise",
                "Share of rows that the known-good answers otherwise; needs no label. High together with drift "
                "of features: the two models see the new world differently.",
                NO_PAIRS,
                "TocsinDrift",
            ),
            "percentunit",
            interval("tocsin_paired_disagreement", "disagreement", GREEN),
            8,
            8,
        ),
        (
            Words(
                "Other measures, as shares",
                "Accuracy, precision, recall, calibration and the like, 0 to 1, with their limits (dashed).",
                NO_OTHER,
                "TocsinError",
            ),
            "percentunit",
            several(SHARES[Task.CLASSIFICATION], "_ratio"),
            8,
            8,
        ),
        (
            Words(
                "Other measures, in their own units",
                "Brier score, log loss, correlation of answers and truths; with their limits (dashed).",
                NO_OTHER,
                "TocsinError",
            ),
            "none",
            several(OWN_UNITS[Task.CLASSIFICATION]),
            8,
            8,
        ),
    ),
    Task.REGRESSION: (
        (
            Words(
                "Absolute error",
                f"Mean distance of predicted number and truth, in the target's unit, {LATE}.",
                NO_LABELS,
                "TocsinError",
            ),
            "short",
            interval("tocsin_mean_absolute_error", "absolute error", share=False),
            12,
            9,
        ),
        (
            Words(
                "Absolute error against the known-good, on the same rows",
                f"Mean absolute error, in the target's unit, {PAIRED}",
                NO_PAIRS,
                "TocsinError",
            ),
            "short",
            interval("tocsin_paired_absolute_error_difference", "difference", PURPLE, share=False),
            12,
            9,
        ),
        (
            Words(
                "Bias",
                "Mean of predicted number minus truth, in the target's unit, with the 95 % interval: above 0 it says "
                "too much on the whole. The limit (dashed) holds in both directions.",
                NO_LABELS,
                "TocsinError",
            ),
            "short",
            [
                *interval("tocsin_bias", "bias", GREEN, share=False),
                Line(f"-tocsin_bias_limit{{{READING}}}", "limit below, {{reference}}", Role.LIMIT),
            ],
            8,
            8,
        ),
        (
            Words(
                "Other measures, in the target's unit",
                "Root mean squared error, which far misses move most; quantile losses; with their limits (dashed).",
                NO_OTHER,
                "TocsinError",
            ),
            "short",
            several(OWN_UNITS[Task.REGRESSION]),
            8,
            8,
        ),
        (
            Words(
                "Variance explained",
                "R squared: 1 is perfect; 0 is no better than always saying the mean of the labels, and below 0 worse.",
                NO_OTHER,
                "TocsinError",
            ),
            "none",
            several(("r_squared",)),
            8,
            8,
        ),
    ),
    Task.RANKING: (
        (
            Words(
                "NDCG",
                f"How near the relevant items stand to the top of the list, 1 is best, {LATE}. Below the limit is too "
                "low. There is no comparison with the known-good: lists are not asked for twice.",
                NO_LABELS,
                "TocsinError",
            ),
            "none",
            interval("tocsin_ndcg", "NDCG"),
            12,
            9,
        ),
        (
            Words(
                "Hit rates and reciprocal rank",
                "Share of lists with a relevant item among the first places; mean of 1 / place of the first relevant "
                "one. 1 is best; below the limit (dashed) is too low.",
                NO_LABELS,
                "TocsinError",
            ),
            "none",
            [*several(SHARES[Task.RANKING], "_ratio"), *several(OWN_UNITS[Task.RANKING])],
            12,
            9,
        ),
    ),
}
WARNING: Final = (
    "An estimate: it needs P(y|x) unchanged and calibration given x, so it cannot see concept drift or a confident "
    "backdoored model. It alerts nobody and supports no rollback; what labels say (measured) is the truth."
)
NO_ESTIMATE: Final = "No rule reads an estimate, or the reference has too few labels to learn one from"
ESTIMATES: Final[dict[Task, tuple[tuple[Words, str, list[Line], int, int], ...]]] = {
    Task.CLASSIFICATION: (
        (
            Words(
                "Accuracy, estimated and measured",
                "Share of right answers that calibrated scores lead to expect, with its 95 % interval and the rule's "
                "limit (dashed), beside what labels said later. Apart for long: something that scores do not show. "
                + WARNING,
                NO_ESTIMATE,
                "TocsinError",
            ),
            "percentunit",
            beside("accuracy", "accuracy"),
            12,
            8,
        ),
        (
            Words(
                "Other estimates, as shares",
                f"Precision, recall, F1 and areas under curves as expected of scores, with limits (dashed). {WARNING}",
                NO_ESTIMATE,
                "TocsinError",
            ),
            "percentunit",
            several(tuple(f"estimated_{name}" for name in ESTIMATED), "_ratio"),
            6,
            8,
        ),
        (
            Words(
                "Other estimates, in their own units",
                f"Brier score and log loss as expected of scores, with limits (dashed). {WARNING}",
                NO_ESTIMATE,
                "TocsinError",
            ),
            "none",
            several(tuple(f"estimated_{name}" for name in ESTIMATED_LOSSES)),
            6,
            8,
        ),
    ),
    Task.REGRESSION: (
        (
            Words(
                "Absolute error, estimated and measured",
                "Mean distance of number and truth that features and predictions lead to expect, with its 95 % "
                "interval and the rule's limit (dashed), beside what labels said later. It is a sum of effects of one "
                f"feature and the prediction each: what only two features together do is not in it. {WARNING}",
                NO_ESTIMATE,
                "TocsinError",
            ),
            "short",
            beside("mean_absolute_error", "absolute error", share=False),
            12,
            8,
        ),
        (
            Words(
                "Root mean squared error, estimated and measured",
                "As beside it, of squares: far misses move it most, and are what is hardest to expect. " + WARNING,
                NO_ESTIMATE,
                "TocsinError",
            ),
            "short",
            beside("root_mean_squared_error", "root mean squared error", share=False),
            12,
            8,
        ),
    ),
    Task.RANKING: (),
}
