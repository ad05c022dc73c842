"""Colours and words that mean the same on every panel.

The colours are Okabe and Ito's ("Color Universal Design", 2008): distinct with every common colour blindness. A colour
never stands alone: a cell says its word too. `unknown` is grey and nothing else is; only `ok` is green.
"""

from typing import Final

from grafana_foundation_sdk.models import dashboard

GREEN: Final = "#009E73"
VERMILLION: Final = "#D55E00"
ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
BLUE: Final = "#0072B2"
PURPLE: Final = "#CC79A7"
YELLOW: Final = "#F0E442"
GREY: Final = "#8E8E8E"
PLAIN: Final = "text"

FAMILIES: Final = ("labels", "paired", "output", "features", "quality", "volume", "fairness", "identity")

OK: Final = 1
UNKNOWN: Final = 2
BROKEN: Final = 3
BREACH: Final = 4
"""Verdicts as numbers: the worst of several is their maximum; what is partly unknown is not called ok."""

VERDICTS: Final = {
    OK: ("ok", GREEN),
    UNKNOWN: ("unknown", GREY),
    BROKEN: ("broken", PURPLE),
    BREACH: ("breach", VERMILLION),
}
ALERTS: Final = {0: ("inactive", GREEN), 1: ("pending", YELLOW), 2: ("firing", VERMILLION), 3: ("resolved", BLUE)}
STATUSES: Final = {
    "known_good": ("known-good", GREEN),
    "candidate": ("candidate", SKY),
    "quarantined": ("quarantined", VERMILLION),
    "revoked": ("revoked", VERMILLION),
    "unregistered": ("unregistered", VERMILLION),
    "transition": ("in transition", YELLOW),
    "unsteady": ("takes turns", VERMILLION),
}
LOADED: Final = {"0": ("no", VERMILLION), "1": ("yes", "transparent")}
VERDICT_CELLS: Final = {str(value): said for value, said in VERDICTS.items()}


def mapping(words: dict[int, tuple[str, str]]) -> list[dashboard.ValueMapping]:
    """Show numbers as words, each in its colour."""
    options = {
        str(value): dashboard.ValueMappingResult(text=word, color=color, index=value)
        for value, (word, color) in words.items()
    }
    return [dashboard.ValueMap(options=options)]
