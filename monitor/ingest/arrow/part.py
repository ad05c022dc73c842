"""Rows of one model while they are judged: which are refused and why, and what of the others cannot be used."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from monitor.errors import Rejected
from monitor.facts import RejectReason
from monitor.ingest.accept import Known, Setting, Tally
from monitor.ingest.arrow.values import Bools, Codes, numbered
from monitor.ingest.counters import Claim

T = TypeVar("T")

REASONS: Final = tuple(RejectReason)
NUMBER_OF: Final = {reason: at for at, reason in enumerate(REASONS, 1)}  # 0: not refused


@dataclass(slots=True)
class Part:
    """Rows of one model, while they are judged."""

    batch: pa.RecordBatch
    known: Known
    setting: Setting
    tally: Tally
    refused: NDArray[np.uint8] = None  # type: ignore[assignment]  # set below

    def __post_init__(self) -> None:
        self.refused = np.zeros(self.n, np.uint8)

    @property
    def n(self) -> int:
        """How many rows."""
        return int(self.batch.num_rows)

    def column(self, name: str) -> pa.Array | None:
        """A column by name; None if the stream has none."""
        return column_of(self.batch, name)

    def refuse(self, rows: Bools, reason: RejectReason) -> None:
        """Refuse these rows, but for those that were refused before."""
        if rows.any():
            self.refused[rows & (self.refused == 0)] = NUMBER_OF[reason]

    def drop(self, rows: Bools, claim: Claim) -> None:
        """Count what cannot be used of rows that are not refused."""
        if rows.any() and (count := int(np.count_nonzero(rows & (self.refused == 0)))):
            self.tally.dropped[claim] += count

    def each(self, name: str, judge: Callable[[Any, Tally], T], blank: T) -> tuple[Codes, list[T]]:
        """Judge every distinct value of a column: a code a row, and what was made of each; `blank` where refused."""
        codes, values = numbered(self.column(name), self.n)
        found, reasons, dropped = [], np.zeros(len(values), np.uint8), []
        for at, value in enumerate(values):
            tally = Tally()
            try:
                found.append(judge(value, tally))
            except Rejected as fault:
                found.append(blank)
                reasons[at] = NUMBER_OF[RejectReason(fault.reason)]
            dropped.append(next(iter(tally.dropped), None))
        for number in np.unique(reasons[reasons > 0]).tolist():
            self.refuse(reasons[codes] == number, REASONS[number - 1])
        for claim in {claim for claim in dropped if claim is not None}:
            self.drop(np.array([each is claim for each in dropped])[codes], claim)
        return codes, found


def column_of(batch: pa.RecordBatch, name: str) -> pa.Array | None:
    """A column by name; None if the batch has none."""
    at = batch.schema.get_field_index(name)
    return batch.column(at) if at >= 0 else None
