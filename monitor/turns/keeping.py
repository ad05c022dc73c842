"""What is kept of counted rows: a receipt of each, for its label, and a sample as they came.

A row is odd by its values (`monitor.panes.odd`), by coming late, by naming another bundle than the one that answered,
or because the known-good disagrees: about a class, or about a number by more than the reference's `error_scale`, which
nine in ten of its errors do not exceed. Odd rows go first into the sample (`monitor.panes.sampling`).

Nobody knows which bundle answered between two proofs, so no claim is wrong then.

Cost, 200,000 rows x 20 features: 5 ms for receipts, 1 ms for flags, 2 ms to choose; 2 us a row kept (2026-11, two
cores, beside 35 ms for binning and counting).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Epoch, Task
from monitor.panes.count import Binned
from monitor.panes.errors import paired_gap
from monitor.panes.layout import Layout
from monitor.panes.odd import Flags, Odd
from monitor.panes.receipts import hash_source, write_receipts
from monitor.panes.rows import Coded, Predictions
from monitor.panes.sample_rows import Answers, Marks, sample_table
from monitor.panes.sampling import Flag, choose
from monitor.panes.segments import Segments
from monitor.store.protocol import Receipts, Samples
from monitor.turns.opinion import Said, fitting, heard
from monitor.turns.watched import Watched


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """The rows of a fold that one epoch answered, in the cells of its judge."""

    watched: Watched
    epoch: Epoch
    layout: Layout  # of the judge
    segments: Segments
    rows: Predictions
    keys: NDArray[np.uint64]
    said: Said  # by the known-good
    starts: NDArray[np.int64]  # of each row's pane
    binned: Binned


def receipts(part: Part, packed: NDArray[np.uint16]) -> Receipts:
    """A receipt of every row; `packed` holds the segments that follow from no feature."""
    rows, layout = part.rows, part.layout
    if rows.probabilities is not None and rows.probabilities.shape[1] != layout.classes:
        rows = replace(rows, probabilities=None)  # read by a schema of other classes: unknown here
    sources = np.array([hash_source(source) for source in rows.sources.values], np.uint32)
    records = write_receipts(
        layout,
        rows,
        part.binned,
        epochs=np.full(rows.n, part.epoch.number, np.uint32),
        known_good=None if layout.task is Task.RANKING else part.said,
        segments=packed,
        sources=sources[rows.sources.codes],
    )
    return Receipts(part.watched.name, part.keys, records)


def mark(part: Part, odd: Odd, counted: NDArray[np.int64], patience_s: float) -> Flags:
    """What is odd about each row, u4[n]; `counted` are the cells they add.

    Late is a row that arrived more than `patience_s` (a pane and its grace) after its pane began. It goes by its own
    arrival, not by when it is folded, or a fold that is behind, or a replay that steps by hours, would call all late.
    """
    flags = odd.flags(part.binned, counted)
    flags[part.rows.arrivals > part.starts + patience_s] |= np.uint32(Flag.LATE)
    if part.epoch.acts and (wrong := claims_wrong(part.rows.claimed, part.epoch.bundle)) is not None:
        flags[wrong] |= np.uint32(Flag.CLAIM)
    flags[disagreeing(part)] |= np.uint32(Flag.DISAGREES)
    return flags


def claims_wrong(claimed: Coded[str], bundle: str) -> NDArray[np.bool_] | None:
    """Which rows name another bundle than the one that answered; None: no row does, as most senders name none."""
    wrong = np.array([claim not in {"", bundle} for claim in claimed.values], np.bool_)
    return wrong[claimed.codes] if wrong.any() else None


def disagreeing(part: Part) -> NDArray[np.intp]:
    """Rows that the known-good answered otherwise; lists are not compared."""
    layout = part.layout
    rows: NDArray[np.intp] = np.flatnonzero(heard(part.said))
    said = part.said[rows]
    match layout.task:
        case Task.CLASSIFICATION:
            rows = rows[part.binned.output_cells[rows] != np.minimum(said, layout.classes)]
        case Task.REGRESSION:
            both, gap = paired_gap(layout.reference.error_scale, part.rows.values[rows], said.astype(np.float64))
            rows = rows[both][gap > 1.0]
        case Task.RANKING:
            rows = rows[:0]
    return rows


def sample(part: Part, flags: Flags, strata: NDArray[np.uint8]) -> list[Samples]:
    """Choose the rows that are kept as they came; nothing where none is."""
    settings, schema = part.watched.settings.samples, part.watched.schema
    chosen = choose(
        part.keys,
        strata,
        flags,
        share=settings.share,
        per_stratum_min=settings.per_stratum_min,
        flagged_max=settings.flagged_max,
    )
    if not len(chosen.rows):
        return []
    epoch, rows = part.epoch, part.rows
    said, numbers = fitting(part.said, schema.task), schema.task is not Task.CLASSIFICATION
    answers = Answers(
        rows.outputs,
        rows.scores,
        known_good_outputs=np.zeros(rows.n, np.uint8) if numbers else said.astype(np.uint8),
        values=rows.values if numbers else None,
        known_good_values=said.astype(np.float64) if numbers else None,
        probabilities=rows.probabilities,
    )
    marks = Marks(part.keys, np.full(rows.n, epoch.number, np.uint32), flags, strata)
    table = sample_table(schema, rows, answers, marks, chosen, {epoch.number: epoch.bundle})
    return [Samples(part.watched.name, table)]
