"""Ids, times and hints of Arrow rows, as columns; the judgements are those of `accept.id_of` and `accept.time_of`."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from monitor.facts import RejectReason
from monitor.ingest.accept import TEXT_MAX, Tally, id_of, time_of
from monitor.ingest.arrow.part import Part
from monitor.ingest.arrow.values import Doubles, as_doubles, as_mask, is_number
from monitor.ingest.counters import Claim
from monitor.ingest.times import parse_time

_PER_SECOND: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


def ids_of(part: Part) -> pa.StringArray:
    """The id of each row as text, anything where refused."""
    column = part.column("id")
    if column is not None and types.is_large_string(column.type):
        column = column.cast(pa.string())
    if column is None or not types.is_string(column.type):
        if column is None or not types.is_integer(column.type) or column.null_count:
            codes, texts = part.each("id", lambda value, _: id_of(value), "")
            return pa.array(texts, pa.string()).take(pa.array(codes))
        return column.cast(pa.string())
    part.refuse(as_mask(column.is_null()), RejectReason.ID_MISSING)
    if column.null_count:
        column = column.fill_null("")
    lengths = pc.binary_length(column).to_numpy()
    if len(lengths) and (lengths.min() == 0 or lengths.max() > TEXT_MAX):
        characters = pc.utf8_length(column).to_numpy()
        part.refuse((characters == 0) | (characters > TEXT_MAX), RejectReason.ID_INVALID)
    return column


def times_of(part: Part) -> Doubles:
    """The time of each row in Unix seconds, that of its arrival where it says none."""
    column, setting = part.column("time"), part.setting
    found = None if column is None else _seconds(column)
    if found is None:
        codes, times = part.each("time", lambda value, _: time_of(value, setting), setting.now)
        return np.array(times, np.float64)[codes]
    assert column is not None, "None has no seconds"
    if column.null_count:
        found = np.where(as_mask(column.is_null()), setting.now, found)
    part.refuse(~np.isfinite(found), RejectReason.TIME_INVALID)
    part.refuse(found > setting.latest, RejectReason.TIME_IN_FUTURE)
    part.refuse(found < setting.earliest, RejectReason.TIME_TOO_OLD)
    return found


def hints_of(part: Part) -> Doubles:
    """`prediction_time`, NaN where there is none to use."""
    column = part.column("prediction_time")
    found = None if column is None else _seconds(column)
    if column is not None and found is not None:
        given = ~as_mask(column.is_null())
        usable = given & np.isfinite(found)
        part.drop(given & ~usable, Claim.PREDICTION_TIME)
        return np.where(usable, found, np.nan)

    def judge(value: Any, tally: Tally) -> float:
        time = parse_time(value)
        if time is None and value is not None:
            tally.dropped[Claim.PREDICTION_TIME] += 1
        return np.nan if time is None else time

    codes, times = part.each("prediction_time", judge, np.nan)
    return np.array(times, np.float64)[codes]


def _seconds(column: pa.Array) -> Doubles | None:
    """Numbers and timestamps with a time zone as Unix seconds, anything where null; None for other types."""
    kind = column.type
    if types.is_timestamp(kind) and kind.tz is not None:
        ticks: Doubles = as_doubles(column.cast(pa.int64()))
        return ticks / _PER_SECOND[kind.unit]
    return as_doubles(column) if is_number(kind) else None
