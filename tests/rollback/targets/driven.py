"""A process that drives rollbacks of a link, so that it can be killed: `python driven.py`.

Each line, "seconds folder", is one life. It imports once, forks for each line, kills the child with SIGKILL after that
long if it still runs, and answers "exit seconds". The child runs the journaled rollback with the real executor, target
and staging. Everything it does is in files: the journal, the link, what the model server `loaded`, and `attempts`: what
the link said before each exchange.
"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import msgspec
import released
import structlog

from monitor.clock import ManualClock
from monitor.facts import Rollback
from monitor.rollback.execute import Executor
from monitor.rollback.release import read
from monitor.rollback.targets import symlink
from monitor.rollback.targets.staging import Staging
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.rollback.tree import digest_at


def durably(path: Path, body: bytes) -> None:
    """Replace a file in one step."""
    fresh = path.with_name(f"{path.name}.new")
    with fresh.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


class Files:
    """The journal and the model server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def record(self, rollback: Rollback) -> None:
        durably(self.folder / "journal", msgspec.json.encode(rollback))

    async def reload(self) -> None:
        durably(self.folder / "loaded", (self.folder / "current").read_bytes())

    async def served(self) -> str:
        return digest_at(self.folder / "loaded")


def noted(one: Path, other: Path, exchange=symlink.exchange) -> None:
    with (other.parent / "attempts").open("a") as file:
        file.write(other.read_text() + "\n")
    exchange(one, other)


def drive(folder: Path) -> None:
    files, clock = Files(folder), ManualClock()
    rollback = msgspec.json.decode((folder / "journal").read_bytes(), type=Rollback)
    index = read.load(folder / "releases.json", released.belief(folder / "releases.json"))
    source = index.find(rollback.source)
    assert source is not None
    target = SymlinkTarget(Link(folder / "current"), files.reload, Staging(folder))

    async def sleep(seconds: float) -> None:
        clock.step(clock.now() + seconds)

    executor = Executor(lambda: index, target, files, files, clock=clock, sleep=sleep)
    asyncio.run(executor.run(rollback, source.checkpoint_digest))


def life(folder: Path, after_s: float) -> tuple[int, float]:
    """Drive in a process of its own, killed after that long; how it ended, and how long it took.

    Who kills is its parent, so the id is nobody else's by then.
    """
    signal.sigtimedwait({signal.SIGCHLD}, 0)  # that of an earlier one, which was killed
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        drive(folder)
        os._exit(0)
    signal.sigtimedwait({signal.SIGCHLD}, after_s)  # until it ends
    os.kill(child, signal.SIGKILL)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return ended, time.monotonic() - begun


def main() -> None:
    symlink.exchange = noted
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while line := sys.stdin.readline():
        after_s, folder = line.rstrip("\n").split(" ", 1)
        ended, took_s = life(Path(folder), float(after_s))
        sys.stdout.write(f"{ended} {took_s}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
