"""How far shares vary beyond independent rows: within an hour, over hours, over days.

Of slot sums x_t over n_t rows with expectation m_t n_t, and residuals e_t = x_t - m_t n_t, v the variance of one row:

- *minute design effect* d: sum over minutes of (x - n p_h)^2 / n, p_h the share of the hour, over (minutes - 1) v_h: the
  variance of minutes within their hour over that of independent rows. Sessions of m rows that agree at rho give
  1 + (m - 1) rho.
- *long-run variance* of the total: overlapping windows of an hour, four hours and a day, (1 / B) sum_j (e_j + ... +
  e_(j+B-1))^2, which is Newey & West's with Bartlett weights up to B; divided by 1 - b + b^2 / 3, b = B / T, because
  the residuals know the mean (Kiefer & Vogelsang 2005). The largest of the three: a day's window sees what wanders for
  hours, but of a week there are only seven of them.
- *wander* b: of panes of 15 minutes, an hour, four hours with sums E and N rows, E^2 / N has the expectation
  d v + N b^2. So b^2 = (sum of E^2 / N - K d v) / sum of N, whatever the panes' sizes; the largest of the three.
- *slow*: if the variance a row, sum of E^2 / sum of N, is at a day more than 2.5 times that at four hours, the wander has
  a memory of about a day and a few weeks cannot tell how far it goes (E8 pages three times a month there): b is no bound,
  and the design effect of the slowest panes takes its place (E7). A memory of 3 hours gives 2, of a day 4.7. Columns are
  judged as one: the median of their signals.

Empty slots count as no rows: gaps neither add nor take variance.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

FREEDOM_MIN: Final = 100  # of minutes within hours: below it the design effect is a guess, within 14 %
SLOW: Final = 2.5
SLOW_DAYS_MIN: Final = 4  # with fewer, nobody can tell
_QUARTER_H, _HOUR_H, _FOUR_H, _DAY_H = 0.25, 1.0, 4.0, 24.0


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """Of s signals, f8[s] each: the standard error of the centre, the wander b, and the design effects.

    `minutes` is NaN where the history has too few minutes; `slow` is one word for all of them.
    """

    error: Doubles
    wander: Doubles
    minutes: Doubles
    days: Doubles  # the largest of an hour, four hours, a day
    slow: bool


def measure(residuals: Doubles, rows: Doubles, variance: Doubles, minutes: Doubles, slot_h: float) -> Noise:
    """Measure residual sums f8[T, s] over `rows` f8[T], of rows with `variance` f8[s] and this minute design effect."""
    windows = [_long_run(residuals, _slots(hours, slot_h)) for hours in (_HOUR_H, _FOUR_H, _DAY_H)]
    error = np.sqrt(np.maximum.reduce(windows)) / rows.sum()
    base = np.where(np.isnan(minutes), 1.0, minutes) * variance
    wander = [_excess(*_pool(residuals, rows, _slots(hours, slot_h)), base) for hours in (_QUARTER_H, _HOUR_H, _FOUR_H)]
    panes = [_pool(residuals, rows, _slots(hours, slot_h)) for hours in (_HOUR_H, _FOUR_H, _DAY_H)]
    rates = [(sums**2).sum(axis=0) / held.sum() * len(held) / max(1, len(held) - 1) for sums, held in panes]
    with np.errstate(divide="ignore", invalid="ignore"):
        designs = np.maximum.reduce(rates) / variance
        growth = rates[2] / rates[1]
    grows = growth[np.isfinite(growth) & (variance > 0)]
    slow = len(panes[2][1]) < SLOW_DAYS_MIN or (len(grows) > 0 and float(np.median(grows)) > SLOW)
    return Noise(error, np.maximum.reduce(wander), minutes, np.where(variance > 0, designs, 1.0), slow)


def minute_design(sums: Doubles, rows: Doubles, squares: Doubles) -> Doubles:
    """Design effect f8[s] of minutes within their hours, NaN where too few can tell.

    `sums` f8[H, 60, s] over `rows` f8[H, 60]; `squares` f8[H, s] is the sum of squares of the rows' values, which of
    shares is their sum.
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


def _slots(hours: float, slot_h: float) -> int:
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
    """Sums and rows of the panes of `width` slots that have rows."""
    starts = np.arange(0, len(rows), width)
    sums, held = np.add.reduceat(residuals, starts, axis=0), np.add.reduceat(rows, starts)
    return sums[held > 0], held[held > 0]


def _excess(sums: Doubles, rows: Doubles, base: Doubles) -> Doubles:
    """Standard deviation of pane shares beyond `base` a row."""
    varied = (sums**2 / rows[:, np.newaxis]).sum(axis=0) - max(1, len(rows) - 1) * base
    found: Doubles = np.sqrt(np.maximum(varied, 0.0) / rows.sum())
    return found
