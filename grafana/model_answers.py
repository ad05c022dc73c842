"""The Model dashboard's row on answers against the reference: scores and classes, numbers, lengths of lists."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, heat_map, lines
from grafana.queries import DISTANCES, READING, SCOPE, any_of, ever, limits, live_share, reference_share
from grafana.words import GREEN, PURPLE, SKY, YELLOW
from monitor.facts import Task

NO_ROWS: Final = "No rows in this time range, or the daemon was not scraped"
NO_SCORE: Final = "No rows in this time range, or they came without scores"
NO_RULE: Final = "No rule reads this, its window has too few rows yet, or the daemon was not scraped"
TITLES: Final = {
    Task.CLASSIFICATION: "Output and score against the reference",
    Task.REGRESSION: "Predicted numbers against the reference",
    Task.RANKING: "Served lists against the reference",
}
NAMES: Final = {Task.CLASSIFICATION: "Output", Task.REGRESSION: "Predicted number", Task.RANKING: "Length of lists"}
NUMBERED: Final = " Bins are numbered from the lowest values up."


def add(made: board.Dashboard, task: Task) -> None:
    """Append the row."""
    made.with_row(board.Row(TITLES[task]))
    numbered = "" if task is Task.CLASSIFICATION else NUMBERED
    if task is Task.CLASSIFICATION:
        _shares(made, "score", "le", Words("Score", "the score.", NO_SCORE))
    _shares(made, "output", "bin", Words(NAMES[task], f"{_answered(task)}.{numbered}", NO_ROWS))
    _distance(made, task)
    if task is Task.CLASSIFICATION:
        _classes(made)
    else:
        _where(made, task)


def _answered(task: Task) -> str:
    return {
        Task.CLASSIFICATION: "the output",
        Task.REGRESSION: "the predicted number",
        Task.RANKING: "the number of items in the served list",
    }[task]


def _shares(made: board.Dashboard, drawn: str, by: str, said: Words) -> None:
    """Heat maps of the live rows, of the reference, and of the difference."""
    live, reference = live_share(drawn, by), reference_share(drawn, by)
    what = f"Share of the rows in each bin of {said.what}"
    over = Words(f"{said.title} over time", f"{what} Each row of cells is a bin of the reference profile.", said.absent)
    made.with_panel(heat_map(over, "percentunit", live, f"{{{{{by}}}}}", 10))
    frozen = Words(f"{said.title}, reference", f"As it was in the reference profile: {_small(what)}", said.absent)
    made.with_panel(heat_map(frozen, "percentunit", reference, f"{{{{{by}}}}}", 4))
    moved = Words(
        f"{said.title}, difference",
        f"{what} The same of the reference is taken off: purple came more often than it should, orange less; full "
        "colour at 0.3.",
        said.absent,
        "TocsinDrift",
    )
    difference = f"{live} - on ({by}) {reference}"
    made.with_panel(heat_map(moved, "percentunit", difference, f"{{{{{by}}}}}", 10, diverging=True))


def _small(text: str) -> str:
    return text[0].lower() + text[1:]


def _distance(made: board.Dashboard, task: Task) -> None:
    of_scores = task is Task.CLASSIFICATION
    words = Words(
        "Distance of score and output" if of_scores else f"Distance of {_small(NAMES[task])}",
        "Distances from the reference profile with the limits of their rules (dashed). If the known-good "
        "moved as much on the same rows, the world moved, and a rollback will not undo it."
        if task is not Task.RANKING
        else "Distances from the reference profile with the limits of their rules (dashed). Only the lengths are "
        "compared: which items are in them is not kept.",
        NO_RULE,
        "TocsinDrift",
    )
    found = _distances("score", SKY) if of_scores else []
    found += _distances("output", GREEN if of_scores else SKY)
    if of_scores:
        shift = f"tocsin_output_class_shift_ratio{{{READING}}}"
        found.append(Line(shift, "{{rule}}, {{reference}}", Role.VALUE, YELLOW))
        limit = f"tocsin_output_class_shift_limit_ratio{{{READING}}}"
        found.append(Line(limits(limit), "limit of {{rule}}", Role.LIMIT))
    made.with_panel(lines(words, "none", found, 8 if of_scores else 12))


def _distances(subject: str, color: str) -> list[Line]:
    value = any_of(f"tocsin_{subject}_", DISTANCES, "", READING)
    limit = any_of(f"tocsin_{subject}_", DISTANCES, "_limit", READING)
    one = Role.VALUE if subject == "score" else Role.PLAIN  # the packs read several distances of an output
    return [
        Line(value, "{{rule}}, {{reference}}", one, color),
        Line(limits(limit), "limit of {{rule}}", Role.LIMIT),
    ]


def _classes(made: board.Dashboard) -> None:
    made.with_panel(
        lines(
            Words(
                "Output of the window",
                "Predictions of the newest window by what was answered. A class that takes over or vanishes is "
                "seen here first.",
                NO_ROWS,
                "TocsinDrift",
            ),
            "short",
            [Line(ever(f"tocsin_output_rows{{{SCOPE}}}"), "{{class}}")],
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Answers and truths",
                "Labelled rows of the newest window by what was answered and what was true: which mistakes it makes. "
                "The newest window waits for labels, so that its lines start low.",
                "No labels yet",
                "TocsinError",
            ),
            "short",
            [Line(ever(f"tocsin_confusion_rows{{{SCOPE}}}"), "{{predicted}}, was {{label}}")],
            8,
        )
    )


def _where(made: board.Dashboard, task: Task) -> None:
    """Where the answers lie, in their own unit."""

    def at(quantile: str, whose: str = "") -> str:
        return f'tocsin_{whose}output_quantile{{{SCOPE}, quantile="{quantile}"}}'

    what = (
        "the predicted numbers of the newest window, in the target's unit"
        if task is Task.REGRESSION
        else ("the lengths of the newest window's lists")
    )
    made.with_panel(
        lines(
            Words(
                f"{NAMES[task]}, quantiles",
                f"Where nine tenths of {what} lie (the band), their median and their mean; dotted, the same of the "
                "reference profile. Quantiles are interpolated inside the bins.",
                NO_ROWS,
                "TocsinDrift",
            ),
            "short",
            [
                Line(at("0.05"), "5 % to 95 % low", Role.LOW),
                Line(at("0.95"), "5 % to 95 % high", Role.HIGH),
                Line(at("0.5"), "median", Role.VALUE),
                Line(f"tocsin_output_mean{{{SCOPE}}}", "mean", Role.VALUE, GREEN),
                Line(at("0.5", "reference_"), "median of the reference", Role.REFERENCE, SKY),
                Line(f"tocsin_reference_output_mean{{{SCOPE}}}", "its mean", Role.REFERENCE, GREEN),
                Line(at("0.05", "reference_"), "its 5 %", Role.REFERENCE, PURPLE),
                Line(at("0.95", "reference_"), "its 95 %", Role.REFERENCE, PURPLE),
            ],
            12,
        )
    )
