"""Segments: which part of the traffic a row belongs to, by a categorical feature or by what the sender wrote beside it.

Each chosen column cuts the rows into its own segments, "origin=EWR", the values beyond the chosen ones pooled as
"origin=__other__"; a row is in exactly one segment of every column, so the panes of a column's segments add up to the
whole. Values are fixed before the first row is seen, from settings and the reference: no sender can make a new one.

A feature's segments follow from its bins, which the receipt keeps. Those of the row's `segment` map do not, so they are
packed into the receipt's two bytes: one mixed-radix number, code of the first column + radix of the first * (code of
the second + ...). Hence the product of all (values + 1) is at most 65,536.

A named value without a bin of its own in the reference (31 have one) is pooled: its segment stays empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Problem, SettingsError
from monitor.panes.layout import Layout
from monitor.panes.reference import CategoryBins
from monitor.panes.rows import Predictions
from monitor.panes.sections import OTHER

VALUES_MAX = 8  # named segments of a column, unless the settings say otherwise
PACKED_MAX = 1 << 16

Cells: TypeAlias = NDArray[np.uint8]
Codes: TypeAlias = NDArray[np.intp]
Packed: TypeAlias = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the settings say of one column: its `values`, or the `values_max` most frequent ones of the reference."""

    values: tuple[str, ...] = ()
    values_max: int = VALUES_MAX


@dataclass(frozen=True, slots=True, eq=False)
class Segmented:
    """One column: `values` that have a segment each, and where to find a row's.

    `feature` is its place among the features, and `by_cell` u1[256] the code of each of its cells; None: the row says
    it, and the receipt packs it.
    """

    column: str
    values: tuple[str, ...]
    feature: int | None
    by_cell: Cells

    @property
    def names(self) -> tuple[str, ...]:
        """The segments by code; the last one is the pooled one."""
        return tuple(f"{self.column}={value}" for value in (*self.values, OTHER))


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The segments of one model, in the bins of one reference."""

    columns: tuple[Segmented, ...]

    @classmethod
    def of(cls, chosen: Mapping[str, Chosen], layout: Layout) -> "Segments":
        """Fix the values of every column; SettingsError with every column that cannot be cut by."""
        problems: list[Problem] = []
        columns = [_segmented(column, what, layout, problems) for column, what in chosen.items()]
        radices = [len(column.values) + 1 for column in columns if column.feature is None]
        if prod(radices) > PACKED_MAX:
            hint = f"they make {prod(radices)} combinations of at most {PACKED_MAX}: name fewer values"
            problems.append(Problem("segments", "are too many to keep with a row", hint))
        if problems:
            raise SettingsError(problems)
        return cls(tuple(columns))

    @classmethod
    def fitting(cls, chosen: Mapping[str, Chosen], layout: Layout) -> "Segments":
        """As `of`, but without the columns that these bins cannot be cut by: nobody is in a segment of them."""
        usable = {column: what for column, what in chosen.items() if cls._fits(column, what, layout)}
        try:
            return cls.of(usable, layout)
        except SettingsError:  # too many combinations, because a column is no feature here
            names = {column.name for column in layout.reference.columns}
            return cls.of({column: what for column, what in usable.items() if column in names}, layout)

    @staticmethod
    def _fits(column: str, what: Chosen, layout: Layout) -> bool:
        problems: list[Problem] = []
        _segmented(column, what, layout, problems)
        return not problems

    @property
    def names(self) -> tuple[str, ...]:
        """Every segment of every column."""
        return tuple(name for column in self.columns for name in column.names)

    def pack(self, rows: Predictions) -> Packed:
        """What a receipt keeps of the rows' segment maps, u2[n]; 0 where no column needs it."""
        packed = np.zeros(rows.n, np.int64)
        for column in reversed(self._said()):
            index = {value: code for code, value in enumerate(column.values)}
            codes = [
                index.get(segment.get(column.column, ""), len(index)) if segment else len(index)
                for segment in rows.segments.values
            ]
            packed = packed * (len(index) + 1) + np.array(codes, np.int64)[rows.segments.codes]
        return packed.astype(np.uint16)

    def codes(self, cells: Cells, packed: Packed) -> Iterator[tuple[Segmented, Codes]]:
        """Each column with the code of every row; `cells` u1[n, F], of these bins, and `packed` as in receipts."""
        rest = packed.astype(np.int64)
        for column in self.columns:
            if column.feature is None:
                rest, code = np.divmod(rest, len(column.values) + 1)
                yield column, code
            else:
                yield column, column.by_cell[cells[:, column.feature]].astype(np.intp)

    def rows(self, cells: Cells, packed: Packed) -> Iterator[tuple[str, Codes]]:
        """Each segment that has rows, with their ascending indices; arguments as of `codes`."""
        for column, codes in self.codes(cells, packed):
            order = np.argsort(codes.astype(np.uint16), kind="stable")  # two bytes are sorted by radix
            ends = np.cumsum(np.bincount(codes, minlength=len(column.values) + 1))
            for name, part in zip(column.names, np.split(order, ends[:-1]), strict=True):
                if len(part):
                    yield name, part

    def _said(self) -> list[Segmented]:
        return [column for column in self.columns if column.feature is None]


def _segmented(column: str, chosen: Chosen, layout: Layout, problems: list[Problem]) -> Segmented:
    path = f"segments.{column}"
    names = [bins.name for bins in layout.reference.columns]
    feature = names.index(column) if column in names else None
    values: Sequence[str] = chosen.values
    by_cell = np.zeros(256, np.uint8)
    if OTHER in values or len(set(values)) < len(values) or len(values) > 255:
        problems.append(Problem(path, "names a value twice, too many, or the pooled one", f"at most 255, not {OTHER}"))
    elif feature is not None:
        if layout.reference.schema.features[feature].sensitive:
            problems.append(Problem(path, "is a sensitive feature", "segments are called by its values, on every page"))
            return Segmented(column, (), feature, by_cell)
        bins = layout.reference.columns[feature]
        if not isinstance(bins, CategoryBins):
            problems.append(Problem(path, "is a number", "rows are cut by categories; send it in the row's segment"))
            return Segmented(column, (), feature, by_cell)
        values = values or bins.top[: chosen.values_max]
        index = {value: code for code, value in enumerate(values)}
        by_cell[:] = len(values)
        by_cell[: len(bins.top)] = [index.get(value, len(values)) for value in bins.top]
    elif not values:
        hint = "it is no feature of the reference, so there is nothing to choose its most frequent values from"
        problems.append(Problem(f"{path}.values", "are missing", hint))
    return Segmented(column, tuple(values), feature, by_cell)
