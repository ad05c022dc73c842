"""The Model dashboard's rows on features: which moved, and one of them in full."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana.board import Line, Role, Words, column, columns, heat_map, lines, prop, rows, verdicts
from grafana.queries import (
    DISTANCES,
    FEATURE,
    QUALITIES,
    SCOPE,
    any_of,
    limits,
    live_share,
    over_limit,
    reference_share,
)
from grafana.words import BREACH, BROKEN, GREEN, OK, PURPLE, SKY, UNKNOWN, VERDICT_CELLS

NO_RULE: Final = "No rule reads features, too few rows yet, or the daemon was not scraped"
NO_READING: Final = "No rule reads this of the chosen feature, or too few rows yet"
NO_BINS: Final = "No rows in this time range, or this feature's bins are beyond the daemon's cap on series"


def add(made: board.Dashboard) -> None:
    """Append both rows."""
    made.with_row(board.Row("Features"))
    worst = f"max by (feature, rule) ({over_limit()})"
    chosen = f"topk($top, max by (feature, rule) ({over_limit(at=' @ end()')}))"
    made.with_panel(
        heat_map(
            Words(
                "Moving features",
                "Reading over limit of the features that are nearest to theirs, or furthest past, at the end of "
                "the time "
                "range: 1 is the limit, whatever the detector. Choose one above to see it in full.",
                NO_RULE,
                "TocsinDrift",
            ),
            "none",
            f"{worst} and on (feature, rule) {chosen}",
            "{{feature}}, {{rule}}",
            12,
            12,
        )
    )
    made.with_panel(_table())
    made.with_row(board.Row("Feature $feature"))
    _one(made)


def _table() -> table.Panel:
    words = Words(
        "Worst features now",
        "Reading over limit, newest, with its verdict and the rows it rests on. The daemon keeps the worst when "
        "there are "
        "more features than its cap on series, and pools the rest as __other__.",
        NO_RULE,
        "TocsinDrift",
    )
    labels = f'{SCOPE}, segment=~"$segment", reference=~"$reference"'
    numbers = (("breach", BREACH), ("broken", BROKEN), ("ok", OK), ("unknown", UNKNOWN))
    said = " or ".join(
        f'max by (feature, rule) (tocsin_reading_verdict{{{labels}, feature!="", verdict="{word}"}}) * 0 + {number}'
        for word, number in numbers
    )
    worst = f"topk($top, max by (feature, rule) ({over_limit()}))"
    counted = f'min by (feature, rule) (tocsin_reading_rows{{{labels}, feature!=""}})'
    kept = f"and on (feature, rule) {worst}"
    panel = rows(words, [worst, f"({said}) {kept}", f"{counted} {kept}"], 12, 12)
    names = {
        "feature": "Feature",
        "rule": "Rule",
        "Value #A": "Over limit",
        "Value #B": "Verdict",
        "Value #C": "Rows",
    }
    columns(panel, names)
    panel.with_transformation(
        DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": "Over limit", "desc": True}]})
    )
    column(panel, "Over limit", "none", 100, prop("decimals", 2))
    column(panel, "Verdict", "none", 90, *verdicts(VERDICT_CELLS))
    column(panel, "Rows", "short", 90, prop("decimals", 0))
    return panel


def _one(made: board.Dashboard) -> None:
    labels = f'{SCOPE}, feature="$feature"'
    live, frozen = live_share("feature", "bin", labels), reference_share("feature", "bin", labels)
    what = "Share of the rows in each bin (numbered from the lowest values up) or category of the feature"
    made.with_panel(heat_map(Words("Values over time", f"{what}.", NO_BINS), "percentunit", live, "{{bin}}", 10))
    words = Words("Values, reference", f"{what}, as it was in the reference profile.", NO_BINS)
    made.with_panel(heat_map(words, "percentunit", frozen, "{{bin}}", 4))
    words = Words(
        "Values, difference",
        f"{what}, minus the same of the reference: purple came more often than it should, orange less; full "
        "colour at 0.3.",
        NO_BINS,
        "TocsinDrift",
    )
    made.with_panel(heat_map(words, "percentunit", f"{live} - on (bin) {frozen}", "{{bin}}", 10, diverging=True))
    made.with_panel(
        lines(
            Words("Distances", "Distances of the feature from its reference with their limits (dashed).", NO_READING),
            "none",
            [
                Line(any_of("tocsin_feature_", DISTANCES, "", FEATURE), "{{rule}}, {{reference}}"),
                Line(limits(any_of("tocsin_feature_", DISTANCES, "_limit", FEATURE)), "limit of {{rule}}", Role.LIMIT),
            ],
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Quality",
                "Share of rows that are missing, of the wrong type, not finite, out of the reference's range or "
                "unseen, "
                "with their limits (dashed). Look at whoever produces the feature before looking at the model.",
                NO_READING,
                "TocsinQuality",
            ),
            "percentunit",
            [
                Line(f"max by (rule) ({any_of('tocsin_feature_', QUALITIES, '_ratio', FEATURE)})", "{{rule}}"),
                Line(
                    limits(any_of("tocsin_feature_", QUALITIES, "_limit_ratio", FEATURE)),
                    "limit of {{rule}}",
                    Role.LIMIT,
                ),
            ],
            8,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Quantiles",
                "Where nine tenths of the feature's newest window lie (the band), its median and its mean, in its own "
                "unit; dotted, the same of the reference profile. Quantiles are interpolated inside the bins.",
                "Not a number, no rows yet, or beyond the daemon's cap on series",
            ),
            "short",
            _quantiles(labels),
            8,
        )
    )


def _quantiles(labels: str) -> list[Line]:
    """The window's 5 %, 95 %, median and mean; the reference's beside them."""

    def at(quantile: str, whose: str = "") -> str:
        return f'tocsin_{whose}feature_quantile{{{labels}, quantile="{quantile}"}}'

    return [
        Line(at("0.05"), "5 % to 95 % low", Role.LOW),
        Line(at("0.95"), "5 % to 95 % high", Role.HIGH),
        Line(at("0.5"), "median", Role.VALUE),
        Line(f"tocsin_feature_mean{{{labels}}}", "mean", Role.VALUE, GREEN),
        Line(at("0.05", "reference_"), "5 % of the reference", Role.REFERENCE, PURPLE),
        Line(at("0.5", "reference_"), "its median", Role.REFERENCE, SKY),
        Line(f"tocsin_reference_feature_mean{{{labels}}}", "its mean", Role.REFERENCE, GREEN),
        Line(at("0.95", "reference_"), "95 % of the reference", Role.REFERENCE, PURPLE),
    ]
