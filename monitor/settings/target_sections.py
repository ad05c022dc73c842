"""What a rollback moves: one section for each kind of target, told apart by `kind`.

A target is the operator's own and mostly in a private network, so its address may be; link-local and metadata addresses
are refused here where they are written out, and again when a connection is made. Plain http goes nowhere but to private
addresses. docs/targets.md shows one of each.
"""

from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from monitor.settings.addresses import matching, target_problem
from monitor.settings.units import Duration, Size, between
from monitor.settings.values import FilePath, Section, duration, size, unless

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"  # where the kubelet mounts it
SYMLINK = "symlink"  # what a target without a `kind` is

TargetUrl: TypeAlias = Annotated[str, unless(target_problem)]
# RFC 1123 names of namespaces, objects and containers; an object's may hold dots.
ObjectName: TypeAlias = Annotated[
    str,
    unless(matching(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "lower-case letters, digits, inner dashes and dots")),
]
RegistryName: TypeAlias = Annotated[
    str, unless(matching(r"[^\x00-\x1f\x7f/:]{1,250}", "1 to 250 characters, no / and no :"))
]
# What MLflow itself refuses: an alias that could be read as a version, and "latest".
Alias: TypeAlias = Annotated[
    str, unless(matching(r"(?!latest\Z|[vV][0-9]+\Z|[0-9]+\Z)[\w-]{1,255}", "letters, digits, - and _, no version"))
]
Argument: TypeAlias = Annotated[str, unless(matching(r"[^\x00]{1,4096}", "1 to 4096 characters"))]
Timeout: TypeAlias = Annotated[Duration, between("10ms", "5m")]


class Proof(Section):
    """What every kind has: what counts as proof that the server followed."""

    proofs: Annotated[int, Field(ge=1, le=100)] = 3
    prove_within: Annotated[Duration, between("1s", "1h")] = duration("30s")
    demo: bool = False


class Symlink(Proof):
    """A symbolic link on a shared volume."""

    kind: Literal["symlink"] = "symlink"
    link: FilePath
    stage: bool = True
    staged_max: Annotated[int, Field(ge=3, le=10)] = 3
    stage_ahead: bool = True
    stage_rate: Annotated[Size, between("1MiB", "64GiB")] = size("64MiB")
    stage_free_min: Annotated[Size, between("0B", "1TiB")] = size("1GiB")
    reread_every: Annotated[Duration, between("1m", "30d")] = duration("6h")
    rehash_max: Annotated[Size, between("0B", "1TiB")] = size("128MiB")

    @property
    def moves(self) -> tuple[str, ...]:
        """What no second model may move."""
        return (self.kind, str(self.link))


class ModelRepository(Proof):
    """The models of a server with the repository extension of the Open Inference Protocol."""

    kind: Literal["open_inference"]
    url: TargetUrl
    timeout: Timeout = duration("10s")
    load_within: Annotated[Duration, between("1s", "1h")] = duration("5m")
    ca_file: FilePath | None = None
    bearer_file: FilePath | None = None

    @property
    def moves(self) -> tuple[str, ...]:
        """What it unloads is named by the bundles, so two models may share a server."""
        return ()


class RegistryAlias(Proof):
    """An alias of a registered model in MLflow's registry."""

    kind: Literal["mlflow"]
    url: TargetUrl
    name: RegistryName
    alias: Alias
    timeout: Timeout = duration("10s")
    ca_file: FilePath | None = None
    bearer_file: FilePath | None = None
    basic_file: FilePath | None = None

    @field_validator("basic_file", mode="after")
    @classmethod
    def _is_the_only_one(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and info.data.get("bearer_file") is not None:
            raise PydanticCustomError("refused", "stands beside bearer_file: one of them proves who we are")
        return path

    @property
    def moves(self) -> tuple[str, ...]:
        """What no second model may move."""
        return (self.kind, self.url, self.name, self.alias)


class ClusterObject(Proof):
    """What both kinds of objects in a Kubernetes cluster have."""

    url: TargetUrl = "https://kubernetes.default.svc"
    namespace: ObjectName
    name: ObjectName
    timeout: Timeout = duration("10s")
    token_file: FilePath = Field(default=f"{SERVICE_ACCOUNT}/token", validate_default=True)
    ca_file: FilePath = Field(default=f"{SERVICE_ACCOUNT}/ca.crt", validate_default=True)


class InferenceService(ClusterObject):
    """A KServe InferenceService: the storageUri of its predictor."""

    kind: Literal["kserve"]
    section: Annotated[str, unless(matching(r"[a-z][a-z0-9]{0,31}", "the section of the predictor: model"))] = "model"

    @property
    def moves(self) -> tuple[str, ...]:
        """What no second model may move."""
        return (self.kind, self.url, self.namespace, self.name)


class Deployment(ClusterObject):
    """A Kubernetes Deployment: the image of a container or, with `env`, one of its variables."""

    kind: Literal["kubernetes"]
    container: ObjectName
    env: Annotated[str, unless(matching(r"[A-Za-z_][A-Za-z0-9_]{0,127}|", "the name of a variable"))] = ""

    @property
    def moves(self) -> tuple[str, ...]:
        """What no second model may move."""
        return (self.kind, self.url, self.namespace, self.name, self.container, self.env)


class DeploymentHook(Proof):
    """A signed webhook to the operator's own deployment tool."""

    kind: Literal["webhook"]
    secret_file: FilePath
    timeout: Timeout = duration("30s")
    ca_file: FilePath | None = None
    url: Annotated[TargetUrl, Field(repr=False)]

    @property
    def moves(self) -> tuple[str, ...]:
        """One receiver may know many models by their bundles."""
        return ()


class Command(Proof):
    """A program of the operator's."""

    kind: Literal["command"]
    argv: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=64)]
    timeout: Annotated[Duration, between("100ms", "1h")] = duration("1m")

    @property
    def moves(self) -> tuple[str, ...]:
        """One program may know many models by their bundles."""
        return ()


KINDS: dict[str, type[Proof]] = {
    "command": Command,
    "kserve": InferenceService,
    "kubernetes": Deployment,
    "mlflow": RegistryAlias,
    "open_inference": ModelRepository,
    "symlink": Symlink,
    "webhook": DeploymentHook,
}


def _kind(value: Any) -> Any:
    return value.get("kind", SYMLINK) if isinstance(value, dict) else getattr(value, "kind", SYMLINK)


Target: TypeAlias = Annotated[
    Annotated[Symlink, Tag("symlink")]
    | Annotated[ModelRepository, Tag("open_inference")]
    | Annotated[RegistryAlias, Tag("mlflow")]
    | Annotated[InferenceService, Tag("kserve")]
    | Annotated[Deployment, Tag("kubernetes")]
    | Annotated[DeploymentHook, Tag("webhook")]
    | Annotated[Command, Tag("command")],
    Discriminator(
        _kind,
        custom_error_type="target_kind",
        custom_error_message="has a kind that is none of " + ", ".join(KINDS),
    ),
]
