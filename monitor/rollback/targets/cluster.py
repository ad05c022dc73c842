"""One object of a Kubernetes cluster, one text in it changed by compare-and-swap: a JSON patch whose `test`s must hold.

    GET   {object}                                                     where things stand
    PATCH {object}  application/json-patch+json
      test /metadata/uid            the object that was read, not another of its name
      test {field} = the source     compare
      replace {field} = the target  swap; the API server does both in one step, or nothing

The field itself is compared, not `resourceVersion`: controllers write the status all the time, and that is no conflict.
A patch that was refused (409, or 422 of a `test`) is followed by a look, which says whose the object is now.

Who we are is the pod's service account: its token is read anew for each call, since the kubelet rotates it, and so is
the cluster's CA. It needs `get` and `patch` on this one object.

Sources: RFC 6902; Kubernetes API concepts, "Patch" (https://kubernetes.io/docs/reference/using-api/api-concepts/).
"""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Transient
from monitor.rollback.targets.calls import Caller, refused
from monitor.rollback.targets.contract import Conflict, Release, Unstaged, located, standing

TOKEN_BYTES_MAX = 64 * 1024
OK, CONFLICT, UNPROCESSABLE = 200, 409, 422
PATCH = {"content-type": "application/json-patch+json"}
WHAT = "the Kubernetes API"

Operation: TypeAlias = dict[str, Any]


class Field(msgspec.Struct, frozen=True):
    """The text that is switched, where it stands now, and what must hold or go with it."""

    pointer: str  # RFC 6901
    value: str
    around: tuple[Operation, ...] = ()  # further operations of the patch


class ObjectTarget(Unstaged):
    """One object; which text of it is switched is up to `find`."""

    def __init__(self, caller: Caller, path: str, find: Callable[[Mapping[str, Any]], Field | None]) -> None:
        """`path` is that of the object below the API's root; `find` returns None where the object lacks the field."""
        self._caller = caller
        self._path = path
        self._find = find

    async def place(self, source: Release, target: Release) -> Place:
        """Tell by what the object's specification says."""
        try:
            return standing((await self._read())[1].value, source, target)
        except (Transient, Permanent):
            return Place.UNKNOWN

    async def switch(self, source: Release, target: Release) -> bool:
        """Patch it; Conflict, Transient, Permanent."""
        wanted = located(target)
        uid, field = await self._read()
        place = standing(field.value, source, target)
        if place is Place.TARGET:
            return False
        if place is not Place.SOURCE:
            raise Conflict("the object names neither the source nor the target")
        operations: list[Operation] = [
            {"op": "test", "path": "/metadata/uid", "value": uid},
            {"op": "test", "path": field.pointer, "value": field.value},
            *field.around,
            {"op": "replace", "path": field.pointer, "value": wanted},
        ]
        answer = await self._caller.call("PATCH", self._path, msgspec.json.encode(operations), PATCH)
        if answer.status == OK:
            return True
        if answer.status not in {CONFLICT, UNPROCESSABLE}:
            raise refused(WHAT, answer)
        return await self._outrun(source, target)

    async def load(self) -> None:
        """Do nothing: the cluster's controllers roll out what the object says."""

    async def _outrun(self, source: Release, target: Release) -> bool:
        """Say what a refused patch met. A source that still is there is no conflict: something beside it moved."""
        place = standing((await self._read())[1].value, source, target)
        if place is Place.OTHER:
            raise Conflict("somebody else changed the object at the same time")
        if place is Place.SOURCE:
            raise Transient("the patch was refused, and the source is still set")
        return False

    async def _read(self) -> tuple[str, Field]:
        answer = await self._caller.ask(self._path)
        if answer.status != OK or answer.document is None:
            raise refused(WHAT, answer)
        uid, field = answer.text("metadata", "uid"), self._find(answer.document)
        if not uid or field is None:
            raise Permanent("the object does not have the field that is to be switched")
        return uid, field


def service_account(token_file: Path) -> Callable[[], Mapping[str, str]]:
    """Return credentials that read the token anew each time; OSError, ValueError where it is none."""

    def headers() -> Mapping[str, str]:
        with token_file.open("rb") as file:
            token = file.read(TOKEN_BYTES_MAX).decode("ascii").strip()
        if not token or not token.isprintable():
            raise ValueError("no token")
        return {"authorization": f"Bearer {token}"}

    return headers


def trusting(ca_file: Path) -> Callable[[], ssl.SSLContext]:
    """Return a maker of contexts that trust this CA alone, read anew each time; OSError."""
    return lambda: ssl.create_default_context(cafile=str(ca_file))
