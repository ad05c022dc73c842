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
- *memory* r: correlation of a pane of four hours with the next one, plus (1 + 3 r) / K for what the mean took away
  (Kendall 1954). A memory of 3 hours gives .45, of half a day .8, of a day .87.
- *slow*: with a memory near a day the variance still grows at the scale of days, a few weeks hold K (1 - r) / (1 + r) =
  w independent moments only, and the two estimates above are far too small: in simulated months with 50 features that
  wandered for a day, E8 paged 3.8 times. There b is divided by sqrt(1 - 1 / w), b^2 / w joins the error, and the design
  effect is that of the slowest panes, as in E7: .5 pages. The variance of days over that of four hours cannot tell slow
  from fast in a week (one in six of those with a memory of 3 hours looked slow, half of those with a day's did not);
  the correlation can, better still with a look at the neighbours: slow is r above .75, or above .65 on average with the
  median of all columns. A column is judged as one: the median of its signals.

Empty slots count as no rows: gaps neither add nor take variance.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm_season import Slots

Doubles = NDArray[np.float64]

FREEDOM_MIN: Final = 100  # of minutes within hours: below it the design effect is a guess, within 14 %
SLOW: Final = 0.75
SLOW_TOGETHER: Final = 0.65
SLOW_PANES_MIN: Final = 24  # of four hours, from the first to the last: in less than four days nobody can tell
MEMORY_MAX: Final = 0.97  # of an estimate; beyond it nothing is left of a history
TICKS_H: Final = (1 / 60, 5 / 60, 0.25, 1.0, 4.0)
TICK_ROWS: Final = 5  # as sequential/process.py waits for
_QUARTER_H, _HOUR_H, _FOUR_H, _DAY_H = 0.25, 1.0, 4.0, 24.0
_TICKS_MIN: Final = 4  # of a pane that shows wander


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Of s signals, f8[s] each: the standard error of the centre, the wander b, and the design effect.

    `design` is NaN where the history has too few minutes; `slow` is one word for all of them.
    """

    error: Doubles
    wander: Doubles
    design: Doubles
    slow: bool


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
    return np.maximum(inside, 0.0)


def measure(left: Slots, variance: Doubles, around: Doubles, ticks: Doubles, common: float) -> Noise:
    """Measure what is `left` of slot sums, of rows with `variance` f8[s] and `around` f8[s] within their slots.

    `ticks` f8[s] is their design effect, `common` the median memory of all columns.
    """
    residuals, rows = left.sums, left.rows
    tick_h = tick_hours(left)
    widths = [_width(hours, left.slot_h) for hours in (_QUARTER_H, _HOUR_H, _FOUR_H, _DAY_H)]
    panes = [_pool(residuals, rows, width) for width in widths]
    long_run = np.maximum.reduce([_long_run(residuals, width) for width in widths[1:]])
    error, floor = np.sqrt(long_run) / rows.sum(), np.where(np.isnan(ticks), 1.0, ticks) * around
    shown = [hours >= _TICKS_MIN * tick_h * 0.99 for hours in (_QUARTER_H, _HOUR_H, _FOUR_H)]
    shown.append(tick_h >= _HOUR_H)
    wander = np.maximum.reduce([_excess(*pane, floor) for pane, shows in zip(panes, shown, strict=True) if shows])
    memory, many = memories(left), np.count_nonzero(panes[2][1])
    if not _is_slow(memory[variance > 0], panes[2][1], common):
        return Noise(error, wander, ticks, slow=False)
    moments = many * (1 - memory) / (1 + memory)
    wander = wander / np.sqrt(np.maximum(1 - 1 / np.maximum(moments, 1.5), 0.2))
    with np.errstate(divide="ignore", invalid="ignore"):
        days = np.maximum.reduce([_rate(*pane) for pane in panes[1:]]) / variance
    days = np.where(variance > 0, days, np.nan)
    return Noise(np.sqrt(error**2 + wander**2 / moments), wander, np.fmax(ticks, days), slow=True)


def memories(left: Slots) -> Doubles:
    """Correlation f8[s] of the shares of four hours with those of the next four; in [0, MEMORY_MAX]."""
    sums, rows = _pool(left.sums, left.rows, _width(_FOUR_H, left.slot_h))
    share = sums / np.maximum(rows, 1.0)[:, np.newaxis]
    pairs = np.minimum(rows[1:], rows[:-1])
    together = (pairs[:, np.newaxis] * share[1:] * share[:-1]).sum(axis=0) / max(float(pairs.sum()), 1.0)
    alone = (rows[:, np.newaxis] * share**2).sum(axis=0) / rows.sum()
    raw = np.clip(np.divide(together, alone, out=np.zeros_like(alone), where=alone > 0), 0.0, 1.0)
    found: Doubles = np.clip(raw + (1 + 3 * raw) / np.count_nonzero(rows), 0.0, MEMORY_MAX)
    return found


def _is_slow(memory: Doubles, rows: Doubles, common: float) -> bool:
    held = np.flatnonzero(rows)
    if held[-1] - held[0] + 1 < SLOW_PANES_MIN:
        return True
    own = float(np.median(memory)) if len(memory) else 0.0
    return own > SLOW or (own + common) / 2 > SLOW_TOGETHER


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


def _rate(sums: Doubles, rows: Doubles) -> Doubles:
    """Variance a row of pane sums."""
    many = int(np.count_nonzero(rows))
    found: Doubles = (sums**2).sum(axis=0) / rows.sum() * (many / max(1, many - 1))
    return found
