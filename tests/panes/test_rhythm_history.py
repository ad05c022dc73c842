"""Rain under the budget: a history pages by itself no more than is bought, and rain that never ends is told."""

from functools import cache

import numpy as np
import pytest
from rhythmworld import MONDAY_S, batch, build, rain

from monitor.detectors.sequential import Ledger, Plan, Tier, step
from monitor.panes import rhythm_fit
from monitor.panes.binning import bin_rows
from monitor.panes.count import count_rows
from monitor.panes.layout import Layout
from monitor.panes.signals import Signals

DAYS = 42
LEDGER = Ledger()


@cache
def hours(days, seed, wet=0.05):
    """Rows of each hour."""
    times, values = rain(days, seed, wet)
    cuts = np.searchsorted(times, MONDAY_S + 3600 * np.arange(1, 24 * days))
    return [batch(*each).predictions for each in zip(np.split(times, cuts), np.split(values, cuts), strict=True)]


def pages(reference, rows):
    """The hours in which a group reached the budget of a page, one a crossing."""
    layout = Layout.of(reference)
    table = Signals.table(layout)
    plan, rhythm, state, found = Plan.of(table, LEDGER), reference.rhythm, None, []
    first = int(MONDAY_S // 3600)
    bounds = [rhythm.bounds(hour) for hour in range(rhythm.period)]
    for hour, each in enumerate(rows):
        counted = table.count(count_rows(layout, bin_rows(layout, each)).counts)
        told = [(bounds[(first + hour) % rhythm.period], counted)]
        said, state = step(plan, told, 60.0, state, MONDAY_S + 3600.0 * (hour + 1))
        found += [hour for crossing in said.crossings if crossing.tier is Tier.PAGE]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_history_of_spells_pages_by_itself_within_the_budget(seed):
    found = pages(build(*rain(DAYS, seed)), hours(DAYS, seed))
    assert len(found) <= DAYS * 1440 / LEDGER.page


def test_with_the_design_effect_of_minutes_alone_it_pages_at_every_spell(monkeypatch):
    monkeypatch.setattr(rhythm_fit, "temper", lambda _group, _edges, designs, _kinds: np.ones(len(designs)))
    assert len(pages(build(*rain(DAYS, 1)), hours(DAYS, 1))) > 3 * DAYS * 1440 / LEDGER.page


def test_the_spells_of_the_months_that_follow_stay_within_the_budget():
    reference = build(*rain(DAYS, 1))
    found = sum(len(pages(reference, hours(DAYS, seed))) for seed in (11, 12, 13))
    bought = 3 * DAYS * 1440 / LEDGER.page * LEDGER.features
    assert found <= bought + 3 * bought**0.5


def test_rain_that_never_ends_is_told_within_days():
    found = pages(build(*rain(DAYS, 1)), hours(14, 5, wet=1.0))
    assert found
    assert found[0] < 24 * 10
