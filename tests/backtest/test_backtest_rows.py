"""A history as ticks: every row once, in the tick in which it comes, whatever the batches; and what is refused."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from histories import START, live, written
from hypothesis import given
from hypothesis import strategies as st

from monitor.backtest.rows import Clock, survey, usable
from monitor.errors import SettingsError
from monitor.ingest.history import open_history

TIMES = st.lists(st.integers(0, 20_000), min_size=1, max_size=60)


def cut(times, *ends):
    """What a clock makes of times in batches that end there: (tick, hour, place of the row)."""
    clock, found, start = Clock(60.0, 3600.0), [], 0
    for end in (*ends, len(times)):
        for run in clock.cut(np.array(times[start:end], float)):
            found += [(run.tick, hour, start + int(row)) for hour, rows in run.parts for row in rows]
        start = end
    return sorted(found), clock.late


@given(TIMES, st.data())
def test_every_row_comes_once_in_the_same_tick_whatever_the_batches(times: list[int], data: st.DataObject) -> None:
    ends = sorted(data.draw(st.lists(st.integers(0, len(times)), max_size=4)))
    whole, late = cut(times)
    assert cut(times, *ends) == (whole, late)
    assert sorted(row for _, _, row in whole) == list(range(len(times)))


@given(TIMES)
def test_a_row_comes_in_the_latest_tick_so_far_with_the_hour_of_its_own(times: list[int]) -> None:
    found, late = cut(times)
    for tick, hour, row in found:
        assert tick == max(times[: row + 1]) // 60
        assert hour == times[row] // 3600
    assert late == sum(times[row] // 60 < tick for tick, _, row in found)


def surveyed(folder: Path, rows: pa.Table):
    made = written(folder, rows)
    return survey(made.path, made.schema, made.names, lambda _: None)


def test_a_survey_says_from_when_to_when_and_how_many(tmp_path: Path) -> None:
    rows = live(180)
    found = surveyed(tmp_path, rows)
    assert (found.rows, found.start, found.end) == (len(rows), rows["at"][0].as_py(), rows["at"][-1].as_py())
    assert START <= found.start < found.end < START + 180 * 60


def test_a_file_that_is_not_in_order_is_refused(tmp_path: Path) -> None:
    rows = live(180)
    with pytest.raises(SettingsError, match="not in the order of its times"):
        surveyed(tmp_path, rows.take(np.arange(len(rows))[::-1]))


def test_a_file_without_times_is_refused(tmp_path: Path) -> None:
    made = written(tmp_path, live(60))
    timeless = msgspec.structs.replace(made.names, time=None)
    with pytest.raises(SettingsError, match="has no times"):
        survey(made.path, made.schema, timeless, lambda _: None)


def test_times_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    rows = live(60)
    with pytest.raises(SettingsError, match="no time in column at"):
        surveyed(tmp_path, rows.set_column(0, "at", pa.array(["soon"] * len(rows))))


def test_an_absurd_time_carries_the_clock_nowhere_and_is_left_out(tmp_path: Path) -> None:
    rows = live(180)
    times = rows["at"].to_numpy().copy()
    times[1000] = 4.1e9  # the year 2099
    made = written(tmp_path, rows.set_column(0, "at", pa.array(times)))
    found = survey(made.path, made.schema, made.names, lambda _: None)
    assert found.end < START + 180 * 60
    left = sum(usable(batch, found)[1] for batch in open_history(made.path, made.schema, made.names)())
    assert left == 1
