"""Maximum mean discrepancy of two samples, by random Fourier features: how far apart they lie in all columns at once.

    k(x, y) = exp(-|x - y|^2 / (2 s^2));    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)

    phi(x)  = (cos w_1 x, sin w_1 x, ..., cos w_D x, sin w_D x) / sqrt(D),   w ~ N(0, 1/s^2)
    E phi(x) phi(y) = k(x, y) over the frequencies w
    value   = (|S_x|^2 - n) / (n (n - 1)) + (|S_y|^2 - m) / (m (m - 1)) - 2 S_x S_y / (n m),    S the sums of phi

The value is unbiased, so it is about 0 where nothing changed, and below as often as above; at most 2. What sampling
alone gives is told by SHUFFLES of the rows between the two sides: the value that 95 % of them stay below, and the share
of them that reach it. That is exact for rows that do not depend on each other.

s is the median distance of up to ROWS_OF_MEDIAN rows of the reference. The frequencies of a column are drawn by its
name and the seed, which is the schema's: the same ones every time, so that values of two periods compare. Rows are
x of `encoding`: numbers, missing ones at the mean beside an indicator, one indicator per category. The live side needs
no weights: it is thinned to one and the same probability of inclusion (`samples.choose`).

With D = 256 the kernel is wrong by about 1/sqrt(D) = 6 %, alike on both sides. Cost: (n + m) 2 D (columns + SHUFFLES)
multiplications. Failure mode: among many columns that did not change a change of two is a small part of every distance.

Sources: Gretton et al. 2012, A Kernel Two-Sample Test, lemma 6 (unbiased), section 8 (median); Rahimi & Recht 2007,
Random Features for Large-Scale Kernel Machines; Phipson & Smyth 2010 ((1 + times) / (1 + SHUFFLES): never 0).
"""

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.worker.encoding import TOP, Rows

FREQUENCIES: Final = 256
SHUFFLES: Final = 199
ROWS_OF_MEDIAN: Final = 500
_ROWS_AT_ONCE: Final = 2_048


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """`value` is MMD^2; `ordinary` is what 95 % of the shuffles stay below, `p` the share of them that reach it."""

    value: float
    ordinary: float
    p: float  # (0, 1]
    n: int
    m: int


def discrepancy(rows: Rows, seed: int) -> Discrepancy | None:
    """Compare live and reference; None where the reference's rows are all alike, so that distances have no unit."""
    width = _median_distance(rows, seed)
    if not width:
        return None
    frequencies = np.concatenate([_drawn(name, size, seed) for name, size in _blocks(rows)]) / np.float32(width)
    sides = np.zeros((1 + SHUFFLES, rows.n + rows.m), np.int8)
    sides[:, : rows.n] = 1
    sides[1:] = np.random.default_rng(seed).permuted(sides[1:], axis=1)
    of_live, total = np.zeros((len(sides), 2 * FREQUENCIES)), np.zeros(2 * FREQUENCIES)
    for start in range(0, rows.n + rows.m, _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        phase = laid_out(rows, part) @ frequencies
        features = np.hstack([np.cos(phase), np.sin(phase)]) / np.float32(np.sqrt(FREQUENCIES))
        of_live += sides[:, part].astype(np.float32) @ features
        total += features.sum(axis=0, dtype=np.float64)
    values = _squared(of_live, total - of_live, rows.n, rows.m)
    shuffled = values[1:]
    reached = int((shuffled >= values[0]).sum())
    p = (1 + reached) / (1 + SHUFFLES)
    return Discrepancy(float(values[0]), float(np.quantile(shuffled, 0.95)), p, rows.n, rows.m)


def laid_out(rows: Rows, part: slice | NDArray[np.intp]) -> NDArray[np.float32]:
    """Some rows as points: numbers, an indicator per number that is missing, one per category, its rest and missing."""
    numbers, codes = rows.numbers[part], rows.codes[part]
    absent = np.isnan(numbers)
    kinds = [(codes[:, [at]] == np.arange(-1, TOP + 1)).astype(np.float32) for at in range(codes.shape[1])]
    return np.hstack([np.where(absent, np.float32(0), numbers), absent.astype(np.float32), *kinds])


def _blocks(rows: Rows) -> list[tuple[str, int]]:
    """Name the columns of a point, as `laid_out` has them, with how many there are of each."""
    numeric, words = rows.names[: rows.numbers.shape[1]], rows.names[rows.numbers.shape[1] :]
    gaps = [(f"{name}\0missing", 1) for name in numeric]
    return [*((name, 1) for name in numeric), *gaps, *((name, TOP + 2) for name in words)]


def _drawn(name: str, size: int, seed: int) -> NDArray[np.float32]:
    """The frequencies of one column, f32 [size, FREQUENCIES], for a width of 1."""
    key = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest())
    return np.random.default_rng((seed, key)).standard_normal((size, FREQUENCIES), np.float32)


def _median_distance(rows: Rows, seed: int) -> float:
    """The median distance of two rows of the reference that differ; 0 where none do."""
    some = rows.n + np.random.default_rng(seed).permutation(rows.m)[:ROWS_OF_MEDIAN]
    points = laid_out(rows, some).astype(np.float64)
    squares = (points**2).sum(axis=1)
    distances = (squares[:, None] + squares - 2 * points @ points.T)[np.triu_indices(len(points), 1)]
    apart = distances[distances > 1e-9]
    return float(np.sqrt(np.median(apart))) if len(apart) else 0.0


def _squared(live: NDArray[np.float64], reference: NDArray[np.float64], n: int, m: int) -> NDArray[np.float64]:
    """MMD^2 by sums of features [shuffles, 2 D]; |phi|^2 = 1 exactly, so the diagonal of a Gram matrix is n."""
    within = ((live**2).sum(axis=1) - n) / (n * (n - 1)) + ((reference**2).sum(axis=1) - m) / (m * (m - 1))
    return np.asarray(within - 2 * (live * reference).sum(axis=1) / (n * m))
