"""A reference side drawn from the profile's counts, where no rows of the history were kept.

Each column has the marginal distribution of the history as far as its bins tell it: values lie evenly within a bin,
missing ones are missing. Columns are shuffled against each other, so nothing that relates two columns (correlations,
quality, duplicates) means anything, and the report says so. Deterministic: no report changes by being made again.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.jobs import Job
from monitor.evidence.worker.samples import OTHER, PREDICTION, SCORE, Side, reserved
from monitor.facts import Histogram, Subject, Task
from monitor.panes.layout import Layout
from monitor.panes.reference import NumericBins, Reference

HOW: Final = "drawn from the reference profile's bins: each column by itself, so nothing that relates two columns holds"
_UNSEEN: Final = "__unseen__"


def draw_reference(job: Job, reference: Reference) -> Side:
    """Draw `rows_max` rows; Corrupt if the profile contradicts itself."""
    layout = Layout.of(reference)
    pane = layout.reference_pane()
    n = min(job.scope.rows_max, reference.rows)
    columns: dict[str, NDArray[Any]] = {}
    sensitive = {feature.name for feature in job.schema.features if feature.sensitive}
    for bins, histogram in zip(reference.columns, layout.features(pane), strict=True):
        if bins.name in sensitive or not histogram.rows:
            continue
        if isinstance(bins, NumericBins):
            columns[bins.name] = numbers(bins.edges, histogram, n)
        else:
            columns[bins.name] = words((*bins.top, OTHER, _UNSEEN), histogram, n)
    columns |= _answers(layout, reference, n)
    shuffled = {
        name: np.random.default_rng(number).permutation(column) for number, (name, column) in enumerate(columns.items())
    }
    return Side(n, shuffled, f"{n:,} rows {HOW}", synthetic=True)


def _answers(layout: Layout, reference: Reference, n: int) -> dict[str, NDArray[Any]]:
    schema, pane = reference.schema, layout.reference_pane()
    columns: dict[str, NDArray[Any]] = {}
    output = layout.view(pane, Subject.OUTPUT)
    assert isinstance(output, Histogram)
    if schema.task is Task.CLASSIFICATION:
        columns[reserved(schema, PREDICTION)] = words((*schema.classes, OTHER), output, n)
        score = layout.view(pane, Subject.SCORE)
        assert isinstance(score, Histogram)
        if score.n:
            edges = tuple(np.linspace(0, 1, len(score.bins) + 1).tolist())
            columns[reserved(schema, SCORE)] = spread(edges, score.bins, score.missing, n)
    elif output.edges:
        columns[reserved(schema, PREDICTION)] = numbers(output.edges, output, n)
    return columns


def numbers(edges: tuple[float, ...], histogram: Histogram, n: int) -> NDArray[np.float64]:
    """Spread n values over the inner bins; what is missing, invalid or not finite is missing."""
    absent = histogram.missing + histogram.invalid + histogram.non_finite
    return spread(edges, histogram.bins[1:-1], absent, n)


def spread(edges: tuple[float, ...], bins: tuple[int, ...], absent: int, n: int) -> NDArray[np.float64]:
    """Lay values evenly in the bins, as many as their counts ask for."""
    *filled, gaps = apportion((*bins, absent), n)
    parts = [np.full(gaps, np.nan)]
    for number, count in enumerate(filled):
        low, high = edges[number], edges[min(number + 1, len(edges) - 1)]
        parts.append(low + (high - low) * (np.arange(count) + 0.5) / max(count, 1))
    return np.concatenate(parts)


def words(names: tuple[str, ...], histogram: Histogram, n: int) -> NDArray[Any]:
    """Repeat the categories as their counts ask for."""
    *filled, gaps = apportion((*histogram.bins, histogram.missing + histogram.invalid), n)
    drawn = [None] * gaps
    drawn += [name for name, count in zip(names, filled, strict=True) for _ in range(count)]  # type: ignore[misc] # words beside gaps
    column = np.empty(n, object)
    column[:] = drawn
    return column


def apportion(counts: tuple[int, ...], n: int) -> list[int]:
    """Split n in proportion to the counts, exactly: largest remainders (Hamilton 1792); all to the last for no counts.

    >>> apportion((1, 1, 1), 4)
    [2, 1, 1]
    """
    total = sum(counts)
    if not total:
        return [0] * (len(counts) - 1) + [n]
    shares = [divmod(count * n, total) for count in counts]
    whole = [quotient for quotient, _ in shares]
    by_remainder = sorted(range(len(counts)), key=lambda i: (-shares[i][1], i))
    for i in by_remainder[: n - sum(whole)]:
        whole[i] += 1
    return whole
