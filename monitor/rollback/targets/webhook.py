"""A webhook as a target: somebody's own deployment tool, told by signed messages and answering in JSON.

    {"verb": "place",  "source": {...}, "target": {...}}    200 {"place": "source" | "target" | "other" | "unknown"}
    {"verb": "switch", "source": {...}, "target": {...}}    200 {"changed": true | false}; 409 somebody else changed it
    {"verb": "load"}                                        2xx

A release is {"bundle", "name", "digest", "path", "locator"}. Signatures are those of Standard Webhooks
(`monitor.wire.webhooks`), as on notices: the receiver checks them, and that `webhook-timestamp` is not old, before it
believes a word. Each message has an id of its own.

The receiver owes the compare-and-swap: it sets the target only where the source is set, in one step, says `changed:
false` where the target is set already, and finishes or undoes what it left half done before it answers `place`. 408,
429, 5xx and no answer count as "may or may not have happened", and it is asked again.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from monitor.clock import Clock
from monitor.decisions.rollback import Place
from monitor.errors import Permanent, SettingsError, Transient
from monitor.rollback.targets.calls import Answer, Caller, refused
from monitor.rollback.targets.contract import Conflict, Release, Unstaged
from monitor.wire.webhooks import Keys, headers

CONFLICT = 409
DONE = range(200, 300)
WHAT = "the deployment webhook"


class WebhookTarget(Unstaged):
    """One receiver."""

    def __init__(
        self,
        caller: Caller,
        keys: Callable[[], Keys],
        clock: Clock,
        message_id: Callable[[], str],
    ) -> None:
        """`keys` are read anew for each message (SettingsError); `message_id` is another each time."""
        self._caller = caller
        self._keys = keys
        self._clock = clock
        self._message_id = message_id

    async def place(self, source: Release, target: Release) -> Place:
        """Ask the receiver; whatever is no clear answer is UNKNOWN."""
        try:
            answer = await self._tell("place", source, target)
            return Place(answer.text("place")) if answer.status in DONE else Place.UNKNOWN
        except (Transient, Permanent, ValueError):
            return Place.UNKNOWN

    async def switch(self, source: Release, target: Release) -> bool:
        """Tell the receiver; Conflict, Transient, Permanent."""
        answer = await self._tell("switch", source, target)
        if answer.status == CONFLICT:
            raise Conflict("the deployment webhook found neither the source nor the target")
        if answer.status not in DONE:
            raise refused(WHAT, answer)
        changed = (answer.document or {}).get("changed")
        if not isinstance(changed, bool):
            raise Transient("the deployment webhook did not say whether it changed anything")
        return changed

    async def load(self) -> None:
        """Tell the receiver; Transient, Permanent."""
        answer = await self._tell("load")
        if answer.status not in DONE:
            raise refused(WHAT, answer)

    async def _tell(self, verb: str, *releases: Release) -> Answer:
        said: dict[str, Any] = {"verb": verb}
        for role, release in zip(("source", "target"), releases, strict=False):
            said[role] = {**msgspec.structs.asdict(release), "path": str(release.path)}
        body = msgspec.json.encode(said)
        try:
            keys = await asyncio.to_thread(self._keys)
        except SettingsError:
            raise Permanent("the secret of the deployment webhook cannot be read") from None
        signed = headers(keys, self._message_id(), self._clock.wall(), body)
        return await self._caller.call("POST", "", body, signed)
