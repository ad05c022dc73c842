"""The one thread that writes state.db: who waits, what goes together, and in which order.

    round:  every job (a Change, a renaming of runs)  ->  one group of submissions  ->  one chore (a chunk of deletions)

*Group commit.* A group is what is queued, up to `group_bytes_max` of rows, `ready_bytes_max` of records. A submission
that finds the queue empty waits `gather_s` for company; one that waited longer behind the last fsync goes at once. All
futures of a group resolve by one `call_soon_threadsafe`, because a wake-up of the loop per row would cost more than the
commit.
*Order.* Jobs first: a fold must not wait behind a flood. Chores last, one step a round: a backlog of deletions delays
nobody by more than a step. Copying the log into the database (a checkpoint) is a chore of its own, `between`.
*Brake.* Senders that wait for their answers can keep all processors busy with taking rows in, and the fold falls ever
further behind. From `lag_rows_max` unfolded rows on a group therefore waits: until the next job, mostly a fold's
commit, or for `brake_s` times the lag in units of that bound, at most four times. Intake never waits for a fold alone.
*Failure.* An error goes to who waits for it. A fatal one (faults.py) refuses everything queued and everything to come.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar

from monitor.clock import Clock
from monitor.errors import Permanent, Transient
from monitor.facts import Submission
from monitor.store.faults import RETRY_S, Failed, Fault, attempt

T = TypeVar("T")
Answer: TypeAlias = bytes | Exception | None
_BRAKED_MOST = 4.0  # times `brake_s`: 5 MB of rows, or 40 MB of records, a second where no fold comes at all
Reply: TypeAlias = "asyncio.Future[bytes | None]"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how much the writer gathers."""

    gather_s: float = 0.003  # about one fsync of a server disk: waiting longer than the disk does not pay
    group_bytes_max: int = 1 << 20  # of rows, which become one journal record
    ready_bytes_max: int = 8 << 20  # of submissions that are records already, and share an fsync
    queue_bytes_max: int = 64 << 20  # the intake's in-flight budget; over it: Transient
    lag_rows_max: int = 500_000  # unfolded: about a second of the fold's work; beyond it groups wait
    brake_s: float = 0.05  # how long, without a job: 40,000 Arrow rows of four senders are then 800,000 a second
    idle_s: float = 1.0  # the heartbeat is never older, while the writer lives


class Work(NamedTuple):
    """What the writer does, on its own thread, without knowing what it is."""

    write: Callable[[Sequence[Submission]], Sequence[Answer]]  # one group; an answer for each
    between: Callable[[bool], object]  # after each round; True when there is nothing else to do
    diagnose: Callable[[Exception], Fault]
    fatal: Callable[[Exception], object]  # called once, before everybody who waits is told
    lag_rows: Callable[[], int] = lambda: 0  # committed and not folded


class Waiting(NamedTuple):
    """A submission and who waits for it."""

    submission: Submission
    reply: Reply
    since: float  # monotonic


@dataclass(slots=True)
class Tally:
    """What the writer counted since start."""

    heartbeat: float = 0.0
    commits: int = 0
    seconds_sum: float = 0.0
    seconds_max: float = 0.0
    chore_failures: int = 0
    braked: int = 0  # groups that waited for the fold


@dataclass(slots=True)
class Round:
    """What the writer took from its queues."""

    jobs: list[Callable[[], None]] = field(default_factory=list)
    group: list[Waiting] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.jobs or self.group)


class Writer:
    """Queues in front of one thread. Everything but the thread's own methods may be called from anywhere."""

    def __init__(self, work: Work, clock: Clock, pace: Pace) -> None:
        """Start the thread."""
        self.tally = Tally(heartbeat=clock.monotonic())
        self.queue_bytes = 0
        self._work = work
        self._clock = clock
        self._pace = pace
        self._queue: deque[Waiting] = deque()
        self._jobs: deque[Callable[[], None]] = deque()
        self._chores: dict[str, Callable[[], bool]] = {}
        self._wake = threading.Condition()
        self._asleep = False
        self._stopping = False
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._loop, name="store-writer", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> Exception | None:
        """Why nothing works any more; None while it works."""
        return self._failure

    @property
    def queue_submissions(self) -> int:
        """How many wait."""
        return len(self._queue)

    def append(self, submission: Submission) -> Reply:
        """Queue a submission; see Store.append."""
        reply: Reply = asyncio.get_running_loop().create_future()
        with self._wake:
            refusal = self._refusal()
            if refusal is None:
                self._queue.append(Waiting(submission, reply, self._clock.monotonic()))
                self.queue_bytes += submission.size_bytes
                if self._asleep or self.queue_bytes >= self._pace.group_bytes_max:
                    self._wake.notify()
        if refusal is not None:
            reply.set_exception(refusal)
        return reply

    def check(self) -> None:
        """Raise what every call raises once the store has failed or is closed."""
        if self._failure or self._stopping:
            raise self._closed()

    def run(self, job: Callable[[], T]) -> T:
        """Have the writer run `job` alone, as one commit, and wait for its result or error."""
        assert threading.current_thread() is not self._thread, "the writer cannot wait for itself"
        result: Future[T | Failed] = Future()
        with self._wake:
            if self._stopping or self._failure:
                raise self._closed()
            self._jobs.append(lambda: result.set_result(self._timed(job)))
            self._wake.notify()
        outcome = result.result()
        if isinstance(outcome, Failed):
            raise outcome.error
        return outcome

    def later(self, name: str, chore: Callable[[], bool]) -> None:
        """Have `chore` called between commits until it answers False, instead of an earlier one of this name."""
        with self._wake:
            self._chores[name] = chore
            self._wake.notify()

    def fail(self, error: Exception) -> None:
        """Refuse everything from now on. The first failure is the one that is told."""
        with self._wake:
            first, self._failure = self._failure is None, self._failure or error
            refused, jobs = list(self._queue), list(self._jobs)
            self._queue.clear()
            self._jobs.clear()
            self._chores.clear()
            self.queue_bytes = 0
            self._wake.notify()
        if first:
            attempt(lambda: self._work.fatal(error))  # an error there must leave nobody waiting
        for job in jobs:
            job()
        _reply([(waiting.reply, self._closed()) for waiting in refused])

    def stop(self) -> None:
        """Commit what is queued, then end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def _refusal(self) -> Exception | None:
        """Why a submission cannot be queued now."""
        if self._failure or self._stopping:
            return self._closed()
        if self.queue_bytes >= self._pace.queue_bytes_max:
            return Transient("the journal's queue is full", 1.0)
        return None

    def _closed(self) -> Exception:
        """A fresh error for each caller: a shared one would gather tracebacks."""
        if self._failure:
            return Permanent(f"the store has failed: {self._failure}")
        return Transient("the store is stopping", RETRY_S)

    def _loop(self) -> None:
        """Rounds until stopped or failed; a bug of ours fails the store rather than leave everybody waiting."""
        outcome = attempt(self._rounds)
        if isinstance(outcome, Failed):
            self.fail(outcome.error)

    def _rounds(self) -> None:
        """One round after the other."""
        while not self._failure:
            self.tally.heartbeat = self._clock.monotonic()
            taken = self._take()
            if not taken and self._stopping and not self._queue:
                return
            for job in taken.jobs:
                job()
            if taken.group:
                self._commit(taken.group)
            self._upkeep(idle=not taken)

    def _brake(self) -> None:
        """Under the lock: let a group wait while rows pile up; a job ends it."""
        behind = self._work.lag_rows() / self._pace.lag_rows_max
        if behind > 1.0 and self._queue and not self._urgent():
            self.tally.braked += 1
            self._wake.wait_for(self._urgent, self._pace.brake_s * min(behind, _BRAKED_MOST))

    def _urgent(self) -> bool:
        """Whether there is something that no brake may delay."""
        return bool(self._jobs or self._stopping or self._failure)

    def _take(self) -> Round:
        """Wait for something to do, and for a lone submission's company."""
        with self._wake:
            if not (self._queue or self._jobs or self._chores or self._stopping or self._failure):
                self._asleep = True
                self._wake.wait(self._pace.idle_s)
                self._asleep = False
            self._brake()
            if self._queue and not (self._jobs or self._stopping):
                age = self._clock.monotonic() - self._queue[0].since
                if age < self._pace.gather_s and self.queue_bytes < self._pace.group_bytes_max:
                    self._wake.wait(self._pace.gather_s - max(age, 0.0))
            jobs = list(self._jobs)
            self._jobs.clear()
            return Round(jobs, self._take_group())

    def _take_group(self) -> list[Waiting]:
        """At least one submission if any waits, then as many as fit."""
        group: list[Waiting] = []
        left = {False: self._pace.group_bytes_max, True: self._pace.ready_bytes_max}  # by whether they are records
        while self._queue:
            submission = self._queue[0].submission
            ready = submission.encoded is not None
            if group and submission.size_bytes > left[ready]:
                break
            left[ready] -= submission.size_bytes
            self.queue_bytes -= submission.size_bytes
            group.append(self._queue.popleft())
        return group

    def _commit(self, group: list[Waiting]) -> None:
        """Write a group and answer everybody in it."""
        submissions = [waiting.submission for waiting in group]
        outcome = self._timed(lambda: self._work.write(submissions))
        answers = [outcome.error] * len(group) if isinstance(outcome, Failed) else outcome
        _reply([(waiting.reply, answer) for waiting, answer in zip(group, answers, strict=True)])

    def _timed(self, job: Callable[[], T]) -> T | Failed:
        """Run one commit, measure it, tell causes apart; a fatal error fails the writer."""
        if self._failure:
            return Failed(self._closed())
        start = self._clock.monotonic()
        outcome = attempt(job)
        taken = self._clock.monotonic() - start
        self.tally.commits += 1
        self.tally.seconds_sum += taken
        self.tally.seconds_max = max(self.tally.seconds_max, taken)
        return self._diagnosed(outcome) if isinstance(outcome, Failed) else outcome

    def _diagnosed(self, outcome: Failed) -> Failed:
        """The error as its waiter should see it."""
        fault = self._work.diagnose(outcome.error)
        if fault.fatal:
            self.fail(fault.error)
        return Failed(fault.error)

    def _upkeep(self, *, idle: bool) -> None:
        """One step of one chore, and what belongs between rounds. Errors are counted: upkeep is tried again."""
        outcome = attempt(lambda: self._work.between(idle and not self._chores))
        if isinstance(outcome, Failed):
            self._count_failure(outcome)
        with self._wake:
            name = next(iter(self._chores), "")
            chore = self._chores.pop(name, None)
        if chore is None:
            return
        more = attempt(chore)
        if isinstance(more, Failed):
            self._count_failure(more)
        elif more:
            with self._wake:
                self._chores.setdefault(name, chore)  # last in line; a newer one of the name wins

    def _count_failure(self, outcome: Failed) -> None:
        """Upkeep failed."""
        self.tally.chore_failures += 1
        self._diagnosed(outcome)


def _reply(answers: Sequence[tuple[Reply, Any]]) -> None:
    """Resolve futures on their loops, one call per loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Reply, Any]]] = {}
    for reply, answer in answers:
        loops.setdefault(reply.get_loop(), []).append((reply, answer))
    for loop, ours in loops.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, ours)


def _resolve(answers: Sequence[tuple[Reply, Any]]) -> None:
    """On the loop: hand out answers to those who still wait."""
    for reply, answer in answers:
        if reply.done():  # cancelled: the client has gone
            continue
        if isinstance(answer, Exception):
            reply.set_exception(answer)
        else:
            reply.set_result(answer)
