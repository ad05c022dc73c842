"""Asking a model server golden probes: over several connections of their own, all at once, each only so long.

Behind one address there may be several workers; each connection is one chance to meet a bad one. Connections are not
kept, so rounds do not go on asking the same worker. What does not come in time is silent, not wrong.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from monitor.decisions.probes import Answers
from monitor.errors import Permanent, Transient
from monitor.facts import Task
from monitor.serving.probe_set import ProbeSet, answers
from monitor.serving.tensors import Answer

CONNECTIONS_MAX = 16  # of one round


class Asked(Protocol):
    """What is asked of a model server (`monitor.serving.open_inference.OpenInference`)."""

    async def infer_body(self, body: bytes, n: int, task: Task) -> Answer:
        """Ask for `n` rows that were encoded before; Transient, Permanent."""
        ...


@dataclass(frozen=True, slots=True)
class Round:
    """What came of asking: answers of the checkpoint that was meant, and how often none of them came."""

    given: tuple[Answers, ...]
    silent: int = 0  # no answer in time, or none that can be believed
    others: int = 0  # answers of another checkpoint


async def ask(server: Asked, probes: ProbeSet, digest: str, connections: int) -> Round:
    """Ask all rows over `connections` (1 to 16) at once; never raises for the server's sake."""
    assert 1 <= connections <= CONNECTIONS_MAX, "checked by the settings"
    body = probes.body
    said = await asyncio.gather(*(_one(server, body, probes) for _ in range(connections)))
    came = [answer for answer in said if answer is not None]
    mine = tuple(answers(answer) for answer in came if answer.digest == digest)
    return Round(mine, silent=len(said) - len(came), others=len(came) - len(mine))


async def _one(server: Asked, body: bytes, probes: ProbeSet) -> Answer | None:
    try:
        return await server.infer_body(body, probes.n, probes.task)
    except (Transient, Permanent):
        return None
