"""How far shares vary beyond independent rows: within an hour, over hours, over days.

Of slot sums x_t over n_t rows with expectation m_t n_t, and residuals e_t = x_t - m_t n_t, v the variance of one row
around m_t within its slot (less than p (1 - p) where a rhythm makes hours unlike):

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
- *memory* m, in hours: the correlation r of a pane of four hours with the next one, plus (1 + 3 r) / K for what the
  mean took away (Kendall 1954), is that of a wander with correlation e^(-t / m) where r = (1 - e^-x)^2 / 2 (x - 1 + e^-x)
  and x = 4 / m. A memory of 3 hours gives .45, of half a day .81, of a day .90. In one week r is known within .14 or
  so, too little to tell hours from a day. So columns are looked at together: with s^2 = (1 - r^2) / K the variance of
  an estimate and t^2 what columns differ beyond it (DerSimonian & Laird 1986), each r is drawn to the mean of all with
  the weight s^2 / (s^2 + t^2), and raised by its standard error. Columns that are alike share one memory; one that
  is unlike the others keeps its own. A column is judged as one: the median of its signals.
- Of u = T / m memories that a history of T hours holds, the mean took the share q = 2 (u - 1 + e^-u) / u^2 of b^2, so b^2
  is divided by 1 - q, and the standard error is at least that of rows and b^2 q. With a memory of hours that changes
  little. With one of a day, a week holds seven: b and the centre are poor, however many rows there are.
- *reach* z: how many standard deviations the band allows. Student's quantile with u degrees of freedom at the level of
  3 of the normal, 3.0 for a long history, 4.6 at u = 7: what a variance from so few moments cannot exclude. It widens
  without a switch as the memory grows, until the band says nothing and is unknown. (A switch at a day's memory was
  tried: it took every fifth column with a memory of 3 hours for slow, and missed some of a day's, which then paged.)

Empty slots count as no rows: gaps neither add nor take variance.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm import Z
from monitor.panes.rhythm_season import Slots

Doubles = NDArray[np.float64]

FREEDOM_MIN: Final = 100  # of minutes within hours: below it the design effect is a guess, within 14 %
MEMORY_MAX: Final = 0.97  # correlation; beyond it nothing is left of a history
KEPT_MIN: Final = 0.2  # of b^2, after the mean took its share
TICKS_H: Final = (1 / 60, 5 / 60, 0.25, 1.0, 4.0)
TICK_ROWS: Final = 5  # as sequential/process.py waits for
_QUARTER_H, _HOUR_H, _FOUR_H, _DAY_H = 0.25, 1.0, 4.0, 24.0
_TICKS_MIN: Final = 4  # of a pane that shows wander
REACH_MAX: Final = 100.0  # no band is known at it
_RATIOS: Final = np.geomspace(1e-2, 1e2, 400)  # of four hours to a memory
_CORRELATIONS: Final = -(np.expm1(-_RATIOS) ** 2) / -(2 * (_RATIOS + np.expm1(-_RATIOS)))


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


@dataclass(frozen=True, slots=True)
class Memories:
    """What columns together say of the correlation r: its mean, that mean's variance, and t^2 between columns."""

    mean: float
    error: float
    spread: float

    @classmethod
    def of(cls, found: Doubles, panes: Doubles) -> "Memories":
        """Of columns' correlations f8[C] over so many panes f8[C]; of fewer than two, each stands for itself."""
        if len(found) < 2:  # nothing to compare with
            return cls(0.0, 0.0, math.inf)
        middle = float(np.clip(np.average(found, weights=panes), 0.0, MEMORY_MAX))
        weights = panes / (1 - middle**2)
        mean = float(np.average(found, weights=weights))
        beyond = float((weights * (found - mean) ** 2).sum()) - (len(found) - 1)
        room = float(weights.sum() - (weights**2).sum() / weights.sum())
        spread = max(beyond / room, 0.0)
        return cls(mean, 1 / float((1 / (1 / weights + spread)).sum()), spread)

    def judged(self, own: float, panes: int) -> float:
        """The correlation of a column whose own is `own`: drawn to the mean, and a standard error above it."""
        noise = (1 - min(max(own if math.isinf(self.spread) else self.mean, 0.0), MEMORY_MAX) ** 2) / panes
        trust = 1.0 if math.isinf(self.spread) else self.spread / (self.spread + noise)
        drawn = own if trust == 1 else trust * own + (1 - trust) * self.mean
        return min(max(drawn, 0.0) + math.sqrt(trust * noise + (1 - trust) ** 2 * self.error), MEMORY_MAX)


def tick_hours(slots: Slots) -> float:
    """How long it takes to see the rows of a tick, while there are any: one of TICKS_H."""
    held = int(np.count_nonzero(slots.rows))
    rate = float(slots.rows.sum()) / max(held, 1) / slots.slot_h
    return next((hours for hours in TICKS_H if rate * hours >= TICK_ROWS), TICKS_H[-1])


def within(squares: Doubles, left: Slots) -> Doubles:
    """Variance f8[s] of one row within its slot; `squares` f8[T, s] are sums of squares around what was expected.

    That around the whole mean where no slot has two rows.
    """
    freedom = float(np.maximum(left.rows - 1, 0).sum())
    if not freedom:
        found: Doubles = squares.sum(axis=0) / max(float(left.rows.sum()), 1.0)
        return found
    held = np.maximum(left.rows, 1.0)[:, np.newaxis]
    return np.maximum((squares - left.sums**2 / held).sum(axis=0), 0.0) / freedom


def measure(left: Slots, variance: Doubles, around: Doubles, ticks: Doubles, common: Memories) -> Noise:
    """Measure what is `left` of slot sums, of rows with `variance` f8[s] and `around` f8[s] within their slots.

    `ticks` f8[s] is their design effect, `common` what all columns say of the memory.
    """
    residuals, rows = left.sums, left.rows
    tick_h = tick_hours(left)
    widths = [_width(hours, left.slot_h) for hours in (_QUARTER_H, _HOUR_H, _FOUR_H, _DAY_H)]
    panes = [_pool(residuals, rows, width) for width in widths]
    floor = np.where(np.isnan(ticks), 1.0, ticks) * around
    shown = [hours >= _TICKS_MIN * tick_h * 0.99 for hours in (_QUARTER_H, _HOUR_H, _FOUR_H)]
    shown.append(tick_h >= _HOUR_H)
    wander = np.maximum.reduce([_excess(*pane, floor) for pane, shows in zip(panes, shown, strict=True) if shows])
    varied, many = variance > 0, int(np.count_nonzero(panes[2][1]))
    own = float(np.median(correlations(left)[varied])) if varied.any() else 0.0
    memory_h = _hours(common.judged(own, many))
    held = _FOUR_H * many / memory_h
    taken = 2 * (held - 1 + math.exp(-held)) / held**2
    wander = wander / math.sqrt(max(1 - taken, KEPT_MIN))
    long_run = np.maximum.reduce([_long_run(residuals, width) for width in widths[1:]])
    error = np.sqrt(np.maximum(long_run / rows.sum() ** 2, floor / rows.sum() + wander**2 * taken))
    return Noise(error, wander, ticks, memory_h, student(held))


def correlations(left: Slots) -> Doubles:
    """Correlation f8[s] of the shares of four hours with those of the next four, below 1; an estimate may be negative."""
    sums, rows = _pool(left.sums, left.rows, _width(_FOUR_H, left.slot_h))
    share = sums / np.maximum(rows, 1.0)[:, np.newaxis]
    pairs = np.minimum(rows[1:], rows[:-1])
    together = (pairs[:, np.newaxis] * share[1:] * share[:-1]).sum(axis=0) / max(float(pairs.sum()), 1.0)
    alone = (rows[:, np.newaxis] * share**2).sum(axis=0) / rows.sum()
    raw = np.clip(np.divide(together, alone, out=np.zeros_like(alone), where=alone > 0), -1.0, 1.0)
    found: Doubles = np.minimum(raw + (1 + 3 * raw) / np.count_nonzero(rows), MEMORY_MAX)
    return found


def pane_count(left: Slots) -> int:
    """How many panes of four hours have rows."""
    return int(np.count_nonzero(_pool(left.sums, left.rows, _width(_FOUR_H, left.slot_h))[1]))


def _hours(correlation: float) -> float:
    """The memory of a wander whose panes of four hours are so correlated."""
    return _FOUR_H / float(np.interp(-correlation, -_CORRELATIONS, _RATIOS))


def student(freedom: float) -> float:
    """Student's two-sided quantile at the level of Z, within 3 % from 4 degrees of freedom on, above it below.

    Wallace 1959, solved for t. At most REACH_MAX.

    >>> round(student(7), 2), round(student(1e6), 2)
    (4.56, 3.0)
    """
    wide = Z * (8 * freedom + 3) / (8 * freedom + 1)
    exponent = min(wide * wide / freedom, 2 * math.log(REACH_MAX))
    return min(math.sqrt(freedom * math.expm1(exponent)), REACH_MAX)


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


def _excess(sums: Doubles, rows: Doubles, floor: Doubles) -> Doubles:
    """Standard deviation of pane shares beyond `floor` a row."""
    varied = (sums**2 / np.maximum(rows, 1.0)[:, np.newaxis]).sum(axis=0)
    varied -= max(1, int(np.count_nonzero(rows)) - 1) * floor
    found: Doubles = np.sqrt(np.maximum(varied, 0.0) / rows.sum())
    return found
