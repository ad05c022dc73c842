"""Predictions and labels of Arrow rows, by task: a class, a number, a list."""

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from monitor.errors import Rejected
from monitor.facts import RejectReason, Task
from monitor.ingest.accept import NO_PREDICTION, label_of, outcome_of, value_of
from monitor.ingest.arrow.part import Part
from monitor.ingest.arrow.values import Doubles, as_doubles, as_mask, is_list, is_number


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
        found = np.zeros(part.n)
        for at, gains in enumerate(column.to_pylist()):
            try:
                found[at] = label_of(gains, known)
            except Rejected as fault:
                part.refuse(np.arange(part.n) == at, RejectReason(fault.reason))
        return found
    if column is not None and known.schema.task is Task.REGRESSION and is_number(column.type):
        values = as_doubles(column)
        part.refuse(as_mask(column.is_null()), RejectReason.LABEL_MISSING)
        part.refuse(~np.isfinite(values), RejectReason.LABEL_INVALID)
        return values
    codes, labels = part.each("label", lambda value, _: label_of(value, known), 0.0)
    return np.array(labels, np.float64)[codes]
