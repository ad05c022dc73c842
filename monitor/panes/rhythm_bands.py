"""When a band may be promised at all: what learning is told, the band of a history without times, and what is unknown.

Without times, or with less than two days of them, nobody can tell an evening from a drift. The band is then the
sampling error of as many rows as the history holds, divided by a design effect that is assumed and not measured, plus
the tolerance; the caller must say so, loudly (`Rhythm.why`).

A band as wide as .8 of all rows (2.6 standard deviations of a mean score) would promise nothing: it is unknown. So is
one of fewer than 30 rows.

Numbers are stored with six digits: a reference profile is named by its bytes, and the seventh is noise.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.normal import mean_scores
from monitor.panes.rhythm import Band, score_half, share_band
from monitor.panes.rhythm_count import MEMORY

Doubles = NDArray[np.float64]
Counts = NDArray[np.int64]

ROWS_MIN: Final = 30
WIDTH_MAX: Final = 0.8  # of a share's band: around a half, up to 1.3 standard deviations of the column
SCORE_WIDTH_MAX: Final = 2.6  # of a mean score's, in standard deviations
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Learning:
    """How bands are learned.

    `tolerance` is tau in [0, 1): shifts below about 1.25 tau standard deviations are ignored. `design` >= 1 is assumed
    where nothing can be measured: 4 is what sessions of ten rows have that agree at 0.3. `memory` in bytes is that of
    the tables. `repeats` is the share of predictions that may come twice; `whole` says that the history is all of the
    traffic and not a sample of it: only then does it tell how many rows to expect.
    """

    tolerance: float = 0.04
    design: float = 4.0
    memory: int = MEMORY
    repeats: float = 0.02
    whole: bool = True

    def __post_init__(self) -> None:
        """Refuse what would make every band wrong."""
        if not (0 <= self.tolerance < 1 and self.design >= 1 and self.memory > 0 and 0 <= self.repeats < 1):
            msg = "tolerance and repeats must be in [0, 1), the design effect at least 1, memory positive"
            raise ValueError(msg)


DEFAULT_LEARNING: Final = Learning()


def untimed_share(share: float, rows: int, learning: Learning) -> Band:
    """The band of a share that so many rows without times say."""
    if rows < ROWS_MIN:
        return too_few(rows)
    spread, effective = float(np.sqrt(share * (1 - share))), rows / learning.design
    band = _assumed(share, spread, effective, spread / float(np.sqrt(effective)), learning)
    return told(band, learning, is_share=True)


def untimed_scores(shares: Doubles, rows: Counts, learning: Learning) -> list[Band]:
    """The bands of columns' mean normal scores, of the `shares` f8[C, B] of their bins and their `rows` i8[C]."""
    z = mean_scores(shares)
    means = (shares * z).sum(axis=1)
    spreads = np.sqrt((shares * z**2).sum(axis=1) - means**2)
    numbers = zip(means.tolist(), spreads.tolist(), rows.tolist(), strict=True)
    return [_untimed_score(mean, spread, many, learning) for mean, spread, many in numbers]


def _untimed_score(mean: float, spread: float, rows: int, learning: Learning) -> Band:
    if rows < ROWS_MIN:
        return too_few(rows)
    effective = rows / learning.design
    return told(_assumed(mean, spread, effective, spread / effective**0.5, learning), learning, is_share=False)


def _assumed(centre: float, spread: float, effective: float, error: float, learning: Learning) -> Band:
    """Sampling error alone, of as many rows as the assumed design effect leaves."""
    return Band(short(centre), short(effective), short(spread), 0.0, learning.design, short(error))


def told(band: Band, learning: Learning, *, is_share: bool) -> Band:
    """Give the band, or say that it is too wide to mean anything."""
    if not _is_too_wide(band, learning.tolerance, is_share=is_share):
        return band
    return unknown(
        f"the history is worth {band.rows:.0f} independent rows here and wanders by {band.wander:.3g} with a memory of "
        f"{band.memory_h:.3g} hours: its band would hold nearly everything"
    )


def _is_too_wide(band: Band, tolerance: float, *, is_share: bool) -> bool:
    assert band.centre is not None, "only bands that may be known are judged"
    rows, wander, reach = (np.array([value]) for value in (band.rows, band.wander, band.reach))
    if is_share:
        centre = np.clip(np.array([band.centre]), 0.0, 1.0)
        low, high = share_band(centre, rows, wander, reach, tolerance)
        return float((high - low)[0]) > WIDTH_MAX
    half = score_half(np.array([band.spread]), np.maximum(rows, 1e-9), wander, reach, tolerance)
    return 2 * float(half[0]) > SCORE_WIDTH_MAX


def unknown(why: str) -> Band:
    """No band, in words."""
    return Band(None, 0.0, 0.0, 0.0, 1.0, why=why)


def too_few(rows: float) -> Band:
    """No band, because so few rows of the history had a value."""
    return unknown(f"{rows:.0f} rows of the history had a value")


def short(value: float) -> float:
    """Round to the digits that are stored."""
    return float(f"{value:.{_DIGITS}g}")
