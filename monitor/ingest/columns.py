"""NDJSON of one model's predictions -> columns, for requests in which no row is refused. Nearly all are such.

    body -> [typed decode per line] -> a struct a row -> a list a field -> [check, or judge each value] -> Columns

Row by row (decode, accept, batch), a row costs a dict of its features, a look at each of their names, a Prediction,
and the way back from rows to columns, all of it while holding the interpreter, which the event loop and the fold need
too. Here a row is a struct until it is cells, and a column that is plainly in order (all texts, all numbers in bounds,
nothing sent) is taken as it is. One that is not is judged value by value, by the functions of accept.py; cells are
judged where they always are, in monitor.panes.cells.

It declines, with None, whatever would need more: a row that is refused or unreadable, a feature that the schema lacks,
a cell that is an array or an object, rows of two models, a blank line, too many rows. The request is then read again
row by row, which is the reference: tests/ingest/test_ingest_columns.py holds the two together. So one odd row costs its
request this reading on top, at most.

Cost (2 cores, CPython 3.11, 2026-11), 1,000 rows of 20 numeric features: 2.3 us a row, 1.5 of them here and the rest
the record; row by row 5.0 us.
Failure mode: a sender of whom every request has an odd row pays it every time, 1.5 us a row if the odd row is the last.
Rejected: pyarrow.json, which reads into columns without holding the interpreter, 2.5 us a row. A line that says `null`
ends the process (segmentation fault, pyarrow 26.0.1), and two values on a line are two rows to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import msgspec

from monitor.errors import Rejected
from monitor.facts import Schema, Task
from monitor.ingest.accept import (
    NO_PREDICTION,
    TEXT_MAX,
    Known,
    Setting,
    Tally,
    bundle_of,
    id_of,
    model_of,
    outcome_of,
    probabilities_of,
    score_of,
    segment_of,
    source_of,
    time_of,
    value_of,
)
from monitor.ingest.decode import BOM, PREDICTIONS, UNREADABLE
from monitor.ingest.limits import Limits
from monitor.panes.batch import Columns, keeps_probabilities

_NAN: Final = float("nan")
_TEXTS: Final = {str}
_NUMBERS: Final = {float}


@dataclass(frozen=True, slots=True)
class Clean:
    """All rows of a request, accepted: `tally` holds dropped claims at most."""

    schema: Schema
    columns: Columns
    tally: Tally


def read_clean(body: bytes, setting: Setting, limits: Limits, rows_min: int = 1) -> Clean | None:
    """Read NDJSON of one model as columns, in the order sent; None if any row asks to be read on its own.

    None as well if there are fewer rows than `rows_min`, which is at least 1.
    """
    lines = body.removeprefix(BOM).split(b"\n")
    if len(lines) - 1 > limits.rows_max:  # line feeds are what the reference counts
        return None
    if not lines[-1]:
        lines.pop()
    if len(lines) < rows_min or (len(body) > limits.row_bytes_max < max(map(len, lines))):
        return None
    try:
        name = PREDICTIONS.one.decode(lines[0]).model
        known = model_of(name, setting)
        if known.typed is None:
            return None
        setting.bound_cells(known, len(lines))
        decode = known.typed.decode
        rows = [decode(line) for line in lines]
        if [row.model for row in rows].count(name) < len(rows):
            return None
        tally = Tally()
        return Clean(known.schema, _columns(rows, known, setting, tally), tally)
    except (*UNREADABLE, Rejected):
        return None


def _columns(rows: Sequence[Any], known: Known, setting: Setting, tally: Tally) -> Columns:
    """Judge rows by column. Rejected if there is one to refuse."""
    classes = known.schema.task is Task.CLASSIFICATION
    given = [row.scores for row in rows]
    outputs = _outputs([row.prediction for row in rows], known) if classes else [0] * len(rows)
    return Columns(
        ids=_ids([row.id for row in rows]),
        times=_times([row.time for row in rows], setting),
        arrivals=[setting.now] * len(rows),
        outputs=outputs,
        scores=_scores(given, outputs, known, tally),
        sources=_sources([row.source for row in rows], setting.bound, tally),
        claimed=["" if row.bundle is None else bundle_of(row.bundle, tally) for row in rows],
        segments=[None if row.segment is None else segment_of(row.segment, tally) for row in rows],
        cells=_cells([row.features for row in rows], len(known.schema.features)),
        values=None if classes else [value_of(row.prediction, known) for row in rows],
        probabilities=[probabilities_of(each, known) for each in given] if keeps_probabilities(known.schema) else None,
    )


def _ids(values: list[Any]) -> list[str]:
    if set(map(type, values)) == _TEXTS and min(map(len, values)) > 0 and max(map(len, values)) <= TEXT_MAX:
        return values  # Unicode they are: the decoder refuses the rest
    return [id_of(value) for value in values]


def _times(values: list[Any], setting: Setting) -> list[float]:
    if set(map(type, values)) == _NUMBERS and min(values) >= setting.earliest and max(values) <= setting.latest:
        return values
    times = {value: time_of(value, setting) for value in set(values)}  # a sender's batch often bears one time
    return [times[value] for value in values]


def _outputs(values: list[Any], known: Known) -> list[int]:
    if set(map(type, values)) != _TEXTS:  # 1, 1.0 and True would be one key
        return [outcome_of(value, known, NO_PREDICTION) for value in values]
    outputs = {value: outcome_of(value, known, NO_PREDICTION) for value in set(values)}
    return [outputs[value] for value in values]


def _scores(values: list[Any], outputs: list[int], known: Known, tally: Tally) -> list[float]:
    if known.classes and set(map(type, values)) == _NUMBERS and min(values) >= 0 and max(values) <= 1:
        return values
    return [
        _NAN if value is None else score_of(value, output, known, tally)
        for value, output in zip(values, outputs, strict=True)
    ]


def _sources(values: list[Any], bound: str, tally: Tally) -> list[str]:
    if not bound.endswith("*") and values.count(None) == len(values):
        return [bound] * len(values)
    return [source_of(value, bound, tally) for value in values]


def _cells(features: list[Any], width: int) -> list[list[Any]]:
    """A list for each feature; a row without features has none of them."""
    nothing = (None,) * width
    flat = list(chain.from_iterable(nothing if each is None else msgspec.structs.astuple(each) for each in features))
    return [flat[at::width] for at in range(width)]
