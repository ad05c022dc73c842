"""Label windows and minutes of a replay: asked when there is news; labels come when they say, or with their rows."""

from functools import cache

import msgspec
import numpy as np
import pytest
from histories import START, built, terms
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.backtest import waiting
from monitor.backtest.labelling import Labelling, Said
from monitor.backtest.minutely import Minutely
from monitor.backtest.waiting import AS_IT_IS, Waiting, flip
from monitor.errors import SettingsError
from monitor.panes.binning import bin_rows
from monitor.panes.build import HistoryBatch
from monitor.panes.layout import Layout
from monitor.panes.rows import NumericColumn, Predictions
from monitor.panes.volume import Volume
from monitor.turns.closing import Terms
from monitor.turns.lookout import Lookout

HOUR = 3600
FIRST = int(START) // HOUR
TERMS = Terms(window_s=HOUR, coverage=0.7, deadline_s=3.0 * HOUR, grace_s=300.0)
TICK_S = 600
EVENTS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 9), st.integers(0, 5), st.integers(0, 5)), max_size=25
)  # tick, its hour or one up to nine before, rows, labels


class Asking(Labelling):
    """Asks at every tick."""

    def _could_close(self, now: float) -> bool:
        return True


@cache
def lookout() -> Lookout:
    return terms().lookout()


def said(rows: int, labels: int) -> Said:
    where = lookout().signals.margins.labels
    cells = np.zeros(where.stop - where.start, np.int64)
    cells[0] = labels  # right ones
    return Said(rows, labels, cells)


def closed(kind: type[Labelling], events) -> tuple[list, tuple]:
    """What closed at which tick, with how many labels, and how it ended."""
    labels, found = kind.since(lookout(), TERMS, START), []
    for tick in range(62):
        for at, before, rows, many in events:
            hour = FIRST + tick * TICK_S // HOUR - before
            if at == tick and hour >= FIRST:
                labels.add(hour, said(rows, min(many, rows)))
        for hour, counted in labels.close(START + TICK_S * (tick + 1)):
            found.append((tick, hour, int(counted.n[lookout().signals.labels].max())))
    state = labels.closing
    return found, (state.by_coverage, state.by_deadline, state.revised, state.settled, labels.open)


@settings(deadline=None)
@given(EVENTS)
def test_asking_only_when_there_is_news_closes_the_same_windows(events) -> None:
    assert closed(Labelling, events) == closed(Asking, events)


def test_a_fork_of_windows_goes_on_by_itself() -> None:
    one = Labelling.since(lookout(), TERMS, START)
    one.add(FIRST, said(4, 0))
    other = one.fork()
    other.add(FIRST, said(0, 4))
    assert not one.close(START + 2 * HOUR)
    assert len(other.close(START + 2 * HOUR)) == 1


@cache
def minutely() -> Lookout:
    """A lookout that knows how many rows there should be."""
    reference = built()
    rhythm = msgspec.structs.replace(reference.rhythm, volume=Volume((2,) * 24, (4,) * 24))
    return Lookout.of(Layout.of(msgspec.structs.replace(reference, rhythm=rhythm)), terms().pack.watch)


@given(st.lists(st.integers(0, 599), max_size=40), st.integers(1, 5))
def test_every_minute_is_judged_once_whatever_the_ticks(seconds: list[int], ticks: int) -> None:
    minutes, judged, rows = Minutely.since(minutely(), 60.0, START), 0, sorted(START + s for s in seconds)
    for end in range(60 * ticks, 1201, 60 * ticks):
        minutes.add(np.array([at for at in rows if START + end - 60 * ticks <= at < START + end]))
        for _, counted in minutes.judge(START + end):
            here = counted.x[minutely().signals.minutes][:3]
            judged += int(counted.n[minutely().signals.minutes].max())
            assert here.max() <= counted.n[minutely().signals.minutes].max()
    assert judged == minutes.judged == 1200 // (60 * ticks) * ticks - 2  # not the first, nor the one in its grace


def test_rows_of_a_judged_minute_come_too_late() -> None:
    minutes = Minutely.since(minutely(), 60.0, START)
    minutes.judge(START + 300.0)
    minutes.add(np.array([START + 70.0]))
    assert minutes.rows == {}


def coming(times, told, shares=()) -> Waiting:
    """Rows at these seconds whose labels are told at those; NaN: nobody says when."""
    rows = len(times)
    columns = {
        name: NumericColumn(np.zeros(rows), np.zeros(rows, bool), np.zeros(rows, bool)) for name in ["f0", "f1", "f2"]
    }
    at = START + np.array(times, float)
    predictions = Predictions.unsent(columns, times=at, outputs=np.zeros(rows, np.uint8), scores=np.full(rows, np.nan))
    layout = terms().layout
    found = Waiting(layout, lookout().signals.margins, TERMS, 60.0, shares)
    batch = HistoryBatch(predictions, np.zeros(rows), START + np.array(told, float))
    found.add(batch, bin_rows(layout, predictions), np.floor(at / 60.0).astype(np.int64), 0)
    return found


@pytest.mark.parametrize(("told", "minute"), [(700.0, 11), (np.nan, 5), (10.0, 5)])
def test_a_label_comes_when_it_says_but_not_before_its_row(told: float, minute: int) -> None:
    found, first = coming([301.0], [told]), int(START) // 60
    assert [len(found.take(first + each)) for each in (minute - 1, minute)] == [0, 1]
    assert (found.came, found.waiting) == (1, 0)


def test_a_label_after_its_deadline_never_comes() -> None:
    found = coming([0.0, 0.0], [4.0 * HOUR - 60, 4.0 * HOUR])
    assert (found.waiting, found.late) == (1, 1)


def test_labels_that_wait_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "LABELS_MAX", 2)
    with pytest.raises(SettingsError, match="on their way at once"):
        coming([0.0, 1.0, 2.0], [HOUR, HOUR, HOUR])


def test_flipped_labels_are_wrong_from_the_onset_on() -> None:
    found = coming([10.0, 30.0], [np.nan, np.nan], shares=(1.0,))
    size = lookout().signals.margins.labels.stop - lookout().signals.margins.labels.start
    (labels,) = found.take(int(START) // 60)
    ((_, true),), ((_, half),) = labels.said(size, AS_IT_IS, 0.0), labels.said(size, 1.0, START + 20.0)
    assert (true.cells[:2].tolist(), half.cells[:2].tolist()) == ([2, 0], [1, 1])


def test_what_is_no_class_is_not_flipped() -> None:
    every = np.ones(4, bool)
    assert flip(np.array([0.0, 1.0, 2.0, np.nan]), every, 2).tolist()[:3] == [1.0, 0.0, 2.0]
