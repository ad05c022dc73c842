"""Reads from a window's counts what its labels are expected to say (expected.py): chances by score, or mean errors.

Chances. The reference's labelled rows by output and score bin, neighbours pooled to 30 rows and more, give shares, made
to rise with the score by pooling those that do not (isotonic regression: Ayer et al. 1955; without the 30 it follows
the luck of single rows at both ends, and a reference of 1,000 rows made accuracies .004 too high). With two classes
the cells form one chain, in the order of the score and within a bin of the output, so that a threshold in the middle of
a bin is no matter; with more, each output has a chain of its own. A cell's variance is p (1 - p) / rows with its own
rows and the pooled share (half a row added to each side): as if it had not been pooled, which is rather too large. A
cell that the reference never saw lies between its neighbours in the chain: the middle of them, half their distance is
its slack.

Errors. The coefficients times the window's shares of cells; the variance by the jackknife (expected_fit.py).
"""

import math
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Chances, Expectation, ExpectedErrors, Pane, Scored, Task
from monitor.panes import errors
from monitor.panes.expected import BINS, GROUPS, STEP, Additive, Calibration, ScoreBin

if TYPE_CHECKING:
    from monitor.panes.layout import Layout

POOLED_MIN: Final = 30  # rows of a group that a share is made of
SEEN_MIN: Final = 10  # rows of the reference in a cell whose effect is taken for known

Counts: TypeAlias = NDArray[np.int64]
Doubles: TypeAlias = NDArray[np.float64]


def read_expected(layout: "Layout", pane: Pane) -> Expectation:
    """What labels are expected to say; of a ranking, or of a reference without labels, that nothing was learned."""
    rows = int(pane.counts[layout.rows.start])
    expected = layout.reference.expected
    if layout.task is Task.CLASSIFICATION:
        schema = layout.reference.schema
        if not isinstance(expected, Calibration):
            return Chances(rows, 0, schema.classes, layout.positive)
        calibrated = sum(hits + misses for _, hits, misses in expected.cells)
        return Chances(rows, calibrated, schema.classes, layout.positive, _scored(layout, pane, expected))
    if not isinstance(expected, Additive):
        return ExpectedErrors(rows, 0, 0)
    return _expected_errors(layout, pane, expected, rows)


# ---------------------------------------------------------------- chances


def calibrate(counts: Counts, chains: list[Counts]) -> tuple[Doubles, Doubles, Doubles]:
    """Chance, its variance and its slack f8[cells] from `counts` i8[cells, 2] (came true, did not), chain by chain.

    >>> [found.round(3).tolist() for found in calibrate(np.array([[10, 30], [0, 0], [40, 0]]), [np.arange(3)])]
    [[0.25, 0.625, 1.0], [0.005, 0.005, 0.0], [0.0, 0.375, 0.0]]
    """
    chance, variance, slack = np.full(len(counts), 0.5), np.full(len(counts), 0.25), np.full(len(counts), 0.5)
    for chain in chains:
        hits, rows = counts[chain, 0], counts[chain].sum(axis=1)
        seen = np.flatnonzero(rows)
        if len(seen):
            place = np.arange(len(chain))
            share, noise = isotonic(hits[seen], rows[seen])
            after = np.searchsorted(seen, place)
            before = np.searchsorted(seen, place, side="right") - 1
            low, high = np.append(share, 0.0)[before], np.append(share, 1.0)[after]  # -1 and len(seen): the ends
            noises = np.maximum(np.append(noise, 0.0)[before], np.append(noise, 0.0)[after])
            chance[chain], variance[chain], slack[chain] = (low + high) / 2, noises, (high - low) / 2
    return chance, variance, slack


def isotonic(hits: Counts, rows: Counts) -> tuple[Doubles, Doubles]:
    """Shares f8[n] that never fall, nearest to hits / rows by rows, and the variance of each; every `rows` >= 1."""
    group = pool(rows)
    blocks: list[tuple[int, int, int]] = []  # hits, rows, groups
    sums = (np.bincount(group, each).astype(np.int64).tolist() for each in (hits, rows))
    for hit, row in zip(*sums, strict=True):
        block = (hit, row, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    groups = [block[2] for block in blocks]
    share = np.repeat([block[0] / block[1] for block in blocks], groups)[group]
    safe = np.repeat([(block[0] + 0.5) / (block[1] + 1) for block in blocks], groups)[group]
    return share, safe * (1 - safe) / rows


def pool(rows: Counts) -> Counts:
    """Number groups of neighbours with at least POOLED_MIN rows, i8[n], from 0; what is left joins the last.

    >>> pool(np.array([40, 10, 10, 10, 5])).tolist()
    [0, 1, 1, 1, 1]
    """
    groups, held, group = [], 0, 0
    for row in rows.tolist():
        groups.append(group)
        held += row
        if held >= POOLED_MIN:
            group, held = group + 1, 0
    return np.minimum(groups, max(group - 1, 0) if held else group)


def _chains(layout: "Layout") -> list[Counts]:
    cells = np.arange((layout.classes + 1) * BINS).reshape(-1, BINS)
    if layout.positive is None:
        return list(cells)
    order = [1 - layout.positive, layout.classes, layout.positive]
    return [cells[order].T.ravel()]


def _scored(layout: "Layout", pane: Pane, found: Calibration) -> tuple[Scored, ...]:
    counts = np.zeros(((layout.classes + 1) * BINS, 2), np.int64)
    for place, hits, misses in found.cells:
        counts[place] = hits, misses
    numbers = np.stack(calibrate(counts, _chains(layout)), axis=1).tolist()
    bins = {each.bin: each for each in found.bins}
    rows = pane.counts[layout.score].reshape(-1, BINS + 1)[:, :BINS].ravel()
    return tuple(
        Scored(cell // BINS, cell % BINS, int(rows[cell]), *numbers[cell], *_described(bins, cell % BINS))
        for cell in np.flatnonzero(rows > 0).tolist()
    )


def _described(bins: dict[int, ScoreBin], place: int) -> tuple[float, ...]:
    """The bin's score and its losses; where the reference has no row of it, those of its middle."""
    if place in bins:
        return (each := bins[place]).score, each.one, each.one_squared, each.zero, each.zero_squared
    middle = (place + 0.5) / BINS
    one, zero = float(-np.log(middle)), float(-np.log(1 - middle))
    return middle, one, one * one, zero, zero * zero


# ---------------------------------------------------------------- errors


def _expected_errors(layout: "Layout", pane: Pane, found: Additive, rows: int) -> ExpectedErrors:
    cells, crossed, told = _cells(layout, pane, found)
    if told <= 0:
        return ExpectedErrors(rows, 0, found.rows)
    scale = layout.reference.error_scale
    design = np.concatenate([[told], *cells, *crossed]) / told
    absolute, absolute_sd = _estimate(found.absolute, design)
    squared, squared_sd = _estimate(found.squared, design)
    strange, share = _strangest(layout, found, cells, told)
    return ExpectedErrors(
        rows,
        told,
        found.rows,
        absolute * scale,
        absolute_sd * scale,
        squared * scale * scale,
        squared_sd * scale * scale,
        _kurtosis(layout),
        strange,
        share,
    )


def _estimate(coefficients: tuple[tuple[int, ...], ...], design: Doubles) -> tuple[float, float]:
    value, *others = (np.array(coefficients) * STEP @ design).tolist()
    middle = sum(others) / GROUPS
    return value, math.sqrt((GROUPS - 1) / GROUPS * sum((other - middle) ** 2 for other in others))


def _cells(layout: "Layout", pane: Pane, found: Additive) -> tuple[list[Counts], list[Counts], int]:
    """Counts of the cells of each column, of [cell][group] of the crossed, and of all rows; finite numbers only."""
    assert layout.output_cells is not None, "a regression has bins of its output"
    by_group = pane.counts[layout.joint_span].reshape(-1, len(layout.group_names))[:, :-1]
    output = pane.counts[layout.output].copy()
    output[layout.output_cells.bins :] = 0
    places = {i: layout.feature_cells[i] for i in found.columns[:-1]}  # the last is the output
    joint = {i: by_group[each.start : each.start + each.size] for i, each in places.items()}
    marginal = [*(each.sum(axis=1) for each in joint.values()), output]
    return marginal, [joint[i].ravel() for i in found.crossed], int(output.sum())


def _strangest(layout: "Layout", found: Additive, cells: list[Counts], told: int) -> tuple[str, float]:
    """The column of which most of the rows lie in cells that next to none of the reference's lie in."""
    known, *_ = _cells(layout, layout.reference_pane(), found)
    shares = [int(now[then < SEEN_MIN].sum()) / told for now, then in zip(cells, known, strict=True)]
    worst = max(range(len(shares)), key=shares.__getitem__)
    names = [*(each.name for each in layout.feature_cells), "output"]
    return names[found.columns[worst]], shares[worst]


def _kurtosis(layout: "Layout") -> float:
    """Mean of e^4 over the square of that of e^2 in the reference, at least 1; 3 as of a normal where it has none."""
    counts = layout.reference_pane().counts
    sums = errors.joined(counts[layout.errors].tolist())
    labelled, squares, fourths = int(counts[layout.labelled.start]), sums[2], sums[3]
    return max(1.0, float(fourths * labelled / squares**2)) if squares > 0 else 3.0
