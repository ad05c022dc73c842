"""What labels are expected to say before they come: the part of the reference that estimates rest on.

A classification is *calibrated*: the labelled rows of the history are counted by output, score bin and whether they
came true, so the chance of a live row is read from its output and score (expected_read.py). Beside it stand, of each
score bin, the mean score and the moments of -ln of the probability given to what came true; within a bin rows are
weighted as a calibrated score would have them come true, so these need no label and use every row.

A regression's errors are *additive* in the cells of the row:

    E |e| = c + t_out[cell of the prediction] + sum over f of t_f[cell of f] + u_f[cell of f, group of the prediction]

and the same for e^2, fitted by ridge least squares (expected_fit.py). So the expected error of a window is a sum over
counts that every pane holds: those of the features by about five groups of the prediction. What it cannot see:
interactions of two features (an error that is large only where both meet), changes within one bin, and whatever is in
no feature. On NannyML's car prices, where features that used to move apart move together after a change, the truth is
then 698: without u_f it says 804, with them 738, and NannyML's trees, which see every interaction, 712.

Both hold while P(label | row) is what it was in the history, and while that history is not the rows that the model
was trained on: it is too sure of itself there. Neither sees a concept drift, nor a backdoor that answers confidently.

Source: Kivimaki et al. 2025, "Performance Estimation in Binary Classification Using Calibrated Confidence"; CBPE and
DLE of NannyML, of which the second fits gradient boosted trees where this is additive.

Stored as whole numbers: counts, and coefficients in steps of 1/4096 of the error's scale: of a classification 4 KB, of
a regression 60 bytes a coefficient, of which there are at most 1,024.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Final, TypeAlias

import msgspec

BINS: Final = 64  # of the score: sections.SCORE_BINS, which imports this room's reference
STEP: Final = 2.0**-12  # of a coefficient, in error scales or their squares
GROUPS: Final = 8  # parts of the history that are left out one by one: the jackknife


class ScoreBin(msgspec.Struct, frozen=True, array_like=True):
    """What the rows of one score bin are like. Zeros where no row can come true, or must."""

    bin: int
    score: float  # mean
    one: float  # mean of -ln(score), rows weighted by the score
    one_squared: float  # of its square
    zero: float  # mean of -ln(1 - score), rows weighted by 1 - score
    zero_squared: float


class Calibration(msgspec.Struct, frozen=True, tag="calibration", tag_field="kind"):
    """Of a classification: `cells` are (output * 64 + score bin, rows that came true, that did not), none empty."""

    cells: tuple[tuple[int, int, int], ...]
    bins: tuple[ScoreBin, ...]


class Additive(msgspec.Struct, frozen=True, tag="additive", tag_field="kind"):
    """Of a regression: coefficients of the constant, of the cells of each of `columns`, of [cell][group] of `crossed`.

    Columns are numbered as the schema's features; the number after the last feature stands for the output.

    `absolute` and `squared` are i[1 + GROUPS][1 + cells] in steps of STEP error scales (squared: of their squares): the
    first from all `rows`, the others with one part of the history left out.
    """

    rows: int
    ridge: int  # rows by which crossed cells are shrunk
    columns: tuple[int, ...]  # the output among them
    crossed: tuple[int, ...]  # some of `columns`, never the output
    absolute: tuple[tuple[int, ...], ...]
    squared: tuple[tuple[int, ...], ...]


Expected: TypeAlias = Calibration | Additive


def expected_fault(expected: Expected, classes: int, sizes: Sequence[int], groups: int) -> str:
    """Say what makes it unusable, or nothing. `classes` is 0 for a regression; `sizes` are cells of all columns."""
    if isinstance(expected, Calibration) != bool(classes):
        return "what labels are expected to say is of another task"
    if isinstance(expected, Calibration):
        return _calibration_fault(expected, (classes + 1) * BINS)
    return _additive_fault(expected, sizes, groups)


def _calibration_fault(found: Calibration, cells: int) -> str:
    places = [place for place, _, _ in found.cells]
    counts = [count for _, *counts in found.cells for count in counts]
    if places != sorted(set(places)) or not all(0 <= place < cells for place in places) or min(counts, default=0) < 0:
        return "the calibration counts no such cells"
    bins = [each.bin for each in found.bins]
    if bins != sorted(set(bins)) or not all(0 <= each < BINS for each in bins):
        return "the calibration has no such score bins"
    numbers = [number for each in found.bins for number in msgspec.structs.astuple(each)]
    return (
        "" if all(isfinite(number) and number >= 0 for number in numbers) else "a score bin is described by no number"
    )


def _additive_fault(found: Additive, sizes: Sequence[int], groups: int) -> str:
    columns, last = found.columns, len(sizes) - 1
    if columns != tuple(sorted(set(columns))) or not columns or columns[0] < 0 or columns[-1] != last:
        return "the expected errors are of no such columns"
    if found.crossed != tuple(sorted(set(found.crossed))) or not set(found.crossed) <= set(columns[:-1]):
        return "the expected errors cross no such columns"
    cells = 1 + sum(sizes[each] for each in columns) + groups * sum(sizes[each] for each in found.crossed)
    if any(
        len(sets) != 1 + GROUPS or any(len(row) != cells for row in sets) for sets in (found.absolute, found.squared)
    ):
        return "the expected errors do not fit the columns"
    return "" if found.rows > 0 and found.ridge > 0 else "the expected errors rest on no rows"
