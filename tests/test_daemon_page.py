"""The metrics page of a daemon is rendered by one at a time: by the schedule, and by the steps of the replay clock."""

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace

from monitor.daemon import Daemon


class Page:
    """Renders as slowly as it is let, and notes what it was given."""

    def __init__(self):
        self.begun, self.go, self.given = threading.Event(), threading.Event(), []

    def render(self, snapshot):
        self.given.append(snapshot)
        self.begun.set()
        assert self.go.wait(60)


def test_what_a_step_shows_is_rendered_after_what_was_seen_before_it():
    async def story():
        daemon, now = Daemon(Path("unused"), SimpleNamespace()), iter(["before", "after"])
        daemon._page, daemon._snapshot = Page(), lambda: next(now)
        scheduled = asyncio.create_task(daemon.render())
        await asyncio.to_thread(daemon._page.begun.wait, 60)
        stepped = asyncio.create_task(daemon.render())
        await asyncio.wait([stepped], timeout=0.1)
        meanwhile = list(daemon._page.given)
        daemon._page.go.set()
        await asyncio.gather(scheduled, stepped)
        return meanwhile, daemon._page.given

    assert asyncio.run(story()) == (["before"], ["before", "after"])
