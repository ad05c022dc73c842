"""The Model dashboard's row on what pages: the evidence of each family against the budgets, and what is latched."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana.board import Line, Role, Words, lines, states
from grafana.queries import SCOPE
from grafana.words import VERMILLION

NO_BUDGET: Final = "The rules set no budget of false alarms, the reference has no bands, or nothing was bet on yet"
NOTHING_LATCHED: Final = "Nothing crossed its budget in this time range"
LATCHED: Final = {1: ("latched", VERMILLION)}
_BUDGET: Final = f"tocsin_sequential_budget_seconds{{{SCOPE}"


def add(made: board.Dashboard) -> None:
    """Append the row."""
    made.with_row(board.Row("What pages"))
    made.with_panel(
        lines(
            Words(
                "Evidence by family",
                "Natural logarithm of the evidence of each family's loudest group over the budget of a page: at 0 it "
                "pages. The dashed lines are the budgets of a warning and a page. It falls while rows stay inside "
                "their bands, and begins again after each crossing, so that what goes on crosses again and again.",
                NO_BUDGET,
                "TocsinDrift",
            ),
            "none",
            [Line(_evidence(), "{{family}}"), Line(_tiers(), "{{tier}}", Role.LIMIT)],
            12,
            10,
        )
    )
    made.with_panel(
        states(
            Words(
                "Latched groups",
                "Groups that crossed a budget and are not calm yet: each told once. Of `rollback` one for each family.",
                NOTHING_LATCHED,
                "TocsinDrift",
            ),
            f"max by (rule, group) (tocsin_sequential_latched{{{SCOPE}}})",
            "{{rule}} {{group}}",
            LATCHED,
            12,
            10,
        )
    )


def _evidence() -> str:
    """That of the tier that pages. The tier `rollback` weighs families otherwise, some of them not at all."""
    return f'max by (family) (tocsin_sequential_log_odds{{{SCOPE}, tier="page"}})'


def _tiers() -> str:
    """Where its budget and that of a warning lie, counted in the page's."""
    return (
        f'max by (tier) (ln({_BUDGET}, tier=~"warn|page"}} / ignoring (tier) group_left () {_BUDGET}, tier="page"}}))'
    )
