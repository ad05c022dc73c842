"""Small servers that speak exactly the calls of a target, as functions of a request; `relays` puts them on HTTP.

MLflow and KServe answer as the real ones were recorded (`test_target_real` holds both to the same recording). The API
server applies JSON patches in one step under a lock, as a real one does, and refuses what a `test` contradicts.
"""

import copy
import json
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

Reply = tuple[int, bytes]


def reply(status: int, document: Any) -> Reply:
    return status, json.dumps(document).encode()


class Mlflow:
    """Model registry: aliases of registered models."""

    def __init__(self, name: str, versions: int) -> None:
        self.name, self.versions, self.aliases = name, versions, dict[str, str]()

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        url = urlsplit(path)
        if url.path != "/api/2.0/mlflow/registered-models/alias":
            return reply(404, {"detail": "Not Found"})
        if method == "GET":
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            return self._get(query.get("name", ""), query.get("alias", ""))
        return self._set(json.loads(body))

    def _get(self, name: str, alias: str) -> Reply:
        if name != self.name:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"Registered Model with name={name} not found")
        if alias not in self.aliases:
            return _error(400, "INVALID_PARAMETER_VALUE", f"Registered model alias {alias} not found.")
        version = {"name": name, "version": self.aliases[alias], "status": "READY", "aliases": [alias]}
        return reply(200, {"model_version": version})

    def _set(self, asked: dict[str, str]) -> Reply:
        name, version = asked["name"], asked["version"]
        if not version.isdigit():
            return _error(400, "INVALID_PARAMETER_VALUE", f"Parameter 'version' must be an integer, got '{version}'.")
        if name != self.name or not 1 <= int(version) <= self.versions:
            why = f"Model Version (name={name}, version={version}) not found"
            return _error(404, "RESOURCE_DOES_NOT_EXIST", why)
        self.aliases[asked["alias"]] = version
        return reply(200, {})


def _error(status: int, code: str, message: str) -> Reply:
    return reply(status, {"error_code": code, "message": message})


class Repository:
    """KServe's Python server: models by name, loaded and unloaded."""

    def __init__(self, known: set[str]) -> None:
        self.known, self.loaded, self.ready, self.lies = known, set[str](), True, False

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        match (method, *unquote(path).strip("/").split("/")):
            case ("GET", "v2", "health", "live"):
                return reply(200, {"live": True})
            case ("GET", "v2", "health", "ready"):
                return reply(200, {"ready": True}) if self.ready else reply(503, {"error": "not ready"})
            case ("GET", "v2", "models", name, "ready"):
                return reply(200, {"name": name, "ready": True}) if name in self.loaded else self._unknown(name)
            case ("POST", "v2", "repository", "models", name, "load"):
                if name not in self.known:
                    return reply(503, {"error": f"Model with name {name} is not ready."})
                if not self.lies:
                    self.loaded.add(name)
                return reply(200, {"name": name, "load": True})
            case ("POST", "v2", "repository", "models", name, "unload"):
                if name not in self.loaded:
                    return self._unknown(name)
                self.loaded.discard(name)
                return reply(200, {"name": name, "unload": True})
        return reply(404, {"detail": "Not Found"})

    def _unknown(self, name: str) -> Reply:
        return reply(404, {"error": f"Model with name {name} does not exist."})


class ApiServer:
    """Kubernetes: objects by path, read and patched by those who have the token."""

    def __init__(self, path: str, document: dict[str, Any], token: str) -> None:
        self.path, self.token, self.lock = path, token, threading.Lock()
        self.document = {**document, "metadata": {"uid": "u-1", "resourceVersion": "1", "generation": 1}}

    def write(self, change: Any) -> None:
        """Somebody else's write, a controller's status included."""
        with self.lock:
            change(self.document)
            self._bump()

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        found = {name.lower(): value for name, value in headers.items()}
        if found.get("authorization") != f"Bearer {self.token}":
            return reply(401, {"kind": "Status", "reason": "Unauthorized"})
        if path != self.path:
            return reply(404, {"kind": "Status", "reason": "NotFound"})
        with self.lock:
            if method == "PATCH":
                if found.get("content-type") != "application/json-patch+json":
                    return reply(415, {"kind": "Status", "reason": "UnsupportedMediaType"})
                patched = apply_patch(self.document, json.loads(body))
                if patched is None:
                    return reply(422, {"kind": "Status", "reason": "Invalid"})
                self.document = patched
                self._bump()
            return reply(200, self.document)

    def _bump(self) -> None:
        meta = self.document["metadata"]
        meta["resourceVersion"] = str(int(meta["resourceVersion"]) + 1)


def apply_patch(document: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any] | None:
    """RFC 6902 with test, replace and remove; None where an operation does not hold, and then nothing is done."""
    changed = copy.deepcopy(document)
    for operation in operations:
        *around, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        holder: Any = changed
        try:
            for part in around:
                holder = holder[int(part)] if isinstance(holder, list) else holder[part]
            key: Any = int(last) if isinstance(holder, list) else last
            present = holder[key]
        except (KeyError, IndexError, ValueError, TypeError):
            return None
        if operation["op"] == "test" and present != operation["value"]:
            return None
        if operation["op"] == "replace":
            holder[key] = operation["value"]
        if operation["op"] == "remove":
            del holder[key]
    return changed


class Receiver:
    """A deployment tool behind a webhook: believes signed messages only, and compares before it swaps."""

    def __init__(self, secret: str, name: str) -> None:
        self.webhook, self.name, self.loads, self.lock = Webhook(secret), name, 0, threading.Lock()

    def __call__(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        try:
            said = self.webhook.verify(body.decode(), {name.lower(): value for name, value in headers.items()})
        except WebhookVerificationError:
            return reply(401, {})
        with self.lock:
            return self._told(said)

    def _told(self, said: dict[str, Any]) -> Reply:
        if said["verb"] == "load":
            self.loads += 1
            return reply(200, {})
        place = {said["target"]["name"]: "target", said["source"]["name"]: "source"}.get(self.name, "other")
        if said["verb"] == "place":
            return reply(200, {"place": place})
        if place == "source":
            self.name = said["target"]["name"]
        return reply(409, {}) if place == "other" else reply(200, {"changed": place == "source"})
