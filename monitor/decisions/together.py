"""What the windows of one rule say together, where no N of the last M are sure by themselves.

Asking each window for an interval of its own beyond the limit spends the rows of a day on being sure of that day. Of
400 rows on which one model or the other errs in three of ten, a window sees a model that is ten points worse with
three chances in four, two of three windows with four in five, and all three together with nineteen in twenty.

    value = sum n_i v_i / n        low = value - z sqrt(sum (n_i s_i)^2) / n        s_i = (v_i - low_i) / 1.96

of all M windows, or of the newest N of them; it holds where `low` exceeds the largest limit among them. Every row
counts, those of windows that do not breach as well. It stays N of M: at least N of these windows must lie beyond the
limit by a standard error of their own, so that of 2 of 3 no single window, however extreme, says it without another.

- *pairs*, z = 3.09, one in 1,000: the difference to the known-good is what a false rollback would rest on, since errors
  rise by right when the world becomes harder. At the limit itself, two looks of three windows, it then holds less often
  than two breaches of three do (1.8 in 1,000).
- *errors*, z = 1.96, as of every window: they are the second signal, and say that the model is not what it was.

Only of means over rows: a weighted mean of, say, AUCs is none. Limits of a sum from those of its parts: Zou & Donner
2008, Stat. Med. 27:1693. Failure mode: windows of the same rows would be taken for independent; those of a rule do not
overlap. Days that differ by more than their rows say make `low` too high, as they do in one window.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from monitor.detectors.intervals import Z95
from monitor.facts import Reading, Slot, Verdict

LEAN: Final = 1.0  # standard errors beyond the limit, of N windows
Z_PAIRED: Final = 3.090232306167813  # the 99.9 % point of the normal distribution: 1 in 1,000, as rollbacks (S8)
Z_ERRORS: Final = Z95


class Together(msgspec.Struct, frozen=True):
    """Windows that hold together, oldest first, and by what."""

    slots: tuple[Slot, ...]
    value: float
    low: float


def together(windows: Sequence[Slot], breaches: int, z: float) -> Together | None:
    """Pool all of the M `windows` of one epoch, else the newest `breaches` of them; None where neither holds."""
    told = [slot for slot in windows if _tells(slot.reading)]
    for some in (told, told[-breaches:]):
        if sum(_leans(slot.reading) for slot in some) >= breaches and (found := _pool(some, z)) is not None:
            return found
    return None


def _tells(reading: Reading) -> bool:
    told = reading.verdict in (Verdict.BREACH, Verdict.OK) and reading.n > 0
    return told and None not in (reading.value, reading.low, reading.limit)


def _leans(reading: Reading) -> bool:
    value, error, limit = _numbers(reading)
    return value - LEAN * error > limit


def _pool(slots: Sequence[Slot], z: float) -> Together | None:
    rows = sum(slot.reading.n for slot in slots)
    parts = [(slot.reading.n / rows, *_numbers(slot.reading)) for slot in slots]
    value = sum(share * mean for share, mean, _, _ in parts)
    low = value - z * sqrt(sum((share * error) ** 2 for share, _, error, _ in parts))
    return Together(tuple(slots), value, low) if low > max(limit for *_, limit in parts) else None


def _numbers(reading: Reading) -> tuple[float, float, float]:
    """Value, standard error and limit of a reading that tells.

    The interval of a loss is cut off at 0, and says nothing of its width on that side: one absurd error would else be
    called sure.
    """
    assert reading.value is not None, "it tells"
    assert reading.low is not None, "it tells"
    assert reading.limit is not None, "it tells"
    arm = reading.value - reading.low
    if reading.low == 0.0 and reading.high is not None:
        arm = max(arm, reading.high - reading.value)
    return reading.value, arm / Z95, reading.limit
