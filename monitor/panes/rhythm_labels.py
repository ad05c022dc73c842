"""Bands of labels that no history tells: those that follow from what a signal is, and why the others are unknown.

- *paired error*: where the served model is as good as the known-good, a row that only one of them gets wrong is as
  likely to be either's: one half (McNemar 1947), and the tolerance. Rows hang together as wrong answers do.
- *paired loss*: where it is as good, the mean of what is cut is no more than one half, whatever its law, and the
  tolerance: .02 of a share is .04 error scales. Rows hang together as errors do: as the cut of them that does most.
- *agreement*: an honest source says what the truth says, so it agrees as often as the model is right. Honest sources
  differ all the same: `SOURCES_SPREAD` is the standard deviation that is granted them, three of it in the band.
"""

from collections.abc import Sequence
from math import hypot
from typing import Final

from msgspec.structs import replace

from monitor.panes.rhythm import Band
from monitor.panes.sections import HITS_AT
from monitor.panes.shares import Signal, What

SOURCES_SPREAD: Final = 0.02  # of the share that agrees; assumed
KNOWN_ROWS: Final = 1e12  # of a null that is no estimate: its sampling interval has no width
RIGHT: Final = f"in the first {HITS_AT[-1]}"  # of a list: what an untrusted source agrees with
NO_LABELS: Final = "the history has no labels"
NO_ERROR: Final = "the history does not say how often the answers are right"


def complete_labels(signals: Sequence[Signal], bands: Sequence[Band], *, labelled: bool, design: float) -> list[Band]:
    """The `bands` of the `signals` of labels with these put in; `design` >= 1 is that of pairs of unknown errors."""
    right = _right(signals, bands)
    errors = design if right.centre is None else right.design
    follows = {
        What.PAIRED_ERROR: _even(errors),
        What.PAIRED_LOSS: _even(_errors_design(signals, bands) or design),
        What.AGREEMENT: _granted(right),
    }
    learned = bands if labelled else [replace(band, centre=None, why=NO_LABELS) for band in bands]
    return [follows.get(signal.what, band) for signal, band in zip(signals, learned, strict=True)]


def _even(design: float) -> Band:
    """One half, whatever the history says: nothing was sampled."""
    return Band(0.5, KNOWN_ROWS, 0.5, 0.0, design)


def _granted(right: Band) -> Band:
    """How often an honest source agrees: as often as answers are right, give or take what sources differ by."""
    if right.centre is None:
        return right
    return replace(right, wander=float(f"{hypot(right.wander, SOURCES_SPREAD):.6g}"))


def _errors_design(signals: Sequence[Signal], bands: Sequence[Band]) -> float:
    """The largest design effect of cuts of a regression's errors; 0 where none is known."""
    known = (band for signal, band in zip(signals, bands, strict=True) if signal.what is What.ERROR)
    return max((band.design for band in known if band.centre is not None), default=0.0)


def _right(signals: Sequence[Signal], bands: Sequence[Band]) -> Band:
    """How often answers are right: the mirror of the share that is wrong, or that something relevant is in a list."""
    for signal, band in zip(signals, bands, strict=True):
        if band.centre is None:
            continue
        if signal.what is What.ERROR and not signal.item:
            return replace(band, centre=float(f"{1 - band.centre:.6g}"), waves=tuple(-wave for wave in band.waves))
        if signal.what is What.HIT and signal.item == RIGHT:
            return band
    return Band(None, 0.0, 0.0, 0.0, 1.0, why=NO_ERROR)
