"""Tocsin: the 20 features counted and compared, the same with a whole pane, and a look at a day of panes in the store.

The readings after counting are made of a pane of the same rows that was counted before, as `count_joint` alone makes
no pane; they take half a millisecond. A look is short, so that 50 of them are measured at once.
"""

import atexit
from contextlib import ExitStack

import numpy as np

from bench.counting import compared, feature_bins, whole_pane
from bench.look import empty, look, rules_of, spread
from monitor.decisions.rules import Rule
from monitor.facts import Pane, Reading
from monitor.panes.binning import bin_rows
from monitor.panes.count import count_rows
from monitor.panes.views import Views
from monitor.turns.reading import read_all

STORES = ExitStack()
atexit.register(STORES.close)


def prepare(window, reference):
    data = compared(window, reference, np.random.default_rng(9).random(window.shape[1]))
    layout, rules = data.layout, rules_of()
    psi = tuple(rule for rule in rules if rule.name.endswith("_psi"))
    known, binned = Views(layout, layout.reference_pane()), bin_rows(layout, data.rows)
    pane = count_rows(layout, binned)
    store = STORES.enter_context(empty())
    spread(store, layout, binned, data.rows.n)
    return {
        "feature bins, PSI": lambda: lambda: (feature_bins(data), distances(psi, known, pane))[1],
        "whole pane, PSI": lambda: lambda: (whole_pane(data), distances(psi, known, pane))[1],
        "50 looks, PSI": lambda: lambda: [of_features(look(store, known, psi)[1]) for _ in range(50)][-1],
        "50 looks": lambda: lambda: [of_features(look(store, known, rules)[1]) for _ in range(50)][-1],
    }


def distances(rules: tuple[Rule, ...], known: Views, pane: Pane) -> list[float]:
    window = Views(known.layout, pane)
    return of_features([read_all(rule, known, window) for rule in rules])


def of_features(readings: list[dict[str, Reading]]) -> list[float]:
    """Of the first rule, which is the PSI of the features."""
    return [float(reading.value) for reading in readings[0].values()]
