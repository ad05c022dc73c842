"""The worlds in which bands are tried: rows at a rate, means that follow the clock, wander, and come in sessions."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.rows import NumericColumn, Predictions

DAY_S, MINUTES = 86_400.0, 1_440
MONDAY_S = 1_704_067_200.0  # 2024-01-01, UTC


@dataclass(frozen=True)
class World:
    """Numeric features of mean 0 and deviation 1, but for what is said here; amounts in standard deviations."""

    daily: float = 0.0  # amplitude of the mean by the hour of the day
    swing: float = 0.0  # of the traffic
    wander: float = 0.0
    memory_h: float = 3.0
    session: int = 1  # rows that come together
    agree: float = 0.0  # their correlation
    rows_a_minute: float = 60.0
    features: int = 4

    def means(self, days, rng):
        """Means f8[minutes, features]."""
        minutes = np.arange(int(days * MINUTES))
        daily = self.daily * np.cos(2 * np.pi * (minutes / 60 - 15) / 24)
        keep = np.exp(-1 / (60 * self.memory_h))
        steps = rng.normal(size=(len(minutes), self.features)) * self.wander * np.sqrt(1 - keep**2)
        steps[0] = rng.normal(size=self.features) * self.wander
        if self.wander:
            for t in range(1, len(steps)):
                steps[t] += keep * steps[t - 1]
        return daily[:, np.newaxis] + steps

    def rates(self, days):
        """Rows of each minute, on average."""
        hours = np.arange(int(days * MINUTES)) / 60
        return self.rows_a_minute * (1 + self.swing * np.cos(2 * np.pi * (hours - 14) / 24))

    def rows(self, days, seed, start=MONDAY_S):
        """Times f8[n] and values f8[n, features]; and the means."""
        rng = np.random.default_rng(seed)
        means = self.means(days, rng)
        sessions = rng.poisson(self.rates(days) / self.session)
        minute = np.repeat(np.repeat(np.arange(len(sessions)), sessions), self.session)
        many = sessions.sum()
        shared = np.repeat(rng.normal(size=(many, self.features)), self.session, axis=0)
        own = rng.normal(size=(len(minute), self.features))
        values = means[minute] + np.sqrt(self.agree) * shared + np.sqrt(1 - self.agree) * own
        times = start + 60.0 * minute + rng.uniform(0, 60, len(minute))
        return times, values, means


W1 = World()
W2 = World(daily=0.3, swing=0.5)
W3 = World(wander=0.1, session=10, agree=0.3)
W4 = World(wander=0.1, memory_h=24.0)


def rain(days, seed, wet=0.05, spell_h=5.0, rows_a_minute=1.0):
    """Times and one column: 0 in dry hours, an amount in wet ones, which come in spells of some hours."""
    rng = np.random.default_rng(seed)
    leave, begin = (1 / spell_h, wet / (1 - wet) / spell_h) if wet < 1 else (0.0, 1.0)
    wets, state = [], False
    for draw in rng.random(24 * days):
        state = draw >= leave if state else draw < begin
        wets.append(state)
    many = int(days * 1440 * rows_a_minute)
    times = np.sort(rng.uniform(0, days * 86_400, many))
    falls = np.array(wets)[(times // 3600).astype(int)]
    return MONDAY_S + times, np.where(falls, rng.uniform(0.1, 1, many), 0.0)[:, np.newaxis]


def shares_above(edges, means):
    """True shares of normal values above `edges`, around these means."""
    return np.vectorize(NormalDist().cdf)(means - edges)


def schema(features):
    named = tuple(Feature(f"x{i}", FeatureKind.NUMERIC) for i in range(features))
    return Schema(ModelName("m"), named, ("a", "b"), "b")


def batch(times, values, outputs=None, scores=None):
    """One batch of history of these numbers."""
    clean = np.zeros(len(times), bool)
    columns = {
        f"x{i}": NumericColumn(values[:, i], clean | np.isnan(values[:, i]), clean) for i in range(values.shape[1])
    }
    outputs = np.zeros(len(times), np.uint8) if outputs is None else outputs
    scores = np.full(len(times), np.nan) if scores is None else scores
    rows = Predictions.unsent(columns, times=times, outputs=outputs, scores=scores)
    return HistoryBatch(rows, np.full(len(times), NO_LABEL))


def build(times, values, size=200_000, **rest):
    """The reference of these rows, in batches of `size`."""

    def batches():
        for first in range(0, len(times), size):
            yield batch(times[first : first + size], values[first : first + size])

    return build_reference(batches, schema(values.shape[1]), lambda _: None, **rest)
