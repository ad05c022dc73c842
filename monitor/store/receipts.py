"""All receipts of all models: which runs count, how they are searched, merged, thinned and forgotten.

Every fold writes one small run per model. When `FAN_IN` runs of one model, level, dtype and threshold have gathered,
they are merged into one of the next level, so n folds leave at most 7 log8(n) files a threshold, and a receipt is
rewritten log8(n) times: 14 days of one fold a second are 48 files and 7 rewrites. Merges stop at `ROWS_MAX` rows a run,
which bounds the space a merge needs; from there on the number of files grows with the data.

Runs are searched from the newest to the oldest, each only for what is not found yet; where a label says when its
prediction was, first the runs of that time.

*Quota.* Over it a run is thinned: of its receipts those with the lower half of the hashes stay (`runs.within`), until
the model is back under it. Next comes the run with the largest `inclusion * age`: old ones first, and every doubling of
age ends up with about the same room, because that is how lags of labels spread. Each thinning rewrites half of what it
reads, so all of them together write less than was written before. What it costs, and is not hidden:

- a late label for a dropped prediction has nothing to be joined to. If it says `prediction_time` it is known to be
  sampled out at once (`sampled_out`); if not, it waits until it expires. One late row stretches the time its run
  stands for, and labels of that time then wait as well.
- a pane's labels that come after its receipts were thinned count for fewer than came, so its error leans to labels
  that came early; `kept_share` says by how much.
- a repeated id is recognised only while its receipt is there. The hashes of dropped receipts are not kept: at 8 of 60
  bytes they would reach the quota themselves at 7 times the traffic. Repetitions come within minutes of the first,
  and the newest receipts are thinned last.
- nothing is dropped when it is written: a burst is over the quota until the keeper comes round.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Corrupt
from monitor.facts import ModelName
from monitor.store.disk import Disk
from monitor.store.named import NamedFiles, Table
from monitor.store.protocol import Kept, Receipts
from monitor.store.runs import (
    HALVINGS_MAX,
    Chunk,
    Run,
    Shape,
    merged,
    merged_shape,
    open_run,
    shape_of,
    sorted_chunk,
    within,
    without_fields,
    write_run,
)

Rows: TypeAlias = NDArray[np.intp] | slice

FAN_IN = 8
ROWS_MAX = 16_000_000  # 1 GB at 20 features
SUFFIX = ".run"
RELEASED_MIN = 100  # hashes looked for at once, after which the pages they touched are let go
SIEVED_MIN = 1_000  # hashes looked for at once, from where it pays to sort out those that cannot be there
TABLE = Table("INSERT INTO runs VALUES (?, ?, ?, ?)", "DELETE FROM runs WHERE name = ?")


class Stopped(Exception):
    """The store is closing; a merge was given up."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One run that counts, or will once its row is committed."""

    name: str
    model: ModelName
    level: int  # how often its oldest records were merged
    born: int  # orders runs by age of their newest records; unique among the runs of a moment
    run: Run

    def row(self) -> tuple[Any, ...]:
        """See named.Entry."""
        return (self.name, self.model, self.level, self.born)


def together(receipts: Iterable[Receipts]) -> list[Receipts]:
    """Joined by model and dtype, in the order given, without empty ones: a run each."""
    groups: dict[tuple[ModelName, str], list[Receipts]] = {}
    for each in receipts:
        if len(each.hashes):
            groups.setdefault((each.model, str(each.records.dtype)), []).append(each)
    return [group[0] if len(group) == 1 else _joined(group) for group in groups.values()]


def _joined(group: Sequence[Receipts]) -> Receipts:
    records = np.concatenate([without_fields(each.records) for each in group]).view(group[0].records.dtype)
    return Receipts(group[0].model, np.concatenate([each.hashes for each in group]), records)


class ReceiptRuns:
    """The runs of one directory."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        """Nothing is loaded yet; the directory is made if need be."""
        self.files: NamedFiles[Entry] = NamedFiles(directory, disk, TABLE, SUFFIX)
        self.thinned = 0  # receipts dropped over the quota since start; counted by the keeper
        self._disk = disk
        self._damage: Corrupt | None = None

    def load(self, rows: Iterable[tuple[str, ModelName, int, int]]) -> int:
        """Open the named runs (name, model, level, born) and sweep every other file; returns how many were swept."""
        where = self.files.directory
        return self.files.load(
            [Entry(name, model, level, born, open_run(where / name)) for name, model, level, born in rows]
        )

    def write(self, receipts: Receipts) -> Entry:
        """A new run on disk, which does not count yet. ValueError if these are no receipts."""
        shape = shape_of(receipts.hashes, receipts.records)
        run = self._written(shape, [sorted_chunk(receipts.hashes, receipts.records)])
        return Entry(run.path.name, receipts.model, 0, self.files.next_born(), run)

    def merge(self, entries: Sequence[Entry], horizon: float, stopping: threading.Event) -> Entry:
        """One run on disk instead of several of one model, level, dtype and threshold, oldest first; it does not count.

        Every input is verified first: damage must not get a fresh checksum. Raises Corrupt, Stopped, OSError.
        """
        newest = entries[-1]
        run = self._rewrite(entries, horizon, newest.run.shape.halvings, stopping)
        return Entry(run.path.name, newest.model, newest.level + 1, newest.born, run)

    def thin(self, entry: Entry, horizon: float, stopping: threading.Event) -> Entry:
        """About half of a run, by hash; it does not count yet. Raises as `merge` does."""
        run = self._rewrite([entry], horizon, entry.run.shape.halvings + 1, stopping)
        return Entry(run.path.name, entry.model, entry.level, entry.born, run)

    def _rewrite(self, entries: Sequence[Entry], horizon: float, halvings: int, stopping: threading.Event) -> Run:
        runs = [entry.run for entry in entries]
        for run in runs:
            run.verify()
        shape = merged_shape(runs, horizon, halvings)
        try:
            return self._written(shape, _until(stopping, merged(runs, horizon, halvings)))
        finally:
            for run in runs:
                run.release()

    def _written(self, shape: Shape, chunks: Iterable[Chunk]) -> Run:
        """A new file, opened; what cannot be opened is taken back, or it would lie there until the next start."""
        path = self.files.fresh()
        try:
            write_run(self._disk, path, shape, chunks)
            return open_run(path)
        except (OSError, Corrupt):
            with suppress(OSError):
                self._disk.remove(path)
            raise

    def find(
        self,
        model: ModelName,
        hashes: NDArray[np.uint64],
        dtype: np.dtype[Any],
        horizon: float,
        near: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.void]]:
        """See Store.find_receipts; Corrupt once a run of any model was seen to be damaged."""
        if self._damage:
            raise Corrupt(self._damage.path, self._damage.offset, self._damage.hint)
        search = _Search(hashes, np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), dtype), horizon)
        entries = self.files.of(model)[::-1]
        left = np.argsort(hashes, kind="stable")  # neighbours in the run are then neighbours in the cache
        if near is not None:
            for entry in entries:
                there = (near[left] >= entry.run.shape.start) & (near[left] <= entry.run.shape.end)
                if search.look(entry.run, left[there]):
                    left = left[~search.found[left]]
        for entry in entries:
            if search.look(entry.run, left):
                left = left[~search.found[left]]
        return search.found, search.records

    def sampled_out(
        self, model: ModelName, hashes: NDArray[np.uint64], times: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """See Store.sampled_out."""
        covered, possible = np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.bool_)
        for entry in self.files.of(model):
            shape = entry.run.shape
            there = (times >= shape.start) & (times <= shape.end)
            covered |= there
            possible |= there & within(hashes, shape.halvings)
        return covered & ~possible

    def kept_share(self, model: ModelName, start: float, end: float) -> float | None:
        """See Store.receipts_kept_share."""
        shapes = [entry.run.shape for entry in self.files.of(model)]
        shapes = [shape for shape in shapes if shape.start < end and shape.end >= start]
        rows, dropped = sum(shape.rows for shape in shapes), sum(shape.dropped for shape in shapes)
        return rows / (rows + dropped) if rows + dropped else None

    def expired(self, horizon: float) -> list[Entry]:
        """Runs that hold nothing from the horizon on."""
        return [entry for entry in self.files.every() if entry.run.shape.end < horizon]

    def mergeable(self) -> list[Entry]:
        """The next runs to merge, oldest first; none when all is tidy."""
        groups: dict[tuple[ModelName, int, str, int], list[Entry]] = {}
        for entry in self.files.every():
            shape = entry.run.shape
            groups.setdefault((entry.model, entry.level, str(shape.dtype), shape.halvings), []).append(entry)
        for group in groups.values():
            oldest = group[:FAN_IN]
            if len(oldest) == FAN_IN and sum(entry.run.shape.rows for entry in oldest) <= ROWS_MAX:
                return oldest
        return []

    def over(self, bytes_max: Callable[[ModelName], int]) -> Entry | None:
        """The next run to thin; None when every model is under its quota."""
        for model in self.files.models():
            entries = [entry for entry in self.files.of(model) if entry.run.shape.rows]
            if sum(entry.run.size for entry in entries) <= bytes_max(model):
                continue
            newest = max(entry.run.shape.end for entry in entries)
            thick = [entry for entry in entries if entry.run.shape.halvings < HALVINGS_MAX]
            if thick:
                return max(thick, key=lambda entry: _priority(entry.run.shape, newest, entry.born))
        return None

    def kept(self) -> dict[ModelName, Kept]:
        """What is left, by model."""
        return {model: _kept(self.files.of(model)) for model in self.files.models()}

    def verify(self, stopping: threading.Event) -> None:
        """Read every run once. A damaged one is remembered, and every later search raises it."""
        for entry in self.files.every():
            if stopping.is_set():
                return
            try:
                entry.run.verify()
                entry.run.release()
            except Corrupt as damage:
                self.report(damage)

    def report(self, damage: Corrupt) -> None:
        """Remember damage: a label that is not joined would be taken for one whose prediction never came."""
        self._damage = damage


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """What is looked for, and what was found: entries of `found` and `records` are filled in."""

    hashes: NDArray[np.uint64]
    found: NDArray[np.bool_]
    records: NDArray[np.void]
    horizon: float

    def look(self, run: Run, which: NDArray[np.intp]) -> bool:
        """Look in one run for some of the hashes, `which` in ascending order of hash; whether any was found."""
        if run.shape.halvings:
            which = which[within(self.hashes[which], run.shape.halvings)]
        if not len(which):
            return False
        wanted = self.hashes[which]
        if len(which) >= SIEVED_MIN:
            some = np.flatnonzero(run.possible(wanted))  # by place: a mask costs twice as much
            which, wanted = which[some], wanted[some]
        here, at = run.find(wanted)
        if any_here := bool(here.any()):
            here[here] = run.records["time"][at[here]] >= self.horizon
            convert(run.records, at[here], self.records, which[here])
            self.found[which[here]] = True
        if len(which) >= RELEASED_MIN:
            run.release()
        return any_here


def _priority(shape: Shape, newest: float, born: int) -> tuple[float, int]:
    """Which run is thinned first: by inclusion times age, then the oldest."""
    return shape.inclusion * (newest - shape.start), -born


def _kept(entries: Sequence[Entry]) -> Kept:
    shapes = [entry.run.shape for entry in entries]
    return Kept(
        sum(shape.rows for shape in shapes),
        sum(shape.dropped for shape in shapes),
        sum(entry.run.size for entry in entries),
        min((shape.inclusion for shape in shapes), default=1.0),
    )


def convert(source: NDArray[np.void], rows: Rows, target: NDArray[np.void], to: Rows) -> None:
    """Copy receipts into those of another dtype, by field name: `source[rows]` to `target[to]`.

    What the source lacks, fields or the end of a longer array, becomes nothing: NaN of floats, the greatest value of
    integers. Zeros would be taken for answers.
    """
    if source.dtype == target.dtype:
        target[to] = source[rows]
        return
    for name in target.dtype.names or ():
        field = target[name]
        if name not in (source.dtype.names or ()):
            field[to] = _nothing(field)
        elif not target.dtype[name].ndim:
            field[to] = source[name][rows]
        else:
            width = min(source.dtype[name].shape[0], target.dtype[name].shape[0])
            field[to, :width] = source[name][rows, :width]
            if width < field.shape[1]:
                field[to, width:] = _nothing(field)


def _nothing(field: NDArray[Any]) -> float | int:
    return np.nan if field.dtype.kind == "f" else int(np.iinfo(field.dtype).max)


def _until(stopping: threading.Event, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    """Pass on chunks; Stopped as soon as the store closes."""
    for chunk in chunks:
        if stopping.is_set():
            raise Stopped
        yield chunk
