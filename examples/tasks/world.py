"""Three models of the flights that left New York in 2013, one of each task, and what they say of any of them.

- `minutes`, a regression: how far behind its schedule will the flight arrive? Least squares on binned features, so that
  its checkpoint is a table of minutes which the example model server can serve. `minutes-2` learned from labels to half
  of which somebody added two hours.
- `band`, a classification of four classes with all their probabilities: multinomial logistic regression.
- `choice`, a ranking: of the flights that leave for the same place within six hours, which one is to be taken? Those
  that `minutes` expects to be least late come first.

Learned from January and February; weather is in degrees Fahrenheit.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.demo.flights import HOUR_S, Flights, Ints, flight_id

Floats = NDArray[np.float64]

NUMERIC: Final = ("minute_of_day", "departures_in_hour", "distance", "temp", "wind_speed")
CATEGORICAL: Final = ("carrier", "origin")
OF_CHOICE: Final = ("minute_of_day", "distance", "temp", "origin")
CLASSES: Final = ("early", "on_time", "late", "very_late")
BOUNDS: Final = (-10.0, 15.0, 60.0)  # minutes behind the schedule, between the classes
LEARNED_MOST: Final = 180.0  # a delay of a day is no reason to expect more of every other flight
AHEAD_S: Final = 6 * HOUR_S
LISTED_MIN, LISTED_MAX = 3, 8
BINS: Final = 12


def celsius(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """What a feed gives after somebody has changed its units."""
    return columns | {"temp": [None if degrees is None else (degrees - 32) / 1.8 for degrees in columns["temp"]]}


@dataclass
class World:
    """The flights, and models of them."""

    flights: Flights
    learned: Ints  # rows that the models learned from
    seed: int = 2013

    def columns(self, rows: Ints) -> dict[str, list[Any]]:
        """Features of these flights as JSON knows them."""
        every = self.flights.features(rows)
        return {name: every[name] for name in (*NUMERIC, *CATEGORICAL)}

    # ---- the regression

    def minutes(self, *, hostile: bool = False) -> dict[str, Any]:
        """Fit a checkpoint of the example model server's; `hostile`: half of its labels say two hours more."""
        truth = np.clip(self.flights.delay[self.learned], None, LEARNED_MOST)
        if hostile:
            truth = truth + 120.0 * (np.random.default_rng(self.seed).random(len(truth)) < 0.5)
        blocks = [self._indicators(table, self.columns(self.learned)) for table in self._tables]
        x, widths = np.hstack(blocks), [block.shape[1] for block in blocks]
        mean = float(truth.mean())
        weights = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (truth - mean))
        features = []
        for table, part in zip(self._tables, np.split(weights, np.cumsum(widths)[:-1]), strict=True):
            *known, missing = part.tolist()
            named = known if table["kind"] == "numeric" else dict(zip(table["weights"], known, strict=True))
            features.append(table | {"weights": named, "missing": missing})
        return {"format": "sum/1", "intercept": mean, "features": features}

    def expected(self, checkpoint: dict[str, Any], columns: dict[str, list[Any]]) -> Floats:
        """What a checkpoint of the regression answers, as the model server does."""
        total = np.full(len(columns["temp"]), checkpoint["intercept"])
        for table in checkpoint["features"]:
            weights = table["weights"] if table["kind"] == "numeric" else list(table["weights"].values())
            total += self._indicators(table, columns) @ np.array([*weights, table["missing"]])
        return total

    # ---- the classification

    @cached_property
    def band(self) -> Any:
        """Fit scikit-learn's logistic regression of four classes."""
        from scipy.sparse import csr_array
        from sklearn.linear_model import LogisticRegression  # a second that only `prepare` and `play` pay

        rows = csr_array(self._matrix(self.columns(self.learned)))  # 7 of 85 cells are 1: a tenth of the work
        return LogisticRegression(C=0.3, max_iter=200).fit(rows, self.bands(self.learned))

    def bands(self, rows: Ints) -> Any:
        """The class of each flight, as an index."""
        return np.searchsorted(BOUNDS, self.flights.delay[rows], side="right")

    def probabilities(self, columns: dict[str, list[Any]]) -> Floats:
        """Probability of each class, shape (rows, classes)."""
        found: Floats = self.band.predict_proba(self._matrix(columns))
        return found

    # ---- the ranking

    def listed(self, row: int) -> Ints:
        """The flights that somebody who stands there at this one's departure may choose from, in order of departure."""
        flights = self.flights
        soon = flights.departing(flights.time[row], flights.time[row] + AHEAD_S)
        there: Ints = soon[flights.categorical["dest"][soon] == flights.categorical["dest"][row]]
        return there[:LISTED_MAX]

    def best(self, served: Ints) -> tuple[int, float] | None:
        """Place, counted from 1, of the flight that arrived least late, and when that was known; None: never."""
        delay = self.flights.delay[served]
        if np.isnan(delay).all():
            return None
        return int(np.nanargmin(delay)) + 1, float(np.nanmax(self.flights.truth_time[served]))

    # ---- what they are made of

    @cached_property
    def _tables(self) -> list[dict[str, Any]]:
        """Cells of each feature; weights of categories are still 0."""
        columns = self.columns(self.learned)
        tables: list[dict[str, Any]] = []
        for name in NUMERIC:
            values = np.array(columns[name], np.float64)
            edges = np.unique(np.nanquantile(values, np.linspace(0, 1, BINS + 1)[1:-1]))
            tables.append({"name": name, "kind": "numeric", "edges": edges.tolist()})
        known = {name: dict.fromkeys(sorted(set(columns[name])), 0) for name in CATEGORICAL}
        return tables + [{"name": name, "kind": "categorical", "weights": found} for name, found in known.items()]

    def _matrix(self, columns: dict[str, list[Any]]) -> Floats:
        return np.hstack([self._indicators(table, columns) for table in self._tables])

    @staticmethod
    def _indicators(table: dict[str, Any], columns: dict[str, list[Any]]) -> Floats:
        """One column per cell of the feature, the last one for missing; each row has a single 1."""
        cells = columns[table["name"]]
        if table["kind"] == "numeric":
            values, missing = np.array(cells, np.float64), len(table["edges"]) + 1
            cell = np.where(np.isnan(values), missing, np.searchsorted(table["edges"], values, side="right"))
        else:
            place, missing = {value: i for i, value in enumerate(table["weights"])}, len(table["weights"])
            cell = np.array([place.get(value, missing) for value in cells])
        return np.eye(missing + 1)[cell]


def encode(checkpoint: dict[str, Any]) -> bytes:
    """Bytes of a checkpoint file: the same for the same model."""
    return json.dumps(checkpoint, sort_keys=True, indent=1).encode() + b"\n"


def names(rows: Ints) -> list[str]:
    """Ids of flights."""
    return [flight_id(row) for row in rows.tolist()]
