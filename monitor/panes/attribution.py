"""Which pane and which epoch a row belongs to: arithmetic on its time."""

import numpy as np
from numpy.typing import NDArray


def pane_start(times: NDArray[np.float64], length: int) -> NDArray[np.int64]:
    """The start i8[n] of each time's pane, in seconds, a multiple of `length` seconds; times are finite."""
    return (np.floor_divide(times, length) * length).astype(np.int64)


def attribute(epoch_starts: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.intp]:
    """The index of each time's epoch, given the starts in ascending order; -1 before the first of them.

    An epoch holds its start and not its end; of epochs that start together the last one has the row.
    """
    return np.searchsorted(epoch_starts, times, side="right") - 1
