"""Views made by plain numpy from rows, not by panes: what a detector should be told of these rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monitor.facts import (
    FIXED_POINT,
    Arrivals,
    Chances,
    Curve,
    Errors,
    ExpectedErrors,
    Group,
    Groups,
    Histogram,
    Outcomes,
    PairedErrors,
    Pairs,
    Ranks,
    Scored,
    Subject,
    Task,
    View,
)
from monitor.panes.expected_read import calibrate
from monitor.panes.layout import LAG_EDGES_S

LAGS = len(LAG_EDGES_S) + 1
SCORE_EDGES = tuple(i / 64 for i in range(65))
CLASSES = ("no", "yes", "maybe", "never")


def lag(labelled: int) -> tuple[int, ...]:
    """All labels an hour later."""
    return tuple(labelled if i == 5 else 0 for i in range(LAGS))


def table(outputs, labels, k: int) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((k + 1, k + 1), int)
    np.add.at(counts, (np.asarray(outputs, int), np.asarray(labels, int)), 1)
    return tuple(map(tuple, counts.tolist()))


def curve(outcome: str, scores, came_true) -> Curve:
    scores, came_true = np.asarray(scores, float), np.asarray(came_true, bool)
    bins = np.minimum((scores * 64).astype(int), 63)
    counted = (np.bincount(bins[rows], minlength=64).tolist() for rows in (came_true, ~came_true))
    return Curve(outcome, *map(tuple, counted))


def outcomes(outputs, labels, *, scores=None, probabilities=None, k: int = 2, unlabelled: int = 0) -> Outcomes:
    """Of two classes `scores` are the second one's; of more, the top label's, and `probabilities` [n, k] of all."""
    outputs, labels = np.asarray(outputs, int), np.asarray(labels, int)
    classes, n = CLASSES[:k], len(outputs)
    confusion = table(outputs, labels, k)
    answers = tuple(np.bincount(outputs, minlength=k + 1).tolist())
    if scores is None:
        return Outcomes(n + unlabelled, confusion, 0, 0, lag(n), classes, all_outputs=answers)
    scores = np.asarray(scores, float)
    true = labels == 1 if k == 2 else labels == outputs
    curves = [curve(classes[1] if k == 2 else "", scores, true)]
    chance = np.where(true, scores, 1 - scores) if k == 2 else None
    if probabilities is not None:
        curves += [curve(name, probabilities[:, i], labels == i) for i, name in enumerate(classes)]
        chance = probabilities[np.arange(n), labels]
    losses = np.empty(0) if chance is None else -np.log(np.clip(chance, 1e-15, 1))
    squared = round(float(np.sum((scores - true) ** 2)) * FIXED_POINT)
    loss = round(float(losses.sum()) * FIXED_POINT)
    every = tuple(np.add(curves[0].hits, curves[0].misses).tolist())
    sums = (squared, lag(n), classes, tuple(curves), loss, len(losses))
    return Outcomes(n + unlabelled, confusion, n, *sums, answers, every)


def errors(predicted, labels, *, unlabelled: int = 0) -> Errors:
    predicted, labels = np.asarray(predicted, float), np.asarray(labels, float)
    e = predicted - labels
    losses = [(q, np.maximum(-q * e, (1 - q) * e)) for q in (0.1, 0.5, 0.9)]
    return Errors(
        len(e) + unlabelled,
        len(e),
        lag(len(e)),
        float(e.sum()),
        float(abs(e).sum()),
        float((e**2).sum()),
        float((e**4).sum()),
        math.fsum(labels),
        math.fsum((labels - labels.mean()) ** 2) if len(set(labels.tolist())) > 1 else 0.0,  # exact, as panes are
        tuple((q, float(loss.sum()), float((loss**2).sum())) for q, loss in losses),
    )


def ranks(lists: Sequence[Sequence[float]], ndcg: Sequence[float] = (), *, unlabelled: int = 0) -> Ranks:
    """Of gains by place; NDCG as another says it."""
    first = [next((place for place, gain in enumerate(gains, 1) if gain > 0), 0) for gains in lists]
    reciprocal, ndcg = np.array([1 / place if place else 0.0 for place in first]), np.asarray(ndcg, float)
    hits = tuple((k, sum(0 < place <= k for place in first)) for k in (1, 3, 5, 10))
    sums = (float(values.sum()) for values in (reciprocal, reciprocal**2, ndcg, ndcg**2))
    return Ranks(len(lists) + unlabelled, len(lists), lag(len(lists)), hits, *sums)


def chances(calibration, outputs, scores, *, k: int = 2, unscored: int = 0) -> Chances:
    """Of rows without labels, by a reference's (outputs, scores, labels). A bin's losses are those of its middle."""
    counts = np.zeros(((k + 1) * 64, 2), int)
    then, given, labels = (np.asarray(values) for values in calibration)
    true = labels == 1 if k == 2 else labels == then
    np.add.at(counts, (score_places(then, given), 1 - true), 1)
    return chances_of(counts, np.bincount(score_places(outputs, scores), minlength=len(counts)), k=k, unscored=unscored)


def chances_of(counts, rows, *, k: int = 2, unscored: int = 0) -> Chances:
    """By cells of output and score bin: `counts` [cells, 2] of the reference (true, not) and `rows` [cells]."""
    cells = np.arange((k + 1) * 64).reshape(-1, 64)
    numbers = calibrate(counts, [cells[[0, 2, 1]].T.ravel()] if k == 2 else list(cells))
    found = []
    for cell in np.flatnonzero(rows).tolist():
        middle = (cell % 64 + 0.5) / 64
        one, zero = -math.log(middle), -math.log(1 - middle)
        three = (float(each[cell]) for each in numbers)
        found.append(Scored(cell // 64, cell % 64, int(rows[cell]), *three, middle, one, one**2, zero, zero**2))
    labelled = int(counts.sum())
    return Chances(int(rows.sum()) + unscored, labelled, CLASSES[:k], 1 if k == 2 else None, tuple(found))


def score_places(outputs, scores):
    """Cells by output and score bin."""
    bins = np.minimum((np.asarray(scores, float) * 64).astype(int), 63)
    return np.asarray(outputs, int) * 64 + bins


def pairs(served, known_good, labels) -> Pairs:
    served, known_good, labels = np.asarray(served), np.asarray(known_good), np.asarray(labels)
    wrong, other_wrong = served != labels, known_good != labels
    four = (~wrong & ~other_wrong, wrong & ~other_wrong, ~wrong & other_wrong, wrong & other_wrong)
    return Pairs(len(labels), len(labels), int(np.sum(served != known_good)), *(int(each.sum()) for each in four))


def paired_errors(served, known_good, labels) -> PairedErrors:
    served, known_good, labels = (np.asarray(values, float) for values in (served, known_good, labels))
    d, n = abs(served - labels) - abs(known_good - labels), len(labels)
    return PairedErrors(n, n, float(abs(served - known_good).sum()), n, float(d.sum()), float((d**2).sum()))


def groups(outputs, labels, segments, *, positive: int | None = 1) -> Groups:
    outputs, labels, segments = np.asarray(outputs, int), np.asarray(labels, int), np.asarray(segments)
    found = []
    for name in sorted(set(segments.tolist())):
        rows = segments == name
        counts = np.bincount(outputs[rows], minlength=3).tolist()
        found.append(Group(f"by={name}", int(rows.sum()), tuple(counts), outcomes(outputs[rows], labels[rows])))
    return Groups("by", positive, tuple(found))


def numeric(values, edges, column: str = "x", *, missing: int = 0) -> Histogram:
    """(under, inner bins, over), the last inner one closed."""
    values, edges = np.asarray(values, float), np.asarray(edges, float)
    inner = np.histogram(values, edges)[0].tolist() if len(edges) > 1 else [int(np.sum(values == edges[0]))]
    under, over = int(np.sum(values < edges[0])), int(np.sum(values > edges[-1]))
    middle, spread = (float(values.mean()), float(values.std())) if len(values) else (None, None)
    bins = (under, *inner, over)
    return Histogram(column, True, bins, under + over, missing, edges=tuple(edges.tolist()), mean=middle, std=spread)


def quantile_edges(values, bins: int = 20) -> list[float]:
    return np.unique(np.quantile(values, np.linspace(0, 1, bins + 1))).tolist()


def score(values) -> Histogram:
    counted = np.bincount(np.minimum((np.asarray(values, float) * 64).astype(int), 63), minlength=64).tolist()
    return Histogram("score", True, tuple(counted), edges=SCORE_EDGES)


def categorical(*bins: int, column: str = "c", missing: int = 0) -> Histogram:
    return Histogram(column, False, bins, bins[-1], missing)


@dataclass(frozen=True)
class Rows:
    """Some thousand rows of a model of one task, and what detectors are told of them."""

    views: dict[Subject, tuple[View, ...]]


def rows(task: Task, n: int = 4000, seed: int = 5) -> Rows:
    """Rows of a fair model; the same for the same seed. n = 0 is an empty window of the same columns."""
    rng = np.random.default_rng(seed)
    x = np.random.default_rng(1).normal(size=4000)
    edges = quantile_edges(x)
    features = (numeric(x[:n], edges), categorical(*np.bincount(rng.integers(0, 5, n), minlength=7).tolist()))
    views: dict[Subject, tuple[View, ...]] = {Subject.FEATURES: features, Subject.ARRIVALS: (Arrivals(n),)}
    views |= {Task.CLASSIFICATION: _classified, Task.REGRESSION: _regressed, Task.RANKING: _ranked}[task](rng, n, edges)
    return Rows(views)


def expected_errors(n: int, **rest) -> ExpectedErrors:
    """Of errors that are normal with a standard deviation of 1/2, learned from 4,000 rows."""
    means = {"absolute": 0.4, "absolute_sd": 0.005, "squared": 0.25, "squared_sd": 0.006} if n else {}
    return ExpectedErrors(**{"rows": n, "told": n, "fitted": 4000, **means, **rest})


def _calibration():
    """Rows of a reference whose scores are chances."""
    rng = np.random.default_rng(2)
    scores = rng.beta(1, 1.5, 20_000)
    return scores > 0.5, scores, rng.random(20_000) < scores


def _classified(rng, n: int, _) -> dict[Subject, tuple[View, ...]]:
    scores = rng.beta(1, 1.5, n)
    labels, outputs = (rng.random(n) < scores).astype(int), (scores > 0.5).astype(int)
    known_good = np.where(rng.random(n) < 0.97, outputs, 1 - outputs)
    counts = tuple(np.bincount(outputs, minlength=3).tolist())
    return {
        Subject.OUTPUT: (Histogram("output", False, counts),),
        Subject.SCORE: (score(scores),),
        Subject.OUTCOMES: (outcomes(outputs, labels, scores=scores),),
        Subject.EXPECTED: (chances(_calibration(), outputs, scores),),
        Subject.PAIRS: (pairs(outputs, known_good, labels),),
        Subject.GROUPS: (groups(outputs, labels, rng.choice(["a", "b", "c"], n)),),
    }


def _regressed(rng, n: int, edges) -> dict[Subject, tuple[View, ...]]:
    labels = rng.normal(size=n)
    served, known_good = labels + rng.normal(0, 0.5, n), labels + rng.normal(0, 0.5, n)
    return {
        Subject.OUTPUT: (numeric(served, edges, "output"),),
        Subject.OUTCOMES: (errors(served, labels),),
        Subject.EXPECTED: (expected_errors(n),),
        Subject.PAIRS: (paired_errors(served, known_good, labels),),
    }


def _ranked(rng, n: int, _) -> dict[Subject, tuple[View, ...]]:
    places = rng.integers(1, 12, n)
    gains = [[float(place == i) for i in range(1, 12)] for place in places]
    ndcg = np.where(places <= 10, 1 / np.log2(places + 1), 0)
    return {
        Subject.OUTPUT: (numeric(rng.integers(5, 20, n), np.arange(5, 21), "output"),),
        Subject.OUTCOMES: (ranks(gains, ndcg),),
    }
