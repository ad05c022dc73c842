"""Predictions and labels of Arrow rows, by task: a class, a number, a list."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import types

from monitor.errors import Rejected
from monitor.facts import RejectReason, Task
from monitor.ingest.accept import NO_PREDICTION, label_of, outcome_of, value_of
from monitor.ingest.arrow.part import NUMBER_OF, REASONS, Part
from monitor.ingest.arrow.values import Doubles, as_doubles, as_mask, is_list, is_number
from monitor.ingest.decode import too_many_rows


def outcomes_of(part: Part) -> tuple[NDArray[np.uint8], Doubles | None]:
    """Outputs, and the values of a task without classes."""
    known = part.known
    if known.schema.task is Task.CLASSIFICATION:
        codes, found = part.each("prediction", lambda value, _: outcome_of(value, known, NO_PREDICTION), 0)
        return np.array(found, np.uint8)[codes], None
    nothing = np.zeros(part.n, np.uint8)
    column = part.column("prediction")
    if column is not None and known.schema.task is Task.REGRESSION and is_number(column.type):
        part.refuse(as_mask(column.is_null()), RejectReason.PREDICTION_MISSING)
        return nothing, as_doubles(column)
    if column is not None and known.schema.task is Task.RANKING and is_list(column.type):
        part.refuse(as_mask(column.is_null()), RejectReason.PREDICTION_MISSING)
        return nothing, as_doubles(pc.list_value_length(column))
    codes, values = part.each("prediction", lambda value, _: value_of(value, known), np.nan)
    return nothing, np.array(values, np.float64)[codes]


def labels_of(part: Part) -> Doubles:
    """The label of each row as of `monitor.facts.Label`, anything where refused."""
    column, known = part.column("label"), part.known
    if column is not None and known.schema.task is Task.RANKING and is_list(column.type):
        return _gains(part, column)
    if column is not None and known.schema.task is Task.REGRESSION and is_number(column.type):
        values = as_doubles(column)
        part.refuse(as_mask(column.is_null()), RejectReason.LABEL_MISSING)
        part.refuse(~np.isfinite(values), RejectReason.LABEL_INVALID)
        return values
    codes, labels = part.each("label", lambda value, _: label_of(value, known), 0.0)
    return np.array(labels, np.float64)[codes]


def _gains(part: Part, column: pa.Array) -> Doubles:
    """What lists of gains say, one at a time. 464 bytes can be a list of two thousand million nulls: none is read.

    Refused (413) if there are more items than a body may have bytes: of bools eight fit one.
    """
    found, reasons = np.zeros(part.n), np.zeros(part.n, np.uint8)
    empty = types.is_null(column.type.value_type)
    lengths = as_doubles(pc.list_value_length(column))  # NaN where there is no list
    if not empty and np.nansum(lengths) > part.setting.cells_max:
        raise too_many_rows()
    for at in range(part.n):
        gains = [None] if empty and lengths[at] > 0 else column[at].as_py()
        try:
            found[at] = label_of(gains, part.known)
        except Rejected as fault:
            reasons[at] = NUMBER_OF[RejectReason(fault.reason)]
    for number in np.unique(reasons[reasons > 0]).tolist():
        part.refuse(reasons == number, REASONS[number - 1])
    return found
