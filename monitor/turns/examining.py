"""Golden probes around a switch: the candidate before it serves, where it can be asked, and what serves afterwards.

Before the switch only the second opinion can be asked, and only while it serves the very checkpoint that is switched
to; what it does not say holds nothing up, because the same probes are asked again of what serves. After the switch they
are part of the proof: where answers of the checkpoint are recorded, a server that does not give them has not proved it.
"""

import asyncio
from dataclasses import dataclass

import structlog

from monitor.decisions.probes import Tolerance, read
from monitor.errors import Permanent, SettingsError, Transient
from monitor.facts import ModelName, Verdict
from monitor.serving.probe_set import ProbeSet
from monitor.serving.probing import Asked, ask
from monitor.settings.model_sections import Probes
from monitor.settings.probe_files import opened_probes

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Examiner:
    """Implements `monitor.rollback.execute.Probes` for one model."""

    model: ModelName
    probes: Probes
    serving: Asked
    second_opinion: Asked | None = None

    async def candidate(self, digest: str) -> Verdict | None:
        """BREACH if it answers otherwise than was recorded, OK if it does not; None if that cannot be told."""
        if self.second_opinion is None:
            return None
        verdict = await self._examine(self.second_opinion, digest)
        return None if verdict is Verdict.UNKNOWN else verdict

    async def served(self, digest: str) -> Verdict | None:
        """The same of what serves; UNKNOWN if it does not answer, None if nothing of this checkpoint is recorded."""
        return await self._examine(self.serving, digest)

    async def _examine(self, server: Asked, digest: str) -> Verdict | None:
        try:
            found: ProbeSet = await asyncio.to_thread(opened_probes, self.probes, self.model)
        except (SettingsError, Permanent, Transient) as error:
            log.warning("probes unusable", model=self.model, why=str(error))
            return Verdict.UNKNOWN
        recorded = found.recorded.get(digest)
        if recorded is None:
            return None
        said = await ask(server, found, digest, self.probes.connections)
        tolerance = Tolerance(self.probes.difference, self.probes.mismatches_max)
        reading, _ = read(recorded, said.given, tolerance, silent=said.silent, others=said.others)
        log.info("probes.asked", model=self.model, verdict=reading.verdict.value, why=reading.why)
        return reading.verdict
