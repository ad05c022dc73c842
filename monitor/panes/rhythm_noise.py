"""How far shares vary beyond independent rows: within an hour, over hours, over days.

Of slot sums x_t over n_t rows with expectation m_t n_t, and residuals e_t = x_t - m_t n_t, v the variance of one row
around m_t within its hour (less than p (1 - p) where a rhythm makes hours unlike):

- *tick*: the shortest of 1, 5, 15 minutes, 1 and 4 hours that holds five rows, which is when the detector bets. In
  a stream of eight rows an hour no minute has two: whatever hangs together there shows between longer panes only.
- *design effect* d: sum over ticks of (x - n p_h)^2 / n, p_h the share of the hour (of the day, where ticks are
  hours), over (ticks - 1) v_h: the variance of ticks within their hour over that of independent rows. Sessions of m
  rows that agree at rho give 1 + (m - 1) rho.
- *long-run variance* of the total: overlapping windows of an hour, four hours and a day, (1 / B) sum_j (e_j + ... +
  e_(j+B-1))^2, which is Newey & West's with Bartlett weights up to B; divided by 1 - b + b^2 / 3, b = B / T, because
  the residuals know the mean (Kiefer & Vogelsang 2005). The largest of the three: a day's window sees what wanders for
  hours, but of a week there are only seven of them.
- *wander* b: of panes of 15 minutes, an hour, four hours with sums E and N rows, E^2 / N has the expectation
  d v + N b^2. So b^2 = (sum of E^2 / N - K d v) / sum of N, whatever the panes' sizes; the largest of the three. Only
  panes of at least four ticks: in shorter ones a cluster of rows would look like wander, and is in d already. Where
  ticks are an hour or more, days count too.
- *memory* m and what follows from it for b and the error: rhythm_memory.py.

A week knows r of one column within .14, and b^2 within half of itself where the memory is a day. So columns are looked
at together (rhythm_pool.py): arcsin r, of variance 1 / K, and scale by scale b^2 of the mean normal scores, of variance
2 b^4 / u + 2 (d v / N)^2 / K, are drawn to their mean over all columns as far as they do not differ beyond that. What a
column has by itself in its r is raised by the standard error. A cut's b^2 is drawn to what the mean score's would move
it by, phi(q(p))^2 of it, p its share; what is no cut keeps its own. In simulated months of 50 features that wandered
for a day, bands of each column's own b paged up to twice a month.

Empty slots count as no rows: gaps neither add nor take variance.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm_memory import CORRELATION_MAX, PANE_H, correlations, memory_hours, student, taken
from monitor.panes.rhythm_pool import Pool
from monitor.panes.rhythm_season import Slots

Doubles = NDArray[np.float64]

FREEDOM_MIN: Final = 100  # of minutes within hours: below it the design effect is a guess, within 14 %
KEPT_MIN: Final = 0.2  # of b^2, after the mean took its share
TICKS_H: Final = (1 / 60, 5 / 60, 0.25, 1.0, 4.0)
TICK_ROWS: Final = 5  # as sequential/process.py waits for
_HOUR_H, _DAY_H = 1.0, 24.0
_SCALES_H: Final = (0.25, _HOUR_H, PANE_H, _DAY_H)
_PANE: Final = 2  # the scale that shows the memory
_TICKS_MIN: Final = 4  # of a pane that shows wander


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Of s signals, f8[s] each: the standard error of the centre, the wander b, and the design effect.

    `design` is NaN where the history has too few minutes; `memory_h` and `reach` (z) are one for all of them.
    """

    error: Doubles
    wander: Doubles
    design: Doubles
    memory_h: float
    reach: float


@dataclass(frozen=True, slots=True, eq=False)
class Raw:
    """What s signals of one column show by themselves; f8[s] each, [scales, s] where NaN says that a scale shows none.

    `excess` is b^2 as it comes, which may be negative, and `blur` its variance where there is no wander.
    """

    floor: Doubles  # variance of the mean of rows alone
    long_run: Doubles  # of the mean
    excess: Doubles
    blur: Doubles
    ticks: Doubles  # their design effect
    correlation: float
    panes: int  # of four hours, with rows


@dataclass(frozen=True, slots=True)
class Common:
    """What all scored columns say together, of their correlation and of b^2 by scale."""

    correlation: Pool
    wander: tuple[Pool, ...]

    @classmethod
    def of(cls, columns: Sequence[Raw]) -> "Common":
        """Of what each shows by itself, one signal a column."""
        angles = np.array([math.asin(raw.correlation) for raw in columns])
        correlation = Pool.of(angles, np.array([1 / max(raw.panes, 1) for raw in columns]))
        held = [_memories(raw, correlation) for raw in columns]
        kept = np.array([max(1 - taken(each), KEPT_MIN) for each in held])
        pools = []
        for scale in range(len(_SCALES_H)):
            excess = np.array([raw.excess[scale, 0] for raw in columns]) / kept
            blur = np.array([raw.blur[scale, 0] for raw in columns]) / kept**2
            shown = np.isfinite(excess)
            usual = max(float(np.median(excess[shown])), 0.0) if shown.any() else 0.0
            noise = 2 * usual**2 / np.array(held) + blur
            shown &= noise > 0
            pools.append(Pool.of(excess[shown], noise[shown]))
        return cls(correlation, tuple(pools))


def tick_hours(slots: Slots) -> float:
    """How long it takes to see the rows of a tick, while there are any: one of TICKS_H."""
    held = int(np.count_nonzero(slots.rows))
    rate = float(slots.rows.sum()) / max(held, 1) / slots.slot_h
    return next((hours for hours in TICKS_H if rate * hours >= TICK_ROWS), TICKS_H[-1])


def within(squares: Doubles, left: Slots) -> Doubles:
    """Variance f8[s] of one row within its hour, or its day where ticks are hours: there too a cluster is a small part.

    `squares` f8[T, s] are sums of squares around what was expected.
    """
    width = _width(_HOUR_H if tick_hours(left) < _HOUR_H else _DAY_H, left.slot_h)
    sums, rows = _pool(left.sums, left.rows, width)
    freedom = float(np.maximum(rows - 1, 0).sum())
    inside: Doubles = (squares.sum(axis=0) - (sums**2 / np.maximum(rows, 1.0)[:, np.newaxis]).sum(axis=0)) / max(
        freedom, 1.0
    )
    found: Doubles = np.maximum(inside, 0.0)
    return found


def look(left: Slots, variance: Doubles, around: Doubles, ticks: Doubles) -> Raw:
    """Look at what is `left` of slot sums, of rows with `variance` f8[s] and `around` f8[s] within their slots.

    `ticks` f8[s] is their design effect.
    """
    tick_h, total = tick_hours(left), left.rows.sum()
    panes = [_pool(left.sums, left.rows, _width(hours, left.slot_h)) for hours in _SCALES_H]
    floor = np.where(np.isnan(ticks), 1.0, ticks) * around
    shown = [hours >= _TICKS_MIN * tick_h * 0.99 for hours in _SCALES_H[:-1]] + [tick_h >= _HOUR_H]
    both = [_excess(*pane, floor) for pane in panes]
    excess, blur = (np.array([each[at] for each in both]) for at in (0, 1))
    unseen = ~np.array(shown)
    excess[unseen], blur[unseen] = np.nan, np.nan
    varied = variance > 0
    own = correlations(*panes[_PANE])[varied]
    long_run = np.maximum.reduce([_long_run(left.sums, _width(hours, left.slot_h)) for hours in _SCALES_H[1:]])
    return Raw(
        floor / total,
        long_run / total**2,
        excess,
        blur,
        ticks,
        float(np.median(own)) if len(own) else 0.0,
        int(np.count_nonzero(panes[_PANE][1])),
    )


def judge(raw: Raw, common: Common, lean: Doubles) -> Noise:
    """Judge one column beside all; `lean` f8[s] is how far a signal follows the mean score, NaN where not known."""
    held = _memories(raw, common.correlation)
    kept = max(1 - taken(held), KEPT_MIN)
    found = [np.zeros(len(lean))]
    for excess, blur, pool in zip(raw.excess / kept, raw.blur / kept**2, common.wander, strict=True):
        noise = 2 * (max(pool.mean, 0.0) * lean**2) ** 2 / held + blur
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = pool.drawn(excess / lean**2, noise / lean**4) * lean**2
        found.append(np.where(np.isfinite(drawn), drawn, excess))
    squared = np.fmax.reduce(found)
    error = np.sqrt(np.maximum(raw.long_run, raw.floor + squared * taken(held)))
    return Noise(error, np.sqrt(squared), raw.ticks, _spanned(raw) / held, student(held))


def _spanned(raw: Raw) -> float:
    return PANE_H * max(raw.panes, 1)


def _memories(raw: Raw, pool: Pool) -> float:
    """How many memories the history holds: its correlation is drawn to the pool's, as an angle of variance 1 / K."""
    noise = np.array([1 / max(raw.panes, 1)])
    drawn = pool.drawn(np.array([math.asin(raw.correlation)]), noise) + pool.trust(noise) * np.sqrt(noise)
    correlation = math.sin(min(max(float(drawn[0]), 0.0), math.pi / 2))
    return _spanned(raw) / memory_hours(min(correlation, CORRELATION_MAX))


def tick_design(sums: Doubles, rows: Doubles, squares: Doubles) -> Doubles:
    """Design effect f8[s] of ticks within their hours (or days), NaN where too few can tell.

    `sums` f8[H, ticks, s] over `rows` f8[H, ticks]; `squares` f8[H, s] is the sum of squares of the rows' values, which
    of shares is their sum.
    """
    held = rows.sum(axis=1)
    keep = held > 1
    sums, rows, squares, held = sums[keep], rows[keep], squares[keep], held[keep]
    share = sums.sum(axis=1) / held[:, np.newaxis]
    spread = (squares - held[:, np.newaxis] * share**2) / (held - 1)[:, np.newaxis]
    divisor = np.maximum(rows, 1.0)[:, :, np.newaxis]
    varied = ((sums - rows[:, :, np.newaxis] * share[:, np.newaxis]) ** 2 / divisor).sum(axis=(0, 1))
    freedom = np.count_nonzero(rows, axis=1) - 1.0
    expected = (np.maximum(spread, 0.0) * freedom[:, np.newaxis]).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Doubles = np.where(expected > 0, varied / expected, np.nan)
    return ratio if freedom.sum() >= FREEDOM_MIN else np.full_like(ratio, np.nan)


def _width(hours: float, slot_h: float) -> int:
    """How many slots make a pane of so many hours."""
    return max(1, round(hours / slot_h))


def _long_run(residuals: Doubles, width: int) -> Doubles:
    """Variance of the sum of all residuals, by overlapping windows of `width` slots, ends padded."""
    many = len(residuals)
    width = min(width, max(1, many // 2))
    running = np.zeros((many + 2 * width - 1, residuals.shape[1]))
    np.cumsum(residuals, axis=0, out=running[width : width + many])
    running[width + many :] = running[width + many - 1]
    windows = running[width:] - running[: many + width - 1]
    share = width / many
    found: Doubles = (windows**2).sum(axis=0) / width / (1 - share + share**2 / 3)
    return found


def _pool(residuals: Doubles, rows: Doubles, width: int) -> tuple[Doubles, Doubles]:
    """Sums and rows of the panes of `width` slots, the empty ones included."""
    starts = np.arange(0, len(rows), width)
    return np.add.reduceat(residuals, starts, axis=0), np.add.reduceat(rows, starts)


def _excess(sums: Doubles, rows: Doubles, floor: Doubles) -> tuple[Doubles, Doubles]:
    """Variance of pane shares beyond `floor` a row, and the variance of that where there is none."""
    many = max(1, int(np.count_nonzero(rows)) - 1)
    varied = (sums**2 / np.maximum(rows, 1.0)[:, np.newaxis]).sum(axis=0) - many * floor
    blur: Doubles = 2 * many * (floor / rows.sum()) ** 2
    return varied / rows.sum(), blur
