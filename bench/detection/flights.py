"""Flights out of New York in 2013, February and March learned, April to December live: a season, storms, gaps.

The demo's features, with its scorecard, fitted to the truths known by April, as the model. A row's time is its
scheduled departure, as in the demo. What is true of the year: the weather table has gaps, in which flights of an
airport have no weather at all; light winds of summer have no direction; summer is warmer than March; and there are
new destinations.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bench.detection.columns import categories, numbers, rows_of
from monitor.demo import train
from monitor.demo.flights import CATEGORICAL, CLASSES, NUMERIC, Flights, Ints, load
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.build import HistoryBatch
from monitor.panes.rows import Predictions

LEARNED = (2, 4)  # months, the second one not included
LIVE = (4, 13)
GAP_H = 12  # between hours of one incident, at most: a night without flights ends none
ROWS_MIN = 10  # of an incident


def schema() -> Schema:
    """What the model is fed."""
    numeric = tuple(Feature(name, FeatureKind.NUMERIC) for name in NUMERIC)
    categorical = tuple(Feature(name, FeatureKind.CATEGORICAL) for name in CATEGORICAL)
    return Schema(ModelName("flights"), numeric + categorical, CLASSES, "late")


def month_start(month: int) -> float:
    """Seconds since 1970 at which a month of 2013 begins, UTC; 13 is the next January."""
    return float(calendar.timegm((2013 + month // 13, (month - 1) % 12 + 1, 1, 0, 0, 0)))


@dataclass(frozen=True, slots=True)
class Incident:
    """A gap in the weather table, as flights met it."""

    start: float  # of its first hour
    hours: int
    rows: int


class Year:
    """The flights with the model's answers."""

    def __init__(self, flights: Flights | None = None) -> None:
        """Fit the model to what was known by April."""
        self.flights = flights = load() if flights is None else flights
        known = self.between(*LEARNED)
        known = known[flights.truth_time[known] < month_start(LEARNED[1])]
        checkpoint = train.fit(flights, known, flights.late[known])
        self._tables, self._intercept = checkpoint["features"], checkpoint["intercept"]

    def history(self) -> list[HistoryBatch]:
        """The learned months, with the truths that came."""
        rows = self.between(*LEARNED)
        truths = self.flights.late[rows].astype(np.float64)
        return [HistoryBatch(self.rows(rows), np.where(truths < 0, np.nan, truths))]

    def live(self) -> Iterator[Predictions]:
        """The other months, one after the other."""
        for month in range(*LIVE):
            yield self.rows(self.between(month, month + 1))

    def labelled(self) -> Iterator[HistoryBatch]:
        """The other months with the truths that came, and when: as the aircraft was at its gate."""
        for month in range(*LIVE):
            rows = self.between(month, month + 1)
            truths = self.flights.late[rows].astype(np.float64)
            yield HistoryBatch(self.rows(rows), np.where(truths < 0, np.nan, truths), self.flights.truth_time[rows])

    def rows(self, chosen: Ints) -> Predictions:
        """Some of the flights as rows."""
        flights = self.flights
        columns = {name: numbers(flights.numeric[name][chosen]) for name in NUMERIC}
        words = {name: categories(pa.array(flights.categorical[name][chosen])) for name in CATEGORICAL}
        scores = self._scores(chosen)
        return rows_of(
            columns | words,
            flights.time[chosen].astype(np.float64),
            (scores >= train.THRESHOLD).astype(np.uint8),
            scores,
        )

    def incidents(self) -> list[Incident]:
        """Gaps of at least ROWS_MIN flights without any weather; hours at most GAP_H apart are one."""
        live = self.between(*LIVE)
        gone = live[np.isnan(self.flights.numeric["visib"][live])]
        hours, rows = np.unique(self.flights.time[gone] // 3600, return_counts=True)
        parts = np.split(np.arange(len(hours)), np.flatnonzero(np.diff(hours) > GAP_H) + 1)
        found = [
            Incident(3600.0 * hours[part[0]], int(np.ptp(hours[part])) + 1, int(rows[part].sum())) for part in parts
        ]
        return [incident for incident in found if incident.rows >= ROWS_MIN]

    def between(self, first: int, last: int) -> Ints:
        """Flights of these months, the last one not included."""
        return self.flights.departing(month_start(first), month_start(last))

    def _scores(self, chosen: Ints) -> np.ndarray:
        logit = np.full(len(chosen), self._intercept)
        for table in self._tables:
            weights = list(table["weights"].values()) if table["kind"] == "categorical" else table["weights"]
            logit += train.indicate(table, self.flights, chosen) @ np.array([*weights, table["missing"]])
        return 1 / (1 + np.exp(-logit))
