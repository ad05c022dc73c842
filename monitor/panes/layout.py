"""What each cell of a pane means: the one place where the binary layout of panes is written down.

A pane is one vector of signed 64-bit counts, so that adding panes is adding vectors, whatever they count. Format 1
(`Reference.format`), sections in this order, K classes:

| section | cells | counts |
|---|---|---|
| rows | 1 | predictions |
| each numeric feature of k bins | k + 5 | under, b0 .. b(k-1), over, missing, non_finite, invalid |
| each categorical feature of k top categories | k + 4 | c0 .. c(k-1), other, unseen, missing, invalid |
| output | K + 1 | one per class, then any other class |
| score | (K + 1) x 65 | by output: 64 equal bins over [0, 1], then missing |
| confusion | (K + 1)^2 | [predicted][label] by trusted sources; the last row and column are other classes |
| scored | 1 | labelled predictions that had a score |
| squared_error | 1 | of these, the sum of (score - outcome)^2 in FIXED_POINT |
| score_label | 64 x 2 | [score bin][outcome] of the scored |
| lag | 16 | labelled predictions by label time - prediction time, cut at LAG_EDGES_S |
| pairs | 6 | asked, differ; labelled: both_right, only_serving_wrong, only_known_good_wrong, both_wrong |
| agreement | 2 | labels by untrusted sources that agree, disagree with the served output |

`outcome` is "the label is the positive class" with two classes and "the output was right" with more: what the score
is a probability of (the second is the top-label Brier score). A sum of squares is kept in fixed point because floats do
not add exactly: a corrected label must subtract what it added.

Stored (`encode_pane`), little endian: format u1 = 1 · width u1 in {1, 2, 4, 8} · cells u4 · exceptions e u4 · the cells
as signed integers of that width · for the counts too wide for it: their cell numbers u4[e], then counts i8[e] (0 stands
in the cells). Most counts of a minute fit one byte and one or two cells never do (squared_error), so the 862 cells of
20 numeric features take 0.9 KB after a thousand rows and 3.5 KB after a million. zlib would make half of that, but
undoing it costs 3-11 us a pane where adding one costs 2, and a look adds a hundred (measured 2026-11).
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import Arrivals, Histogram, Outcomes, Pairs, Pane, Subject, View
from monitor.panes.reference import CategoryBins, NumericBins, Reference, digest, encode_reference

SCORE_BINS = 64  # a power of two, so that score * 64 is exact
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
LAG_EDGES_S = (
    *(1 * MINUTE_S, 5 * MINUTE_S, 15 * MINUTE_S, 30 * MINUTE_S),
    *(1 * HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 12 * HOUR_S),
    *(1 * DAY_S, 2 * DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S),
)  # bin 0 is below the first (clock skew included), the last is from the last on
_LAGS = len(LAG_EDGES_S) + 1

_HEADER = struct.Struct("<BBII")
_WIDTHS = {width: np.dtype(f"<i{width}") for width in (1, 2, 4, 8)}
_EXCEPTION_BYTES = 12


@dataclass(frozen=True, slots=True)
class FeatureCells:
    """Where one feature lies in the span of all features."""

    name: str
    numeric: bool
    start: int
    bins: int  # cells that are bins: outer, other and unseen ones included

    @property
    def size(self) -> int:
        """Bins, then missing, (non_finite,) invalid."""
        return self.bins + (3 if self.numeric else 2)

    def histogram(self, cells: list[int]) -> Histogram:
        """Read this feature from the cells of all features."""
        end = self.start + self.bins
        bins = tuple(cells[self.start : end])
        if self.numeric:
            return Histogram(self.name, True, bins, bins[0] + bins[-1], cells[end], cells[end + 2], cells[end + 1])
        return Histogram(self.name, False, bins, bins[-1], cells[end], cells[end + 1])


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """The meaning of the cells of every pane counted in the bins of one reference."""

    reference: Reference
    digest: str  # of the reference
    classes: int  # K; K itself stands for any other class
    positive: int | None  # index of the class a score speaks of; None: it speaks of the predicted class
    feature_cells: tuple[FeatureCells, ...]
    size: int  # cells of a pane; the slices below cut them into the sections of the table above
    rows: slice
    features_span: slice
    output: slice
    score: slice
    confusion: slice
    scored: slice
    squared_error: slice
    score_label: slice
    lag: slice
    pairs: slice
    agreement: slice

    @classmethod
    def of(cls, reference: Reference) -> "Layout":
        """Lay out the panes of `reference`; Corrupt if its own counts do not fit."""
        layout = cls.draft(reference, digest(encode_reference(reference)))
        if len(reference.counts) != layout.size:
            hint = f"{len(reference.counts)} counts where its columns need {layout.size}; build it again"
            raise Corrupt("the reference profile", 0, hint)
        return layout

    @classmethod
    def draft(cls, reference: Reference, name: str = "") -> "Layout":
        """Lay out a reference whose own counts are still to be made, under a provisional `name`."""
        schema, cells, start = reference.schema, [], 0
        for column in reference.columns:
            cells.append(_feature_cells(column, start))
            start += cells[-1].size
        k = len(schema.classes)
        sections = (1, start, k + 1, (k + 1) * (SCORE_BINS + 1), (k + 1) ** 2, 1, 1, 2 * SCORE_BINS, _LAGS, 6, 2)
        ends = list(accumulate(sections, initial=0))
        positive = None if schema.positive is None else schema.classes.index(schema.positive)
        return cls(reference, name, k, positive, tuple(cells), ends[-1], *map(slice, ends, ends[1:]))

    def empty(self) -> Pane:
        """The pane of no rows."""
        return self.pane(np.zeros(self.size, np.int64))

    def pane(self, counts: NDArray[np.int64]) -> Pane:
        """Freeze `counts`, one per cell, as a pane of this reference."""
        assert counts.shape == (self.size,), (counts.shape, self.size)
        counts.setflags(write=False)
        return Pane(self.digest, counts)

    def reference_pane(self) -> Pane:
        """The pane of the reference's own rows."""
        return self.pane(np.array(self.reference.counts, np.int64))

    def features(self, pane: Pane) -> tuple[Histogram, ...]:
        """One histogram per feature, in the schema's order; ValueError for a pane of other bins."""
        self._demand(pane)
        cells: list[int] = pane.counts[self.features_span].tolist()
        return tuple(feature.histogram(cells) for feature in self.feature_cells)

    def view(self, pane: Pane, subject: Subject, column: str = "") -> View:
        """What a detector of `subject` reads, for FEATURES of one `column`; ValueError for a pane of other bins."""
        self._demand(pane)
        match subject:
            case Subject.FEATURES:
                return self._feature(pane, column)
            case Subject.OUTPUT:
                return Histogram("output", False, _tuple(pane, self.output))
            case Subject.SCORE:
                return self._score(pane)
            case Subject.OUTCOMES:
                return self._outcomes(pane)
            case Subject.PAIRS:
                return Pairs(_cell(pane, self.rows), *_tuple(pane, self.pairs))
            case Subject.ARRIVALS:
                return Arrivals(_cell(pane, self.rows))
            case Subject.GROUPS:
                msg = "groups are made of several panes"
                raise ValueError(msg)

    def _demand(self, pane: Pane) -> None:
        if pane.reference != self.digest:
            msg = f"a pane counted in the bins of {pane.reference} was read as one of {self.digest}"
            raise ValueError(msg)

    def _feature(self, pane: Pane, column: str) -> Histogram:
        for feature in self.feature_cells:
            if feature.name == column:
                return feature.histogram(pane.counts[self.features_span].tolist())
        raise KeyError(column)

    def _score(self, pane: Pane) -> Histogram:
        by_output = pane.counts[self.score].reshape(self.classes + 1, SCORE_BINS + 1)
        *bins, missing = by_output.sum(axis=0).tolist()
        return Histogram("score", True, tuple(bins), missing=missing)

    def _outcomes(self, pane: Pane) -> Outcomes:
        confusion = pane.counts[self.confusion].reshape(self.classes + 1, self.classes + 1).tolist()
        return Outcomes(
            rows=_cell(pane, self.rows),
            confusion=tuple(map(tuple, confusion)),
            scored=_cell(pane, self.scored),
            squared_error=_cell(pane, self.squared_error),
            lag=_tuple(pane, self.lag),
        )


def encode_pane(pane: Pane) -> bytes:
    """Write the stored form of the counts; whose they are is in the key beside it."""
    return _encode(pane.counts)


def decode_pane(reference: str, body: bytes) -> Pane:
    """Read a stored pane of the reference with this digest; Corrupt if `encode_pane` did not write it."""
    counts = sum_counts([body], cells_of(body))
    counts.setflags(write=False)
    return Pane(reference, counts)


def cells_of(body: bytes) -> int:
    """How many cells a stored pane has; Corrupt if it has no header of ours."""
    return _header(body)[1]


def sum_counts(bodies: Iterable[bytes], size: int) -> NDArray[np.int64]:
    """Add up stored panes of `size` cells each; Corrupt if one has another size or `encode_pane` did not write it.

    The counts too wide for their pane are gathered first and added at once: numpy's fixed costs, paid once and not a
    hundred times.
    """
    total, where, wide = np.zeros(size, np.int64), [], []
    for body in bodies:
        width, cells, exceptions = _header(body)
        if cells != size:
            raise Corrupt("a stored pane", 0, f"{cells} cells where its reference has {size}")
        total += np.frombuffer(body, _WIDTHS[width], cells, _HEADER.size)
        if exceptions:
            start = _HEADER.size + cells * width
            where.append(body[start : start + 4 * exceptions])
            wide.append(body[start + 4 * exceptions :])
    index = np.frombuffer(b"".join(where), "<u4")
    if len(index) and int(index.max()) >= size:
        raise Corrupt("a stored pane", _HEADER.size, "a count belongs to a cell that does not exist")
    np.add.at(total, index, np.frombuffer(b"".join(wide), "<i8"))
    return total


def _header(body: bytes) -> tuple[int, int, int]:
    """Width, cells, exceptions; Corrupt if the length of the body belies them."""
    if len(body) < _HEADER.size:
        raise Corrupt("a stored pane", 0, f"{len(body)} bytes are less than its header")
    version, width, cells, exceptions = _HEADER.unpack_from(body)
    if version != 1 or width not in _WIDTHS:
        raise Corrupt("a stored pane", 0, f"format {version}, width {width}: written by another version")
    if len(body) != _HEADER.size + cells * width + exceptions * _EXCEPTION_BYTES:
        raise Corrupt("a stored pane", len(body), "its length is not what its header says")
    return width, cells, exceptions


def _encode(counts: NDArray[np.int64]) -> bytes:
    size, narrow, wide = min((_narrow(counts, width) for width in _WIDTHS), key=lambda form: form[0])
    index = np.flatnonzero(wide)
    cells = np.where(wide, 0, counts).astype(narrow)
    header = _HEADER.pack(1, narrow.itemsize, len(counts), len(index))
    body = b"".join((header, cells.tobytes(), index.astype("<u4").tobytes(), counts[index].astype("<i8").tobytes()))
    assert len(body) == _HEADER.size + size
    return body


def _narrow(counts: NDArray[np.int64], width: int) -> tuple[int, np.dtype[np.signedinteger], NDArray[np.bool_]]:
    """Bytes needed at this width, its type, and which counts do not fit it."""
    half = 1 << (8 * width - 1)
    wide = (counts < -half) | (counts > half - 1)
    return width * len(counts) + _EXCEPTION_BYTES * int(np.count_nonzero(wide)), _WIDTHS[width], wide


def _feature_cells(column: NumericBins | CategoryBins, start: int) -> FeatureCells:
    if isinstance(column, CategoryBins):
        return FeatureCells(column.name, False, start, len(column.top) + 2)
    return FeatureCells(column.name, True, start, column.bins + 2)


def _cell(pane: Pane, where: slice) -> int:
    return int(pane.counts[where.start])


def _tuple(pane: Pane, where: slice) -> tuple[int, ...]:
    return tuple(pane.counts[where].tolist())
