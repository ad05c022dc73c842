"""The daemon's side: one queue of jobs, and one worker at a time that is started, watched, fed and thrown away.

A worker costs 4 s of CPU and 280 MB to start (0.4 GiB with a report of 60 columns), so it is kept for the next job, but
not for long: it ends when idle for `idle_s`, after `jobs_max` jobs, at `age_max_s` (libraries leak), after any breach,
and is killed on timeout, above its memory, or when it answers nonsense. What became of a job is always a `Result`:
`submit` never raises, a future never fails. Memory is bounded twice: the worker limits its own data (RLIMIT_DATA, so
that it can say which metric was too much), and its resident size is watched from here.

The worker's environment is made here and holds no secret; its stderr goes nowhere, because a library may print rows.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

from monitor.clock import Clock
from monitor.errors import Corrupt
from monitor.evidence import frames
from monitor.evidence.jobs import Failure, Fault, Hello, Job, Result, Terms, failed

log = structlog.get_logger()

START_TIMEOUT_S: Final = 120.0  # 4 s of CPU, on a machine that has it; 9 s were seen beside seven busy processes
WATCH_EVERY_S: Final = 0.5
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_T = TypeVar("_T")
COMMAND: Final = (sys.executable, "-P", "-m", "monitor.evidence.worker")


@dataclass(frozen=True, slots=True)
class Limits:
    """What evidence may cost; settings section `evidence`."""

    queue_max: int = 16
    memory_bytes_max: int = 1 << 30
    timeout_s: float = 300.0  # of one job, on the monotonic clock; its processor time is bounded by the same
    idle_s: float = 180.0
    jobs_max: int = 50
    age_max_s: float = 6 * 3600.0
    nice: int = 10


class EvidenceState(msgspec.Struct, frozen=True):
    """Plain values for the page of metrics."""

    queued: int
    running: bool
    done: int  # jobs that came to a result, faulty ones included
    last_s: float | None  # duration of the last one; None before the first
    failures: tuple[tuple[Failure, str, int], ...]  # (reason, model, count), bounded: reasons x models
    worker_starts: int
    worker_ends: tuple[tuple[str, int], ...]  # by why: idle jobs age breach timeout memory died settings closed
    worker_rss_bytes: int  # now; 0 when there is none
    worker_rss_bytes_peak: int


def environment() -> dict[str, str]:
    """Make what a worker is started with: no secret, no telemetry, one thread per library."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve 1 GiB that RLIMIT_DATA would count
        "DO_NOT_TRACK": "1",
        "HOME": "/nonexistent",  # nothing is to be read from or left in one
        "ITERATIVE_DO_NOT_TRACK": "1",
        "LANG": "C.UTF-8",
        "LOKY_MAX_CPU_COUNT": "1",  # or joblib starts a process to count them
        "MPLCONFIGDIR": "/nonexistent",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "TZ": "UTC",
    }


class Evidence:
    """Takes jobs, hands back futures of results."""

    def __init__(self, limits: Limits, clock: Clock, command: tuple[str, ...] = COMMAND) -> None:
        """Start nothing yet; `command` is replaced in tests."""
        self._limits, self._clock, self._command = limits, clock, command
        self._queue: deque[tuple[Job, asyncio.Future[Result]]] = deque()
        self._running: tuple[Job, asyncio.Future[Result]] | None = None
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._worker: Worker | None = None
        self._closed = False
        self._done, self._starts, self._peak = 0, 0, 0
        self._last_s: float | None = None
        self._failures: Counter[tuple[Failure, str]] = Counter()
        self._ends: Counter[str] = Counter()

    def submit(self, job: Job) -> asyncio.Future[Result]:
        """Queue a job; the one of that id that is queued or running already is returned instead. Never raises."""
        for each in (self._running, *self._queue):
            if each is not None and (each[0].model, each[0].id) == (job.model, job.id):
                return each[1]
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        if self._closed or len(self._queue) >= self._limits.queue_max:
            self._finish(job, future, failed(job, Failure.CLOSED if self._closed else Failure.QUEUE_FULL))
            return future
        self._queue.append((job, future))
        self._wake.set()
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._serve(), name="evidence")
        return future

    def renew(self, limits: Limits) -> None:
        """Take over other limits, for the jobs that begin after; a worker that was started with others is ended."""
        self._limits = limits
        self._wake.set()  # it may be waiting by the old ones

    def state(self) -> EvidenceState:
        """Say how it stands."""
        rss = self._worker.rss_bytes() if self._worker else 0
        self._peak = max(self._peak, rss)
        return EvidenceState(
            queued=len(self._queue),
            running=self._running is not None,
            done=self._done,
            last_s=self._last_s,
            failures=tuple(
                (reason, model, count) for (reason, model), count in sorted(self._failures.items(), key=str)
            ),
            worker_starts=self._starts,
            worker_ends=tuple(sorted(self._ends.items())),
            worker_rss_bytes=rss,
            worker_rss_bytes_peak=self._peak,
        )

    async def aclose(self) -> None:
        """Stop at once: the running job and those queued get the result `closed`, the worker is killed."""
        self._closed = True
        if self._loop is not None:
            self._loop.cancel()
            with suppress(asyncio.CancelledError):
                await self._loop
        waiting = ([self._running] if self._running else []) + list(self._queue)
        self._running = None
        self._queue.clear()
        for job, future in waiting:
            self._finish(job, future, failed(job, Failure.CLOSED))
        await self._end("closed")

    async def _serve(self) -> None:
        """Do what is queued; end the worker when there has been nothing for a while, and this task with it."""
        try:
            await self._work()
        finally:  # a bug here must leave nobody waiting for ever; the next job starts a new task
            if self._running is not None and not self._closed:
                (job, future), self._running = self._running, None
                self._finish(job, future, failed(job, Failure.WORKER_DIED, "a fault of ours"))

    async def _work(self) -> None:
        while True:
            while self._queue:
                self._running = self._queue.popleft()
                job, future = self._running
                result = await self._do(job)
                self._running = None
                self._finish(job, future, result)
            self._wake.clear()
            await self._end_outdated()
            try:
                async with asyncio.timeout(self._limits.idle_s):
                    await self._wake.wait()
            except TimeoutError:
                await self._end("idle")
                if not self._queue:
                    return

    async def _do(self, job: Job) -> Result:
        began = self._clock.monotonic()
        if self._worker and self._clock.monotonic() - self._worker.born >= self._limits.age_max_s:
            await self._end("age")
        await self._end_outdated()
        if self._worker is None and (fault := await self._start()):
            return Result(job.id, job.model, faults=(fault,))
        assert self._worker is not None
        result, end = await self._worker.run(job, self._limits)
        self._last_s = self._clock.monotonic() - began
        self._peak = max(self._peak, result.rss_bytes)
        if any(fault.reason is Failure.NETWORK for fault in result.faults):
            end = end or "breach"
        if any(fault.reason is Failure.MEMORY for fault in result.faults):
            end = end or "memory"
        if self._worker.jobs >= self._limits.jobs_max:
            end = end or "jobs"
        if end:
            await self._end(end)
        return result

    async def _start(self) -> Fault | None:
        """Start a worker and wait until it has imported Evidently; what stood in the way."""
        self._starts += 1
        terms = self._terms()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                cwd="/",
                env=environment(),
                start_new_session=True,
            )
        except OSError as error:
            return Fault("job", Failure.WORKER_START, error.strerror or "cannot be started")
        self._worker = Worker(process, self._clock.monotonic(), terms)
        hello, fault = await self._worker.greet()
        if fault is not None:
            await self._end("start")
        else:
            log.info("evidence_worker_started", evidently=hello, pid=process.pid)
        return fault

    def _terms(self) -> Terms:
        limits = self._limits
        # An exact int: a size of the settings is an int of its own kind, which msgspec does not encode.
        return Terms(int(limits.memory_bytes_max), max(1, int(limits.timeout_s)), nice=limits.nice)

    async def _end_outdated(self) -> None:
        """End a worker whose limits are those of older settings: it has them from its start."""
        if self._worker and self._worker.terms != self._terms():
            await self._end("settings")

    async def _end(self, why: str) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            self._ends[why] += 1
            await worker.kill()
            log.info("evidence_worker_ended", why=why, jobs=worker.jobs)

    def _finish(self, job: Job, future: asyncio.Future[Result], result: Result) -> None:
        self._done += 1
        for fault in result.faults:
            self._failures[fault.reason, job.model] += 1
            log.warning("evidence_failed", model=job.model, job=job.id, what=fault.name, reason=fault.reason.value)
        if not future.done():
            future.set_result(result)


def fitting(result: Result, job: Job) -> Result:
    """The result, if it is one of `job`; Corrupt otherwise: names of its values become labels of metrics."""
    asked = tuple(f"{ask.name}." for ask in job.asks)
    names = [value.name for value in result.values]
    strange = not all(f"{name}.".startswith(asked) for name in names)
    if (result.job, result.model) != (job.id, job.model) or strange or len(names) > job.scope.values_max:
        raise Corrupt("the pipe", 0, "an answer to something else")
    return result


class Worker:
    """One process, and what is known of it."""

    def __init__(self, process: Process, born: float, terms: Terms) -> None:
        """`born` on the monotonic clock."""
        self._process = process
        self.born, self.terms = born, terms
        self.jobs = 0

    async def greet(self) -> tuple[str, Fault | None]:
        """Hand over its terms and wait for its version of Evidently, or what is wrong."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                hello = await self._ask(self.terms, Hello)
        except TimeoutError:
            return "", Fault("job", Failure.WORKER_START, f"not ready in {START_TIMEOUT_S:g} s")
        except (OSError, EOFError, Corrupt):
            return "", Fault("job", Failure.WORKER_START, f"ended with {await self.code()}")
        return hello.version, hello.fault

    async def run(self, job: Job, limits: Limits) -> tuple[Result, str]:
        """Have a job done; the result, and why the worker is to be ended, if it is."""
        self.jobs += 1
        answer = asyncio.ensure_future(self._ask(job, Result))
        watch = asyncio.ensure_future(self._outgrow(limits.memory_bytes_max))
        try:
            done, _ = await asyncio.wait((answer, watch), timeout=limits.timeout_s, return_when="FIRST_COMPLETED")
            if answer in done:
                return fitting(answer.result(), job), ""
            if watch in done:
                return failed(job, Failure.MEMORY, "resident memory above its bound"), "memory"
            return failed(job, Failure.TIMEOUT, f"{limits.timeout_s:g} s"), "timeout"
        except (OSError, EOFError, Corrupt):
            code = await self.code()
            if code == -signal.SIGXCPU:
                return failed(job, Failure.TIMEOUT, f"{limits.timeout_s:g} s of processor time"), "timeout"
            return failed(job, Failure.WORKER_DIED, f"ended with {code}"), "died"
        finally:
            for task in (answer, watch):
                task.cancel()
                with suppress(asyncio.CancelledError, OSError, EOFError, Corrupt):
                    await task

    def rss_bytes(self) -> int:
        """Return its resident memory now, 0 once it is gone."""
        try:
            return int(Path(f"/proc/{self._process.pid}/statm").read_text("ascii").split()[1]) * _PAGE_BYTES
        except (OSError, IndexError):
            return 0

    async def code(self) -> int:
        """Return what it ended with; one that closed its pipe and lives on is killed."""
        await self.kill()
        return self._process.returncode or 0

    async def kill(self) -> None:
        """End it at once: it holds nothing that is not written by rename."""
        with suppress(ProcessLookupError):
            try:
                async with asyncio.timeout(1.0 if self._process.stdin and self._process.stdin.is_closing() else 0):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
        await self._process.wait()
        transport: Callable[[], None] = self._process._transport.close  # type: ignore[attr-defined] # noqa: SLF001 - else the loop warns of it when it is closed
        transport()

    async def _ask(self, message: msgspec.Struct, kind: type[_T]) -> _T:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(frames.frame(message))
        await stdin.drain()
        header = await stdout.readexactly(frames.LENGTH.size)
        return frames.decode(await stdout.readexactly(frames.body_length(header, frames.ANSWER_BYTES_MAX)), kind)

    async def _outgrow(self, bytes_max: int) -> None:
        """Return once it is larger than it may be."""
        while self.rss_bytes() <= bytes_max:  # noqa: ASYNC110 - nobody tells us how large a process is
            await asyncio.sleep(WATCH_EVERY_S)
