"""A Kubernetes Deployment as a target: the image of one of its containers, or one variable of its environment.

    /apis/apps/v1/namespaces/{namespace}/deployments/{name}
    spec.template.spec.containers[name=...].image           the locator: registry/model@sha256:..., by digest
    ... .env[name=...].value                                the locator: a path or URL that the server loads

JSON patches name entries of a list by their place, so the patch also tests that the name still stands there.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from monitor.rollback.targets.calls import Caller
from monitor.rollback.targets.cluster import Field, ObjectTarget, Operation

CONTAINERS = ("spec", "template", "spec", "containers")


def deployment(caller: Caller, namespace: str, name: str, container: str, env: str = "") -> ObjectTarget:
    """Make the target of one Deployment: its container's image or, with `env`, that variable of the container."""
    path = f"/apis/apps/v1/namespaces/{quote(namespace)}/deployments/{quote(name)}"
    return ObjectTarget(caller, path, image_or_env(container, env))


def image_or_env(container: str, env: str) -> Callable[[Mapping[str, Any]], Field | None]:
    """Return what finds the container's image, or its variable `env` where that is not empty."""

    def find(document: Mapping[str, Any]) -> Field | None:
        found: Any = document
        for key in CONTAINERS:
            found = found.get(key) if isinstance(found, dict) else None
        at, entry = _named(found, container)
        pointer = f"/{'/'.join(CONTAINERS)}/{at}"
        if env and entry is not None:
            place, variable = _named(entry.get("env"), env)
            inner = f"{pointer}/env/{place}"
            return _field(f"{inner}/value", variable, "value", (_test(pointer, container), _test(inner, env)))
        return _field(f"{pointer}/image", entry, "image", (_test(pointer, container),))

    return find


def _field(pointer: str, entry: dict[str, Any] | None, key: str, around: tuple[Operation, ...]) -> Field | None:
    value = entry.get(key) if entry is not None else None
    return Field(pointer, value, around) if isinstance(value, str) else None


def _named(entries: Any, name: str) -> tuple[int, dict[str, Any] | None]:
    for i, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict) and entry.get("name") == name:
            return i, entry
    return -1, None


def _test(pointer: str, name: str) -> Operation:
    return {"op": "test", "path": f"{pointer}/name", "value": name}
