"""The thread that keeps files tidy: it verifies runs after a start, drops, merges and thins them; then the samples.

It works on files nobody changes and asks the writer only for the transaction that renames them, so it delays neither
intake nor folds. A merge that would eat into the reserved space waits. After an error it rests and tries again, except
that a damaged run is reported for good and a failing fsync fails the store.
"""

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from monitor.errors import Corrupt
from monitor.facts import ModelName
from monitor.store.faults import RETRY_S, Failed, attempt
from monitor.store.receipts import Entry, ReceiptRuns, Stopped

UNBOUNDED = 1 << 62


class Duties(NamedTuple):
    """What the keeper needs of the store."""

    rename: Callable[[Sequence[Entry], Sequence[Entry]], object]  # old, new: one transaction
    horizon: Callable[[], float]
    spare_bytes: Callable[[], int]  # free space above the reserve
    failed: Callable[[Exception], bool]  # tells the store; True: stop for good
    bytes_max: Callable[[ModelName], int] = lambda _: UNBOUNDED  # of receipts, by model
    also: Callable[[threading.Event], object] = lambda _: None  # what else is to be kept tidy


class Keeper:
    """One thread; `kick` it after every commit that wrote receipts or moved the horizon."""

    def __init__(self, runs: ReceiptRuns, duties: Duties) -> None:
        """Start the thread."""
        self.failures = 0
        self.verified = False  # whether every run was read once since start
        self._runs = runs
        self._duties = duties
        self._kick = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="store-keeper", daemon=True)
        self._thread.start()

    def kick(self) -> None:
        """There may be something to do."""
        self._kick.set()

    def stop(self) -> None:
        """Give up a merge, end the thread."""
        self._stopping.set()
        self._kick.set()
        self._thread.join()

    def verify(self) -> None:
        """Read every run once; damage is reported to the runs themselves."""
        self._runs.verify(self._stopping)
        self.verified = True

    def tidy(self) -> None:
        """Drop, merge and thin until nothing is left to do. Errors are raised; the thread handles its own."""
        horizon = self._duties.horizon()
        expired = self._runs.expired(horizon)
        if expired:
            self._duties.rename(expired, ())
        self._merge(horizon)
        self._thin(horizon)
        self._duties.also(self._stopping)

    def _merge(self, horizon: float) -> None:
        """As far as there is room for it."""
        while group := self._runs.mergeable():
            if sum(entry.run.size for entry in group) > self._duties.spare_bytes():
                return
            self._duties.rename(group, [self._runs.merge(group, horizon, self._stopping)])

    def _thin(self, horizon: float) -> None:
        """Until every model is under its quota, or there is no room to rewrite."""
        while old := self._runs.over(self._duties.bytes_max):
            if old.run.size // 2 > self._duties.spare_bytes():
                return
            new = self._runs.thin(old, horizon, self._stopping)
            self._duties.rename([old], [new])
            self._runs.thinned += new.run.shape.dropped - old.run.shape.dropped

    def _loop(self) -> None:
        """Verify once, then tidy whenever kicked."""
        duty: Callable[[], None] = self.verify
        while not self._stopping.is_set():
            outcome = attempt(duty)
            if isinstance(outcome, Failed) and self._handle(outcome.error):
                return
            duty = self.tidy
            self._kick.wait()
            self._kick.clear()

    def _handle(self, error: Exception) -> bool:
        """Whether to stop after this error; otherwise rest."""
        if isinstance(error, Stopped):
            return True
        self.failures += 1
        if isinstance(error, Corrupt):
            self._runs.report(error)
            return True
        return self._duties.failed(error) or self._stopping.wait(RETRY_S)
