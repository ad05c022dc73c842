"""The replay of what a daemon has stored: its panes, epoch by epoch, under rules that it need not run.

Panes were counted in the bins of a reference, so only epochs that were judged by these bins are replayed: those of the
same profile, or of one that differs in nothing but its bands. Each epoch begins anew, as it did live.

Stored panes say when rows were made, not when they came: a row that came late bets here with its own pane, and
live with the tick it came in. Where panes are as long as ticks and nothing came late, both are the same bets.

Of labels they say in which of sixteen bins their lag lies. A label is taken to have come when its bin ends; what the
labels of a pane say is known whole with the first of them. So a window closes here no sooner than it did live, and is
bet on with all labels that ever came. Minutes in which the daemon was not running look like silence.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.backtest.bets import Bets, placed_bets
from monitor.backtest.labelling import Said
from monitor.backtest.replay import Replayed
from monitor.backtest.report import LabelWindows
from monitor.backtest.terms import Terms
from monitor.backtest.told import Ledgered
from monitor.backtest.unread import bet_on, label_windows, unwatched
from monitor.backtest.windows import WHOLE, Windows, grain, readable
from monitor.errors import Problem, SettingsError
from monitor.facts import Epoch, PaneKey
from monitor.panes.layout import Layout
from monitor.panes.sections import LAG_EDGES_S
from monitor.panes.stored import sum_counts
from monitor.store.looking import HOUR_S, Looking, look_at
from monitor.turns.loading import Shelf
from monitor.turns.watched import Timeline

REFERENCES: Final = "references"  # where the daemon keeps its copies of reference profiles
PANE_S: Final = 60.0  # panes.length of settings that leave it out: how long the last pane is taken to be

Counts = NDArray[np.int64]
Panes = Sequence[tuple[PaneKey, bytes]]


@dataclass(slots=True)
class Total:
    """Of all epochs."""

    rows: int = 0
    armed_s: float = 0.0
    start: float | None = None
    end: float | None = None
    left: list[str] = field(default_factory=list)
    rungs: dict[float, Ledgered] = field(default_factory=dict)
    labels: LabelWindows | None = None
    minutes: int | None = None

    def add(self, bets: Bets) -> None:
        """Add what an epoch's label windows and minutes came to."""
        more = label_windows(bets, timed=True)
        if self.labels is not None:
            names = ("by_coverage", "by_deadline", "open", "labels", "late")
            sums = {name: getattr(self.labels, name) + getattr(more, name) for name in names}
            more = LabelWindows(timed=True, **sums)
        self.labels = more
        if bets.minutes.watched:
            self.minutes = (self.minutes or 0) + bets.minutes.judged


def replay_state(
    terms: Terms, state_dir: Path, progress: Callable[[int], None], tolerances: Sequence[float] = ()
) -> Replayed:
    """Replay the stored panes of a model; SettingsError where none can be. `progress` hears the rows replayed.

    `tolerances` are tried beside, on the same panes.
    """
    rules, left = readable(terms, labelled=True, paired=True)
    ledgered = Ledgered()
    unread = [*unwatched(terms, labelled=True, paired=True), *left]
    total = Total(left=unread, rungs={tolerance: Ledgered() for tolerance in tolerances})
    shelf = Shelf(state_dir / REFERENCES)
    with look_at(state_dir) as looking:
        epochs = looking.facts(Timeline).get(terms.model, Timeline()).epochs
        if not epochs:
            raise SettingsError([Problem(str(state_dir), f"holds nothing of {terms.model}", "is it the right model?")])
        for epoch, later in zip(epochs, (*epochs[1:], None), strict=True):
            if not epoch.acts:
                continue
            if not fits(terms.layout, epoch.judge, shelf):
                total.left.append(f"epoch {epoch.number}: it was judged in the bins of another reference")
                continue
            until = np.inf if later is None else later.start
            _epoch(terms, looking, epoch, until, Windows(terms, epoch, ledgered, rules), total, progress)
    if total.start is None:
        raise SettingsError([Problem(str(state_dir), "holds no panes that can be replayed", "; ".join(total.left))])
    return Replayed(
        ledgered,
        (),
        tuple(total.left),
        total.rows,
        0,
        0,
        total.start,
        total.end,
        total.armed_s,
        tuple(total.rungs.items()),
        total.labels,
        total.minutes,
        bet_on(terms, labelled=True, paired=True),
    )


def fits(layout: Layout, judge: str, shelf: Shelf) -> bool:
    """Whether panes judged by this reference are counted in the layout's bins."""
    if judge == layout.digest:
        return True
    try:
        found = shelf.layout(judge).reference
    except SettingsError:
        return False
    mine = layout.reference
    return msgspec.structs.replace(found, rhythm=mine.rhythm) == mine


def _epoch(  # noqa: PLR0917  # one epoch of one replay
    terms: Terms,
    looking: Looking,
    epoch: Epoch,
    until: float,
    windows: Windows,
    total: Total,
    progress: Callable[[int], None],
) -> None:
    span = looking.span(terms.model, epoch.number, epoch.judge)
    if span is None:
        return
    start = max(epoch.start, looking.detail_start())
    end = min(until, span[1] + PANE_S)
    bets = placed_bets(terms, start, windows.ledgered, (), tuple(total.rungs))
    for tolerance, rung in () if bets is None else bets.rungs:
        rung.ledgered = total.rungs[tolerance]
    by_segment = looking.segments(terms.model, epoch.number, epoch.judge) if _parted(windows) else ()
    parts = {
        segment: looking.hours((terms.model, epoch.number, segment, epoch.judge), span[0], end)
        for segment in (WHOLE, *by_segment)
    }
    for found in parts[WHOLE]:
        for segment in by_segment:
            for at, counts in _sums(terms.layout, next(parts[segment]), grain(windows.rules)):
                windows.count(at, segment, counts)
        _hour(terms, found, bets, windows, total)
        progress(total.rows)
    if bets is not None:
        bets.close(end)
        total.add(bets)
    for _ in windows.close(end + terms.grace_s):
        pass
    windows.finish()
    total.armed_s += max(end - start, 0.0)
    total.start = start if total.start is None else min(total.start, start)
    total.end = end if total.end is None else max(total.end, end)


def _hour(terms: Terms, found: Panes, bets: Bets | None, windows: Windows, total: Total) -> None:
    layout = terms.layout
    for at, counts in _sums(layout, found, PANE_S):
        rows = int(counts[layout.rows.start])
        total.rows += rows
        for _ in windows.close(at):
            pass
        windows.count(at, WHOLE, counts)
        windows.arrive(np.full(rows, at))
        if bets is not None:
            _bet(bets, layout, at, counts)


def _bet(bets: Bets, layout: Layout, at: float, counts: Counts) -> None:
    """Tell the e-detector of the rows of one pane, and of the labels that came for it since."""
    rows, tick, hour = int(counts[layout.rows.start]), int(at // bets.every_s), int(at // HOUR_S)
    bets.move(tick)
    bets.add(hour, counts)
    bets.come(np.full(rows, at))
    cells = bets.betting.lookout.signals.margins.sum(counts)[bets.betting.lookout.signals.margins.labels]
    kept, lags = int(counts[layout.kept.start]) - rows, counts[layout.lag]
    if not cells.any() and not kept:
        return
    came = np.flatnonzero(lags)
    ends = np.append(LAG_EDGES_S, np.inf)[came]
    first = tick + (int(ends[0] // bets.every_s) if len(came) and np.isfinite(ends[0]) else 0)
    bets.waiting.put(first, Stored(hour, Said(kept, 0, cells)))
    for lag, end in zip(came.tolist(), ends.tolist(), strict=True):
        if np.isfinite(end):
            late = int((at + end) // bets.every_s)
            bets.waiting.put(late, Stored(hour, Said(0, int(lags[lag]), np.zeros_like(cells))))


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """Labels of one pane that came in one tick."""

    hour: int
    what: Said

    @property
    def many(self) -> int:
        """How many."""
        return self.what.labelled

    def said(self, _size: int, _share: float, _since: float) -> Iterator[tuple[int, Said]]:
        """What they say."""
        yield self.hour, self.what


def _sums(layout: Layout, found: Panes, width: float) -> Iterator[tuple[float, Counts]]:
    """Panes of an hour, those that begin in one span of `width` together."""
    by_start: dict[float, list[bytes]] = {}
    for key, body in found:
        by_start.setdefault(key.start // width * width, []).append(body)
    for start, bodies in by_start.items():
        yield start, sum_counts(bodies, layout.size)


def _parted(windows: Windows) -> bool:
    return any(rule.by for rule in windows.rules)
