"""Keeping at hand what a rollback would go to now: whose copy, and when; `monitor.rollback.targets.ahead` makes it.

Every `EVERY_S` each model with a link is looked at: the newest fit known-good by the index that is in force, other than
what is served, and with the suspicions of this moment. That is what the policy would choose, so when an approval, a
revocation or a suspicion changes the choice, the copy follows. While a rollback is under way nothing is begun: its own
steps make what it needs. In replay nothing is made ahead: what is real time would change what a stream gives.

One thread for all models, so copies of two never share what each may read in a second.
"""

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from monitor.clock import Clock
from monitor.decisions.choosing import find_target
from monitor.decisions.judge import build_case
from monitor.decisions.rollback import RUNNING
from monitor.export.edges import StagedView
from monitor.facts import ModelName
from monitor.rollback.targets.ahead import Ahead, Trouble
from monitor.rollback.targets.contract import Release
from monitor.turns.watched import Watched
from monitor.turns.wheel import terms

EVERY_S = 5.0  # a copy that was touched is seen within it; a look costs 5 us a file


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix="staging")


@dataclass(slots=True)
class StagingAhead:
    """Makes copies ahead, for the models that have a link and copies beside it."""

    models: Mapping[ModelName, Watched]
    kept: Mapping[ModelName, Ahead]
    clock: Clock
    _thread: ThreadPoolExecutor = field(default_factory=_one_thread)

    async def due(self) -> None:
        """One pass over all models; returns when it is done, which may take as long as a slow copy."""
        for name, ahead in self.kept.items():
            watched = self.models[name]
            if watched.epochs and not rolling_back(watched):
                release = target_of(watched, self.clock.now())
                await asyncio.get_running_loop().run_in_executor(self._thread, ahead.keep, release)

    async def aclose(self) -> None:
        """End what is under way; what is half made is swept by whoever stages next."""
        for ahead in self.kept.values():
            ahead.close()
        await asyncio.to_thread(self._thread.shutdown)


def rolling_back(watched: Watched) -> bool:
    """Whether a rollback of it is under way."""
    rollback = watched.state.rollback
    return rollback is not None and rollback.step in RUNNING


def target_of(watched: Watched, now: float) -> Release | None:
    """What a rollback would go to if it were decided now; None if there is nothing."""
    found = find_target(build_case(watched.state, terms(watched), {}, now))
    if found is None:
        return None
    return Release(found.id, found.name, found.checkpoint_digest, watched.releases.path.parent / found.checkpoint)


def staged_view(ahead: Ahead | None) -> StagedView | None:
    """What is kept, for the metrics page; every reason is told, those that never came as 0. None before it is known."""
    kept = ahead.kept if ahead else None
    if kept is None:
        return None
    failures = {trouble.value: kept.failures[trouble] for trouble in Trouble}
    return StagedView(kept.copies, kept.size, kept.ready, kept.verified, failures)
