"""Rows as columns: what the fold counts, whoever sent them and however they were written.

Texts stay Arrow's or are numbered (`Coded`): a Python object a row costs more than all that is counted of the row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MISSING: Final = -1  # category codes
INVALID: Final = -2

Bools: TypeAlias = NDArray[np.bool_]
Doubles: TypeAlias = NDArray[np.float64]
Which: TypeAlias = Bools | NDArray[np.intp] | slice  # rows: by a mask, by indices, or a slice
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class NumericColumn:
    """One numeric feature: `values` f8[n], NaN where `missing` or `invalid`; neither and not finite: non-finite."""

    values: Doubles
    missing: Bools
    invalid: Bools

    def take(self, rows: Which) -> "NumericColumn":
        """The same column of some of the rows."""
        return NumericColumn(self.values[rows], self.missing[rows], self.invalid[rows])


@dataclass(frozen=True, slots=True, eq=False)
class CategoricalColumn:
    """One categorical feature: `codes` i4[n] into `values`; MISSING (-1) or INVALID (-2) where there is no value."""

    codes: NDArray[np.int32]
    values: tuple[str, ...]

    def take(self, rows: Which) -> "CategoricalColumn":
        """The same column of some of the rows; `values` stay, so codes keep their meaning."""
        return CategoricalColumn(self.codes[rows], self.values)


Column: TypeAlias = NumericColumn | CategoricalColumn


@dataclass(frozen=True, slots=True, eq=False)
class Coded(Generic[T]):
    """Values of which there are few: row i has `values[codes[i]]`, codes i4[n]. A value may stand in `values` twice."""

    codes: NDArray[np.int32]
    values: tuple[T, ...]

    @classmethod
    def of(cls, rows: Sequence[T]) -> "Coded[T]":
        """Number the values of these rows.

        >>> Coded.of(["a", "b", "a"]).values
        ('a', 'b')
        """
        found: dict[str | T, int] = {}
        codes = [found.setdefault(row if isinstance(row, str) else repr(row), len(found)) for row in rows]
        first: list[T | None] = [None] * len(found)
        for code, row in zip(codes, rows, strict=True):
            first[code] = row
        return cls(np.array(codes, np.int32), tuple(first))  # type: ignore[arg-type]  # each code came from a row

    @classmethod
    def all(cls, value: T, n: int) -> "Coded[T]":
        """The same value in every row."""
        return cls(np.zeros(n, np.int32), (value,))

    def take(self, rows: Which) -> "Coded[T]":
        """The same of some of the rows; `values` stay, so codes keep their meaning."""
        return Coded(self.codes[rows], self.values)

    def tolist(self) -> list[T]:
        """A value a row."""
        return [self.values[code] for code in self.codes.tolist()]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.codes)

    def __iter__(self) -> Iterator[T]:
        """A value a row."""
        return iter(self.tolist())


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Predictions by column, in the order in which they arrived; every column has `n` entries."""

    n: int
    ids: pa.StringArray  # without nulls
    times: Doubles
    arrivals: Doubles
    outputs: NDArray[np.uint8]  # 0 where the task has no classes
    scores: Doubles
    sources: Coded[str]
    claimed: Coded[str]
    segments: Coded[dict[str, str] | None]
    columns: dict[str, Column]
    values: Doubles  # the predicted numbers, or lengths of ranked lists; NaN for a classification
    probabilities: NDArray[np.float32] | None = None  # [n, classes], a row of NaN where they were not sent

    @classmethod
    def unsent(
        cls,
        columns: dict[str, Column],
        *,
        times: Doubles,
        outputs: NDArray[np.uint8],
        scores: Doubles,
        values: Doubles | None = None,
        probabilities: NDArray[np.float32] | None = None,
        ids: pa.StringArray | None = None,
    ) -> "Predictions":
        """Rows that nobody sent, such as those of history: without sources, claims and segments."""
        n = len(times)
        nothing, unknown = Coded.all("", n), np.full(n, float("nan"))
        segments: Coded[dict[str, str] | None] = Coded.all(None, n)
        ids = pa.repeat(pa.scalar("", pa.string()), n) if ids is None else ids
        values = unknown if values is None else values
        return cls(n, ids, times, times, outputs, scores, nothing, nothing, segments, columns, values, probabilities)

    def take(self, rows: Which) -> "Predictions":
        """Some of the rows, in the order of the indices; a mask keeps arrival order."""
        at = np.arange(self.n)[rows]
        return Predictions(
            n=len(at),
            ids=self.ids.take(pa.array(at)),
            times=self.times[at],
            arrivals=self.arrivals[at],
            outputs=self.outputs[at],
            scores=self.scores[at],
            sources=self.sources.take(at),
            claimed=self.claimed.take(at),
            segments=self.segments.take(at),
            columns={name: column.take(at) for name, column in self.columns.items()},
            values=self.values[at],
            probabilities=None if self.probabilities is None else self.probabilities[at],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels by column, in the order in which they arrived; `prediction_times` is NaN where no hint was given."""

    n: int
    ids: pa.StringArray
    times: Doubles
    arrivals: Doubles
    labels: Doubles  # as of `Label.label`
    sources: Coded[str]
    prediction_times: Doubles
