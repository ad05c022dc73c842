"""When golden probes are asked, and what becomes of a round.

At each new activation, and every `probes.every` of event time: live that is the time of day (a clock set back asks too
early, never too late), in replay a step of the clock. Rounds of several models run beside each other and beside the
turns: a model server that is slow to answer delays no fold. The file is read and verified at every round, so a set that
gained the answers of a new checkpoint needs no restart; one that cannot be used leaves the round unknown and is told.

A round whose activation ended while it was asked is thrown away, and the next one begins at once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from monitor.clock import Clock
from monitor.decisions.outcomes import probes_answered
from monitor.decisions.probes import Compared, Probed, Tolerance, known, read
from monitor.decisions.state import Judgement, Terms
from monitor.errors import Permanent, SettingsError, Transient
from monitor.facts import TRANSITION, Epoch, ModelName, Reading, Verdict
from monitor.serving.probe_set import ProbeSet
from monitor.serving.probing import Asked, Round, ask
from monitor.settings.model_sections import Probes
from monitor.settings.probe_files import opened_probes
from monitor.turns.watched import ProbesShown, Watched

log = structlog.get_logger()


class Decide(Protocol):
    """`monitor.turns.wheel.Wheel.decide`."""

    def __call__(self, watched: Watched, decision: Callable[[Terms], Judgement], /) -> Awaitable[Judgement]:
        """Compute and commit as one step."""
        ...


@dataclass(slots=True)
class Probing:
    """Asks what is due. Remembers only when it last asked."""

    models: Mapping[ModelName, Watched]
    servers: Mapping[ModelName, Asked]
    clock: Clock
    decide: Decide
    _asked: dict[ModelName, tuple[int, float]] = field(default_factory=dict)  # epoch and event time of the last round

    async def due(self) -> None:
        """Ask the probes of every model for which it is time, and judge what was answered."""
        now = self.clock.now()
        await asyncio.gather(*(self._round(each, now) for each in self.models.values() if self._is_due(each, now)))

    def _is_due(self, watched: Watched, now: float) -> bool:
        probes = watched.settings.probes
        if probes is None or watched.name not in self.servers:
            return False
        if not watched.epochs or watched.epoch.bundle == TRANSITION:
            return False
        number, at = self._asked.get(watched.name, (0, 0.0))
        return number != watched.epoch.number or abs(now - at) >= probes.every

    async def _round(self, watched: Watched, now: float) -> None:
        epoch, probes = watched.epoch, watched.settings.probes
        assert probes is not None, "it was due"
        reading, worst, found = await self._read(watched, probes, epoch)
        if watched.epoch.number != epoch.number:
            return
        self._asked[watched.name] = (epoch.number, now)
        round_ = Probed(reading, now, epoch.number, worst)
        watched.probes = ProbesShown(
            watched.probes.rounds + Counter([reading.verdict]),
            round_,
            rows=found.n if found else 0,
            recorded=found is not None and epoch.digest in found.recorded,
        )
        watched.probed = known(watched.probed, round_)
        log.info("probes.asked", model=watched.name, epoch=epoch.number, verdict=reading.verdict.value, why=reading.why)
        if reading.verdict is not Verdict.UNKNOWN:
            at = self.clock.now()
            await self.decide(watched, lambda agreed: probes_answered(watched.state, agreed, at))

    async def _read(
        self, watched: Watched, probes: Probes, epoch: Epoch
    ) -> tuple[Reading, Compared | None, ProbeSet | None]:
        try:
            found = await asyncio.to_thread(opened_probes, probes, watched.name)
        except (SettingsError, Permanent, Transient) as error:
            return Reading(Verdict.UNKNOWN, 0, why=f"the set of probes cannot be used: {error}"), None, None
        recorded = found.recorded.get(epoch.digest)
        said = Round(()) if recorded is None else await self._ask(watched, found, epoch, probes.connections)
        tolerance = Tolerance(probes.difference, probes.mismatches_max)
        reading, worst = read(recorded, said.given, tolerance, silent=said.silent, others=said.others)
        return reading, worst, found

    async def _ask(self, watched: Watched, found: ProbeSet, epoch: Epoch, connections: int) -> Round:
        return await ask(self.servers[watched.name], found, epoch.digest, connections)
