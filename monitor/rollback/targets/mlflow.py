"""An alias of MLflow's model registry as a target: the version that `models:/delays@champion` stands for.

    GET  api/2.0/mlflow/registered-models/alias?name=&alias=     which version is set; 404: none
    POST api/2.0/mlflow/registered-models/alias                  {"name", "alias", "version"}

The locator is the version, "7". Setting an alias is one call, so nothing is ever half done; a repetition is harmless.

Failure mode: the registry has no compare-and-swap, and keeps no trace of what an alias stood for. The alias is read
right before it is set: a deployment in the milliseconds between is overwritten, and cannot be seen. Where that matters
let a webhook or a command switch, behind a lock that the deployment takes, too.

Plain REST, because the client is 169 MB and takes 1.8 s to import. Recorded from and tried against MLflow 3.17.
"""

from collections.abc import Awaitable, Callable

import msgspec

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Transient
from monitor.rollback.targets.calls import Caller, refused
from monitor.rollback.targets.contract import Conflict, Release, Unstaged, located, standing

ALIAS = "/api/2.0/mlflow/registered-models/alias"
MISSING = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}  # MLflow 3 says the second of an alias that is not set
OK = 200
WHAT = "the model registry"


class MlflowTarget(Unstaged):
    """One alias of one registered model."""

    def __init__(self, caller: Caller, name: str, alias: str, reload: Callable[[], Awaitable[None]]) -> None:
        """`reload` tells the model server to load what the alias stands for; Transient, Permanent."""
        self._caller = caller
        self._name = name
        self._alias = alias
        self._reload = reload

    async def place(self, source: Release, target: Release) -> Place:
        """Tell by the version that the alias stands for."""
        try:
            return standing(await self._version(), source, target)
        except (Transient, Permanent):
            return Place.UNKNOWN

    async def switch(self, source: Release, target: Release) -> bool:
        """Set the alias, right after it was seen at the source; Conflict, Transient, Permanent."""
        version = located(target)
        place = standing(await self._version(), source, target)
        if place is Place.TARGET:
            return False
        if place is not Place.SOURCE:
            raise Conflict("the alias stands for neither the source nor the target")
        body = msgspec.json.encode({"name": self._name, "alias": self._alias, "version": version})
        answer = await self._caller.call("POST", ALIAS, body)
        if answer.status != OK:
            raise refused(WHAT, answer)
        return True

    async def load(self) -> None:
        """Tell the model server; Transient, Permanent."""
        await self._reload()

    async def _version(self) -> str:
        """Return the version that is set, "" where the alias is not set; Transient, Permanent."""
        answer = await self._caller.ask(ALIAS, {"name": self._name, "alias": self._alias})
        if answer.status == OK:
            if version := answer.text("model_version", "version"):
                return version
            raise Permanent(f"{WHAT} did not say a version")
        if answer.text("error_code") in MISSING:
            return ""
        raise refused(WHAT, answer)
