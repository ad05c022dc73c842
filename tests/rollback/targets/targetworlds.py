"""One world for each kind of target: what is set, what somebody else sets, and what can go wrong on the way."""

import asyncio
import base64
import copy
import hashlib
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes import ApiServer, Mlflow, Receiver, Repository
from relays import CANARY, Relay, Upstream

from monitor.clock import WallClock
from monitor.facts import BundleId
from monitor.rollback.targets import staging, symlink
from monitor.rollback.targets.calls import Caller
from monitor.rollback.targets.cluster import ObjectTarget, service_account
from monitor.rollback.targets.command import CommandTarget
from monitor.rollback.targets.contract import Release, Target
from monitor.rollback.targets.kserve import inference_service
from monitor.rollback.targets.kubernetes import deployment
from monitor.rollback.targets.mlflow import MlflowTarget
from monitor.rollback.targets.open_inference import OpenInferenceTarget
from monitor.rollback.targets.staging import Staging
from monitor.rollback.targets.symlink import Link, SymlinkTarget
from monitor.rollback.targets.webhook import WebhookTarget
from monitor.wire.webhooks import parse_keys

NAMES = ("v1", "v2", "v3")
WITHIN_S = 30.0  # a busy machine takes its time
TOKEN = "canary-token"
SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-32-bytes-length").decode()


def release(name: str, folder: Path, locator: str) -> Release:
    digest = f"sha256:{hashlib.sha256(f'checkpoint {name}'.encode()).hexdigest()}"
    return Release(BundleId(f"sha256:{name}"), name, digest, folder / f"{name}.bin", locator)


class World:
    """v2 is set; the rollback goes from v2 to v1; somebody else may set v3."""

    atomic = True  # whether compare and swap are one step
    effects = 1  # calls of a switch that change something
    canaries: tuple[str, ...] = (CANARY, TOKEN, SECRET, SECRET.removeprefix("whsec_"))

    def __init__(self, folder: Path) -> None:
        self.folder, self.history, self.loads = folder, list[str](), 0
        self.locators = {name: name for name in NAMES}
        for name in NAMES:
            (folder / f"{name}.bin").write_bytes(f"checkpoint {name}".encode())

    @property
    def source(self) -> Release:
        return release("v2", self.folder, self.locators["v2"])

    @property
    def goal(self) -> Release:
        return release("v1", self.folder, self.locators["v1"])

    async def reload(self) -> None:
        self.loads += 1

    def reset(self) -> None:
        """v2 is set again, and nothing has happened yet."""
        self.set("v2")
        self.history.clear()

    def make(self) -> Target: ...  # type: ignore[empty-body]  # the target, as after a start of the daemon
    def set(self, name: str) -> None: ...
    def now(self) -> str: ...  # type: ignore[empty-body]
    def fault(self, at: int, manner: str) -> None: ...
    def meanwhile(self, name: str) -> None: ...  # somebody sets this right before the effect
    def down(self) -> None: ...
    def garble(self, rubbish: bytes) -> None: ...
    def refuse(self) -> None: ...  # what is asked is answered by a refusal that quotes secrets
    def loaded(self) -> bool: ...  # type: ignore[empty-body]  # whether `load` reached whom it is for
    def close(self) -> None: ...


class SymlinkWorld(World):
    canaries = (CANARY,)  # what a link says is no secret

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder)
        self.link, self.patch, self.held = folder / "current", monkeypatch, -1
        self.link.symlink_to("v2.bin")
        self.manner, self.before = "", ""
        monkeypatch.setattr(symlink, "exchange", self._exchange)
        asyncio.run(self.make().stage(self.goal))  # what is switched to was verified before

    def _exchange(self, one: Path, other: Path, original: Callable[..., None] = symlink.exchange) -> None:
        before, self.before = self.before, ""
        manner, self.manner = self.manner, ""
        if before:
            self.set(before)
        if manner != "not applied":
            original(one, other)
        if before:
            return
        if manner != "not applied":
            self.history.append(self.now())
        if manner:
            raise OSError(5, "Input/output error")

    def make(self) -> Target:
        return SymlinkTarget(Link(self.link), self.reload, Staging(self.folder))

    def set(self, name: str) -> None:
        (self.folder / "new").symlink_to(f"{name}.bin")
        (self.folder / "new").rename(self.link)

    def now(self) -> str:
        return self.link.read_text().removeprefix("checkpoint ")

    def reset(self) -> None:
        self.manner = ""
        shutil.rmtree(self.folder / staging.FOLDER)
        super().reset()

    def fault(self, at: int, manner: str) -> None:
        self.manner = manner

    def meanwhile(self, name: str) -> None:
        self.before = name

    def down(self) -> None:
        (self.folder / ".current.tocsin-lock").unlink(missing_ok=True)
        (self.folder / ".current.tocsin-lock").symlink_to("nobody")  # is not taken through a link

    def garble(self, rubbish: bytes) -> None:
        self.down()

    def loaded(self) -> bool:
        return self.loads > 0


class HttpWorld(World):
    """Whatever is called over HTTP."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        super().__init__(folder)
        self.relay = Relay(upstream, self.changes)
        self.relay.state, self.relay.changed = self.now, self.history.append
        (folder / "token").write_text(TOKEN + "\n")

    def changes(self, method: str, path: str, body: bytes) -> bool:
        return method != "GET"

    def reset(self) -> None:
        self.relay.reset()
        super().reset()

    def caller(self) -> Caller:
        return Caller(self.relay.url, "the fake", WITHIN_S, credentials=service_account(self.folder / "token"))

    def fault(self, at: int, manner: str) -> None:
        self.relay.fault = (at, manner)

    def meanwhile(self, name: str) -> None:
        self.relay.before = lambda: self.set(name)

    def down(self) -> None:
        self.relay.up = False

    def garble(self, rubbish: bytes) -> None:
        self.relay.rubbish = rubbish

    def refuse(self) -> None:
        self.relay.status, self.relay.rubbish = 403, f'{{"message": "{CANARY}", "token": "{TOKEN}"}}'.encode()

    def loaded(self) -> bool:
        return True

    def close(self) -> None:
        self.relay.close()


class OpenInferenceWorld(HttpWorld):
    effects = 2

    def __init__(self, folder: Path, repository: Repository | None = None) -> None:
        self.repository = repository or Repository(set(NAMES))
        self.repository.loaded = {"v2"}
        super().__init__(folder, self.repository)

    def make(self) -> Target:
        return OpenInferenceTarget(self.caller(), WITHIN_S)

    def set(self, name: str) -> None:
        self.repository.loaded = {name} | (self.repository.loaded & {"v1"} if name == "v3" else set())

    def now(self) -> str:
        return next(name for name in ("v2", "v3", "v1") if name in self.repository.loaded)


class MlflowWorld(HttpWorld):
    atomic = False

    def __init__(self, folder: Path, registry: Mlflow | None = None) -> None:
        self.registry = registry or Mlflow("delays", 3)
        super().__init__(folder, self.registry)
        self.locators = {name: name.removeprefix("v") for name in NAMES}
        self.set("v2")

    def make(self) -> Target:
        return MlflowTarget(self.caller(), "delays", "champion", self.reload)

    def set(self, name: str) -> None:
        self.registry.aliases["champion"] = self.locators[name]

    def now(self) -> str:
        return f"v{self.registry.aliases['champion']}"

    def loaded(self) -> bool:
        return self.loads > 0


class ClusterWorld(HttpWorld):
    """An object with one text that is switched."""

    path: str
    document: dict[str, Any]

    def __init__(self, folder: Path) -> None:
        self.api = ApiServer(self.path, self.document, TOKEN)
        super().__init__(folder, self.api)
        self.locators = {name: f"registry.example/models@sha256:{name}" for name in NAMES}
        self.set("v2")

    def field(self, document: dict[str, Any]) -> tuple[dict[str, Any], str]: ...  # type: ignore[empty-body]

    def set(self, name: str) -> None:
        def change(document: dict[str, Any]) -> None:
            holder, key = self.field(document)
            holder[key] = self.locators[name]

        self.api.write(change)

    def now(self) -> str:
        holder, key = self.field(self.api.document)
        return str(holder[key])[-2:]


class KserveWorld(ClusterWorld):
    path = "/apis/serving.kserve.io/v1beta1/namespaces/models/inferenceservices/delays"
    document: dict[str, Any] = {  # noqa: RUF012 - copied by the fake
        "spec": {"predictor": {"canaryTrafficPercent": 10, "model": {"modelFormat": {"name": "sklearn"}}}}
    }

    def __init__(self, folder: Path) -> None:
        self.document = copy.deepcopy(type(self).document)
        super().__init__(folder)

    def make(self) -> ObjectTarget:
        return inference_service(self.caller(), "models", "delays")

    def field(self, document: dict[str, Any]) -> tuple[dict[str, Any], str]:
        return document["spec"]["predictor"]["model"], "storageUri"


class DeploymentWorld(ClusterWorld):
    path = "/apis/apps/v1/namespaces/models/deployments/delays"
    env = ""

    def __init__(self, folder: Path) -> None:
        server = {"name": "server", "image": "x", "env": [{"name": "A", "value": "b"}, {"name": "MODEL", "value": "x"}]}
        self.document = {"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "p"}, server]}}}}
        super().__init__(folder)

    def make(self) -> ObjectTarget:
        return deployment(self.caller(), "models", "delays", "server", self.env)

    def field(self, document: dict[str, Any]) -> tuple[dict[str, Any], str]:
        containers = document["spec"]["template"]["spec"]["containers"]
        found = next(each for each in containers if each["name"] == "server")
        return (found["env"][1], "value") if self.env else (found, "image")


class VariableWorld(DeploymentWorld):
    env = "MODEL"


class WebhookWorld(HttpWorld):
    def __init__(self, folder: Path) -> None:
        self.receiver = Receiver(SECRET, "v2")
        super().__init__(folder, self.receiver)

    def changes(self, method: str, path: str, body: bytes) -> bool:
        return b'"verb":"switch"' in body

    def make(self) -> Target:
        ids = (f"message-{i}" for i in range(1000))
        return WebhookTarget(self.caller(), lambda: parse_keys(SECRET), WallClock(), lambda: next(ids))

    def set(self, name: str) -> None:
        self.receiver.name = name

    def now(self) -> str:
        return self.receiver.name

    def loaded(self) -> bool:
        return self.receiver.loads > 0


SCRIPT = """#!/bin/sh
# The deployment tool of this world: one file says what is set, a lock keeps two switches apart.
cd "$1" || exit 1; verb=$3
echo "canary-of-the-answer $2"; echo "canary-of-the-answer" >&2
[ -e down ] && exit 1
exec 9>lock; flock 9
case $verb in
load) echo load >>loads; exit 0 ;;
switch) [ -e meanwhile ] && mv meanwhile state; [ "$(cat fault 2>/dev/null)" = "not applied" ] && rm fault && exit 75 ;;
esac
place=12; now=$(cat state)
[ "$now" = "$TOCSIN_SOURCE_LOCATOR" ] && place=10
[ "$now" = "$TOCSIN_TARGET_LOCATOR" ] && place=11
[ $verb = place ] && exit $place
[ $place = 10 ] || exit $place
printf %s "$TOCSIN_TARGET_LOCATOR" >next && mv next state; echo "$TOCSIN_TARGET_NAME" >>history
[ -e fault ] && rm fault && kill -9 $$
exit 0
"""


class CommandWorld(World):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.script = folder / "deploy"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.set("v2")

    def reset(self) -> None:
        for left in ("history", "fault"):
            (self.folder / left).unlink(missing_ok=True)
        super().reset()

    def make(self) -> Target:
        return CommandTarget([str(self.script), str(self.folder), "canary-token $(touch shell)"], WITHIN_S)

    def set(self, name: str) -> None:
        (self.folder / "state").write_text(name)

    def now(self) -> str:
        record = self.folder / "history"
        self.history[:] = record.read_text().split() if record.exists() else []
        return (self.folder / "state").read_text()

    def fault(self, at: int, manner: str) -> None:
        (self.folder / "fault").write_text(manner)

    def meanwhile(self, name: str) -> None:
        (self.folder / "meanwhile").write_text(name)

    def down(self) -> None:
        (self.folder / "down").touch()

    def garble(self, rubbish: bytes) -> None:
        self.script.write_text(f"#!/bin/sh\necho {shlex.quote(CANARY)}; exit {len(rubbish) % 5 + 1}\n")

    def loaded(self) -> bool:
        return (self.folder / "loads").exists()


FAKED: dict[str, Callable[[Path], World]] = {
    "open_inference": OpenInferenceWorld,
    "mlflow": MlflowWorld,
    "kserve": KserveWorld,
    "kubernetes": DeploymentWorld,
    "kubernetes env": VariableWorld,
    "webhook": WebhookWorld,
    "command": CommandWorld,
}
