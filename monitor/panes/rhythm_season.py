"""Whether a signal follows the hour of the day, or of the week; how, and how well that is known.

Weighted least squares of slot sums on a constant and waves, and a covariance that is robust to whatever happens inside
a day (or a week), because whole days are its clusters:

    beta = G^-1 sum_t phi_t x_t      G = sum_t n_t phi_t phi_t'
    u_d = sum over the slots of day d of phi_t (x_t - n_t phi_t' beta)
    V = D / (D - 1) G^-1 (sum_d u_d u_d') G^-1

A rhythm is what comes back every day; a wander of some hours gives every day other waves, which shows in V and not in
beta. F = sum of beta_k^2 / sum of V_kk over the waves, against F(2, 2 (D - 1)): as if all the noise lay in one
harmonic, which for a slow wander is nearly so; the tail of F(2, m) is (1 + 2 F / m)^(-m / 2), in closed form. At 1 % a
false rhythm costs a little width, a missed one is left to the wander.

Slots average a wave of k cycles a week over their length: phi is multiplied by sinc, so that beta is the wave itself.

Source: Liang & Zeger 1986 (clusters); few clusters: Donald & Lang 2007, hence the F with clusters' degrees of freedom.
Failure mode: a rhythm with sharp edges is not three harmonics; the rest of it is left to the wander.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.panes.rhythm import DAILY, DAY_H, WEEK_H, WEEKLY, wave_basis

Doubles = NDArray[np.float64]
Places = NDArray[np.intp]

FALSE_RHYTHM: Final = 0.01
SLOT_H_MAX: Final = 2.0  # the third harmonic has a period of 8 hours
DAYS_MIN: Final = 3
WEEKS_MIN: Final = 3
ROUNDING: Final = 1e-18  # squared waves below it are none: nothing varies at all


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """A fit of s signals: `centre` f8[s], `waves` f8[s, 2K] of rhythm.WEEKLY, 0 where a signal has none.

    `expected` f8[T, s] is the share in each slot; `variance` f8[s] what the waves add to that of the centre, on average
    over the hours.
    """

    centre: Doubles
    waves: Doubles
    expected: Doubles
    variance: Doubles
    level: NDArray[np.int8]  # 0 constant, 1 daily, 2 weekly


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """What happened when: `sums` f8[T, s] over `rows` f8[T] in slots of `slot_h` hours around `hours` f8[T]."""

    sums: Doubles
    rows: Doubles
    hours: Doubles
    slot_h: float


def fit_season(slots: Slots) -> Season:
    """Fit the slots' sums; the rhythm of the day first, then that of the week beside it."""
    centre = slots.sums.sum(axis=0) / slots.rows.sum()
    many = slots.sums.shape[1]
    found = Season(
        centre,
        np.zeros((many, 2 * len(WEEKLY))),
        np.broadcast_to(centre, slots.sums.shape).copy(),
        np.zeros(many),
        np.zeros(many, np.int8),
    )
    if slots.slot_h <= SLOT_H_MAX:
        days, weeks = _clusters(slots, DAY_H), _clusters(slots, WEEK_H)
        if days.max(initial=-1) + 1 >= DAYS_MIN:
            _improve(found, slots, days, DAILY)
        if weeks.max(initial=-1) + 1 >= WEEKS_MIN:
            _improve(found, slots, weeks, WEEKLY)
    return found


def _clusters(slots: Slots, period: int) -> Places:
    """Number the days, or the weeks from the first hour on, that have rows; -1 for slots without.

    One that is only begun belongs to the one before.
    """
    since = slots.hours - slots.hours[0]
    whole = max(1, int(since[-1] / period + 0.5))
    begun = np.minimum(np.floor(since / period), whole - 1)
    held = slots.rows > 0
    index = np.full(len(begun), -1, np.intp)
    index[held] = np.unique(begun[held], return_inverse=True)[1]
    return index


def _improve(found: Season, slots: Slots, clusters: Places, waves: tuple[int, ...]) -> None:
    """Put these waves into `found` wherever they show: of the week, those that the day has not."""
    tested = 2 * len(DAILY) if waves == WEEKLY else 0
    damping = np.repeat(np.sinc(np.array(waves) * slots.slot_h / WEEK_H), 2)
    basis = np.column_stack([np.ones(len(slots.hours)), wave_basis(waves, slots.hours) * damping])
    gram = (basis * slots.rows[:, np.newaxis]).T @ basis
    if np.linalg.matrix_rank(gram, hermitian=True) < len(gram):
        return  # too few hours of the day have rows
    inverse = np.linalg.inv(gram)
    beta = inverse @ (basis.T @ slots.sums)
    expected = basis @ beta
    residuals = slots.sums - slots.rows[:, np.newaxis] * expected
    many = int(clusters.max()) + 1
    variance = np.zeros_like(beta)
    for each in range(many):
        inside = clusters == each
        variance += (inverse @ (basis[inside].T @ residuals[inside])) ** 2
    variance *= many / (many - 1)
    signal, noise = (beta[1 + tested :] ** 2).sum(axis=0), variance[1 + tested :].sum(axis=0)
    freedom = 2 * (many - 1)
    shows = signal > noise * freedom / 2 * (FALSE_RHYTHM ** (-2 / freedom) - 1)
    shows &= signal > ROUNDING
    found.centre[shows] = beta[0, shows]
    found.waves[shows, : len(beta) - 1] = beta[1:, shows].T
    found.expected[:, shows] = expected[:, shows]
    found.variance[shows] = variance[1:, shows].sum(axis=0) / 2
    found.level[shows] = 2 if tested else 1
