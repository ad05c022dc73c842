"""A model repository (Open Inference Protocol) as a target: the bundle's model is loaded, then the other one unloaded.

    POST v2/repository/models/{target}/load        in vain: nothing has changed for those who ask the source
    GET  v2/models/{target}/ready                  what was loaded must be able to answer
    POST v2/repository/models/{source}/unload      the switch: whoever routes by readiness follows

The locator is the name of a bundle's model in the repository. Where things stand is told by the source: while it is
ready the switch has not happened, whatever is loaded beside it; the known-good often is, to be compared. So there is
one effect that counts, and a switch cut off after the load is simply finished by the next.

The protocol has no compare-and-swap. What it has is that an unload of a model that is gone is refused (404): then
somebody else was quicker, and it is a Conflict. The target stays loaded beside theirs: to unload it could take away
what the other one relies on, if that was one of us.

Failure mode: a third model that is loaded while the source stays ready is not seen here; the digest that the server
says it serves (`monitor.serving`) is what tells. Tried against KServe's Python server 0.21.
"""

from urllib.parse import quote

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Transient
from monitor.rollback.targets.calls import Caller, refused
from monitor.rollback.targets.contract import Conflict, Release, Unstaged, located

OK, GONE = 200, {400, 404}  # of an unload: KServe and MLServer say 404, Triton 400
WHAT = "the model repository"


class OpenInferenceTarget(Unstaged):
    """One server with a repository of models."""

    def __init__(self, caller: Caller, load_within_s: float) -> None:
        """`caller` knows the server's root; a load may take longer than another call, `load_within_s`."""
        self._caller = caller
        self._load_within_s = load_within_s

    async def place(self, source: Release, target: Release) -> Place:
        """Tell by which of the two is ready; UNKNOWN while neither is and the server does not say that it is."""
        try:
            if source.locator and source.locator != target.locator and await self._ready(source.locator):
                return Place.SOURCE
            if target.locator and await self._ready(target.locator):
                return Place.TARGET
            return Place.OTHER if (await self._caller.ask("/v2/health/ready")).status == OK else Place.UNKNOWN
        except (Transient, Permanent):
            return Place.UNKNOWN

    async def switch(self, source: Release, target: Release) -> bool:
        """Load the target, unload the source; Conflict, Transient, Permanent."""
        old, new = located(source), located(target)
        beside = await self._ready(new)
        if not await self._ready(old):
            if beside:
                return False
            raise Conflict("neither the source nor the target is loaded")
        if not beside:
            await self._must(new, "load", self._load_within_s)
        if not await self._ready(new):
            raise Transient("the target was loaded and is not ready")
        if not await self._told(old, "unload"):
            raise Conflict("somebody else unloaded the source at the same time")
        return True

    async def load(self) -> None:
        """Do nothing: the switch loaded it."""

    async def _ready(self, model: str) -> bool:
        """Whether a model can be asked. What is not loaded is answered by 404, 400 or 503, so those say no."""
        try:
            return (await self._caller.ask(f"/v2/models/{quote(model, safe='')}/ready")).status == OK
        except Transient:
            if await self._lives():
                return False
            raise

    async def _lives(self) -> bool:
        return (await self._caller.ask("/v2/health/live")).status == OK

    async def _must(self, model: str, verb: str, timeout_s: float) -> None:
        if not await self._told(model, verb, timeout_s):
            raise Permanent(f"{WHAT} knows no model of the locator")

    async def _told(self, model: str, verb: str, timeout_s: float | None = None) -> bool:
        """Say `load` or `unload`: whether the server did it; False if it does not know the model."""
        path = f"/v2/repository/models/{quote(model, safe='')}/{verb}"
        answer = await self._caller.call("POST", path, b"{}", timeout_s=timeout_s)
        if answer.status in GONE:
            return False
        if answer.status != OK:
            raise refused(WHAT, answer)
        return True
