"""From a rollback's decision to restored serving, with the symlink target: real executor, store, index and server.

    decision journaled -> look -> verify -> probe -> switch -> load -> three answers with the new digest -> journaled

- *small*: two scorecards of 12 kB, switched back and forth, with `examples/model_server/serve.py` as a process on
  loopback. Each step is committed to a real store with fsync, each reads the signed index anew. The time from asking
  the server to load to its answer is the server's own, and is told apart.
- *large*: 10 GiB, or a third of what the disk has free. How fast a checkpoint is hashed, and in how much memory; then
  switches to it, once its copy was made ahead and sealed, as `target.stage_ahead` does. The server there only says
  which copy the link names: no server loads 10 GiB in no time, and what it takes is its own. Nearly all of the file is
  a hole, so it is read from memory: the disk's speed is not what is measured. The copy is really written.

No golden probes and no notices: they are other people's time. Files go where `TMPDIR` says.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bench.figure import Figure, percentile
from monitor.clock import WallClock
from monitor.facts import Bundle, Mode, ModelName, Rollback, RollbackStep
from monitor.panes.window import sum_bodies
from monitor.rollback.execute import Executor, Server
from monitor.rollback.manifest import About, Role
from monitor.rollback.release import read
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.make import Builder
from monitor.rollback.release.write import Editor
from monitor.rollback.signing import Signer, keygen
from monitor.rollback.targets.ahead import Ahead
from monitor.rollback.targets.contract import Release
from monitor.rollback.targets.seals import SETTLE_S, Seals
from monitor.rollback.targets.staging import Pace, Staging
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.serving.open_inference import OpenInference
from monitor.store.parts import Parts
from monitor.store.protocol import Change
from monitor.store.sqlite import SqliteStore
from monitor.wire.connect import tls_context

SWITCHES, LARGE_SWITCHES = 220, 30
LARGE_BYTES = 10 << 30
MODEL = ModelName("delays")
SERVE = Path(__file__).parents[1] / "examples" / "model_server" / "serve.py"
PACE = Pace(rate=1 << 40, age_max_s=3600.0, free_min=0)  # as fast as it goes: nobody else is served here
HASH = """
import json, sys, time
from pathlib import Path
from monitor.rollback.tree import digest_at

def peak_kib():  # of this program: ru_maxrss would be that of whoever started it
    return next(int(line.split()[1]) for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))

before, began = peak_kib(), time.perf_counter()
digest = digest_at(Path(sys.argv[1]))
print(json.dumps([time.perf_counter() - began, (peak_kib() - before) / 1024]))
"""


def measure() -> list[Figure]:
    """Both."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # six lines a switch are not the point
    with tempfile.TemporaryDirectory() as folder:
        small = asyncio.run(switched_small(Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        return small + asyncio.run(switched_large(Path(folder)))


# ---------------------------------------------------------------- a release folder, and one rollback


@dataclass(slots=True)
class Volume:
    """A signed index, a link, copies beside it, and a store that journals."""

    folder: Path
    store: SqliteStore
    index: Path = field(init=False)
    bundles: dict[str, Bundle] = field(default_factory=dict)
    belief: Belief = field(init=False)
    staging: Staging = field(init=False)
    under: Link = field(init=False)
    loading_s: float = 0.0  # of the load last asked for
    proved: float = 0.0  # when the last rollback was proved

    def __post_init__(self) -> None:
        keygen(self.folder / "release.key", self.folder / "release.pub")
        self.index = self.folder / "releases.json"
        self.belief = Belief.load([self.folder / "release.pub"])
        self._editor().create()
        seals = Seals(WallClock(), 2 * PACE.age_max_s)
        self.staging = Staging(self.folder, seals=seals)
        self.under = Link(self.folder / "current", seals=seals)

    def _editor(self) -> Editor:
        signer = Signer.load(self.folder / "release.key")
        return Editor(self.index, signer, self.belief, time.time, 86_400.0)

    def release(self, name: str) -> Release:
        """Sign the file of this name as a bundle, approve of it; what a target is told of it."""
        (self.folder / f"{name}.ref").write_bytes(b"reference " + name.encode())
        manifest = self.folder / f"{name}.bundle.json"
        files = {f"{name}.bin": Role.CHECKPOINT, f"{name}.ref": Role.REFERENCE}
        Builder(Signer.load(self.folder / "release.key"), self.belief).make(manifest, files, About(MODEL, name))
        self.bundles[name] = self._editor().approve(self._editor().add(manifest).id)
        digest = self.bundles[name].checkpoint_digest
        return Release(self.bundles[name].id, name, digest, self.folder / f"{name}.bin")

    async def record(self, rollback: Rollback) -> None:
        """Journal a step durably."""
        if rollback.step is RollbackStep.COMMITTED:
            self.proved = time.perf_counter()
        await asyncio.to_thread(self.store.commit, Change(puts=((rollback.id, rollback),)))

    async def roll_back(self, number: int, names: tuple[str, str], server: Server, load: "Load") -> float:
        """One rollback; seconds from its decision, journaled, to the proof of what serves."""
        source, target = (self.bundles[name] for name in names)
        plan, now = RollbackStep.PLANNED, time.time()
        rollback = Rollback(f"r{number}", "i", MODEL, source.id, target.id, Mode.AUTO, plan, planned=now, stepped=now)

        async def timed() -> None:
            began = time.perf_counter()
            await load()
            self.loading_s = time.perf_counter() - began

        await self.record(rollback)
        began = time.perf_counter()
        executor = Executor(
            lambda: read.load(self.index, self.belief),
            SymlinkTarget(self.under, timed, self.staging),
            server,
            self,
            clock=WallClock(),
            copied=True,
        )
        ended = await executor.run(rollback, source.checkpoint_digest)
        assert ended.step is RollbackStep.COMMITTED, ended
        return self.proved - began


Load = Callable[[], Awaitable[None]]


@contextmanager
def volume(folder: Path) -> Iterator[Volume]:
    parts = Parts(lambda *_: b"", sum_bodies, WallClock())
    store = SqliteStore(folder / "state", parts)
    try:
        yield Volume(folder, store)
    finally:
        store.close()


# ---------------------------------------------------------------- small, with a real server


async def switched_small(folder: Path) -> list[Figure]:
    """Back and forth between two scorecards."""
    with volume(folder) as kept:
        for intercept, name in enumerate(("v1", "v2")):
            (folder / f"{name}.bin").write_bytes(scorecard(float(intercept)))
            kept.release(name)
        (folder / "current").symlink_to("v1.bin")
        with served(folder) as url:
            server = OpenInference(url, MODEL, 2.0, tls=tls_context())
            took, loads = [], []
            for number in range(SWITCHES):
                names = ("v1", "v2") if number % 2 == 0 else ("v2", "v1")
                took.append(await kept.roll_back(number, names, server, server.reload))
                loads.append(kept.loading_s)
            await server.aclose()
    own = [all_ - load for all_, load in zip(took, loads, strict=True)]
    return [
        Figure(f"rollback of a link, decided to served, {SWITCHES} switches, median", ms(took, 0.5), "ms"),
        Figure("  99 %", ms(took, 0.99), "ms"),
        Figure("  the longest", ms(took, 1.0), "ms"),
        Figure("  the server's own load, median", ms(loads, 0.5), "ms"),
        Figure("  without it, 99 %", ms(own, 0.99), "ms", "<= 1000"),
        Figure("  without it, the longest", ms(own, 1.0), "ms"),
    ]


def scorecard(intercept: float) -> bytes:
    """A model of 20 features with 50 bins each."""
    edges = [float(edge) for edge in range(49)]
    weights = [round(0.01 * (edge - 25), 2) for edge in range(50)]
    features = [
        {"name": f"f{i}", "kind": "numeric", "edges": edges, "weights": weights, "missing": 0.0} for i in range(20)
    ]
    card = {"format": "scorecard/1", "classes": ["on_time", "late"], "threshold": 0.5}
    return json.dumps(card | {"intercept": intercept, "features": features}).encode()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The example's model server, as a process; its address."""
    arguments = ["--current", str(folder / "current"), "--known-good", str(folder / "v1.bin"), "--model", MODEL]
    child = subprocess.Popen([sys.executable, str(SERVE), *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield child.stdout.readline().split()[-1]
    finally:
        child.terminate()
        child.wait()
        child.stdout.close()


# ---------------------------------------------------------------- large


@dataclass(slots=True)
class Named:
    """A server that has loaded what the link names the moment it is asked to."""

    link: Path
    digests: dict[str, str]  # by the file that the link names
    loaded: str = ""

    async def served(self) -> str:
        return self.loaded

    async def load(self) -> None:
        self.loaded = self.digests[self.link.readlink().name]


async def switched_large(folder: Path) -> list[Figure]:
    """Hash one, copy it ahead, and switch to it."""
    size = min(LARGE_BYTES, shutil.disk_usage(folder).free // 3) >> 20 << 20
    with (folder / "large.bin").open("wb") as file:
        file.truncate(size)
        for place in (0, size - (1 << 20)):
            os.pwrite(file.fileno(), os.urandom(1 << 20), place)
    (folder / "small.bin").write_bytes(scorecard(0.0))
    hash_s, grown = await asyncio.to_thread(hashed, folder / "large.bin")
    with volume(folder) as kept:
        large, small = kept.release("large"), kept.release("small")
        (folder / "current").symlink_to("small.bin")
        ahead = Ahead(kept.under, kept.staging, WallClock(), PACE)
        copy_s = await asyncio.to_thread(prepared, ahead, large)
        digests = {each.digest.removeprefix("sha256:"): each.digest for each in (large, small)}
        server = Named(folder / "current", digests, small.digest)
        took = []
        for number in range(LARGE_SWITCHES):
            took.append(await kept.roll_back(2 * number, ("small", "large"), server, server.load))
            await kept.roll_back(2 * number + 1, ("large", "small"), server, server.load)
        cold = Staging(folder)
        began = time.perf_counter()
        await asyncio.to_thread(cold.check, large.digest)
        cold_s = time.perf_counter() - began
    gib = size / (1 << 30)
    return [
        Figure(f"hash of a checkpoint of {gib:.1f} GiB", round(size / hash_s / 1e9, 2), "GB/s"),
        Figure("  memory it takes beyond the interpreter's", round(grown, 1), "MiB", "<= 16"),
        Figure("  copied ahead, read again and sealed", round(copy_s), "s"),
        Figure(f"rollback to it, its copy at hand, {LARGE_SWITCHES} switches, median", ms(took, 0.5), "ms"),
        Figure("  the longest", ms(took, 1.0), "ms", "<= 1000"),
        Figure("  one reading of a copy that nobody sealed", round(cold_s, 1), "s"),
    ]


def hashed(path: Path) -> tuple[float, float]:
    """Seconds, and MiB by which a process of its own grew."""
    done = subprocess.run([sys.executable, "-c", HASH, str(path)], check=True, capture_output=True, text=True)
    took, grown = json.loads(done.stdout)
    return took, grown


def prepared(ahead: Ahead, release: Release) -> float:
    """Seconds of two passes, the wait between them aside: one copies, one seals."""
    took = 0.0
    for wait_s in (0.0, SETTLE_S + 1.0):
        time.sleep(wait_s)
        began = time.perf_counter()
        ahead.keep(release)
        took += time.perf_counter() - began
    assert ahead.kept is not None
    assert ahead.kept.ready, ahead.kept
    return took


def ms(seconds: list[float], share: float) -> float:
    """A percentile in milliseconds."""
    return round(1e3 * percentile(seconds, share), 1)
