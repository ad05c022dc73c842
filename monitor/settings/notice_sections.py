"""What the settings say of those who are told: receivers, Alertmanagers, and how often."""

from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from monitor.alerts.silences import Respect
from monitor.facts import Severity
from monitor.settings.addresses import matching, webhook_problem
from monitor.settings.units import Duration, between
from monitor.settings.values import FilePath, NetworkText, Section, duration, unless
from monitor.wire.addresses import networks

# Lower case and dashes only, so that TOCSIN_SECRET_FILE_ON_CALL can mean one receiver.
ReceiverName: TypeAlias = Annotated[
    str, unless(matching(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 lower-case letters, digits and inner dashes"))
]


class Silences(Section):
    """What a receiver does with a notice whose alerts are all silenced in the Alertmanagers."""

    warning: Respect = Respect.HOLD
    critical: Respect = Respect.MARK

    def policy(self) -> dict[Severity, Respect]:
        """By severity."""
        return {Severity.WARNING: self.warning, Severity.CRITICAL: self.critical}


RepeatEvery: TypeAlias = Annotated[Duration, between("5m", "30d")]


class Repeat(Section):
    """How often a receiver is told that an incident is still open; null: never."""

    warning: RepeatEvery | None = None
    critical: RepeatEvery | None = duration("4h")


class Receiver(Section):
    """Where notices go. A URL often is a secret itself, so it is not shown."""

    name: ReceiverName
    secret_file: FilePath
    allow_networks: Annotated[tuple[NetworkText, ...], Field(max_length=100)] = ()
    silences: Silences = Silences()
    repeat: Repeat = Repeat()
    url: str = Field(repr=False)

    @field_validator("url", mode="after")
    @classmethod
    def _can_be_delivered(cls, url: str, info: ValidationInfo) -> str:
        listed = info.data.get("allow_networks")  # not there if it has a problem of its own
        why = "" if listed is None else webhook_problem(url, networks(listed))
        if why:
            raise PydanticCustomError("refused", "{why}", {"why": why})
        return url


LABELS_OF_OURS = ("alertname", "model", "family", "severity", "segment", "monitor", "replica")


def _free_label(name: str) -> str:
    return "is a label of ours" if name in LABELS_OF_OURS or name.startswith("__") else ""


LabelName: TypeAlias = Annotated[
    str,
    unless(matching(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", "1 to 64 letters, digits and _, first no digit")),
    unless(_free_label),
]


class Alertmanager(Section):
    """An Alertmanager that is told of everything that fires, and whose silences are respected."""

    name: ReceiverName
    allow_networks: Annotated[tuple[NetworkText, ...], Field(max_length=100)] = ()
    timeout: Annotated[Duration, between("100ms", "1m")] = duration("10s")
    resend: Annotated[Duration, between("1s", "1m")] = duration("1m")
    labels: Annotated[dict[LabelName, Annotated[str, Field(max_length=200)]], Field(max_length=10)] = Field(default={})
    bearer_file: FilePath | None = None
    basic_file: FilePath | None = None
    url: str = Field(repr=False)

    @field_validator("url", mode="after")
    @classmethod
    def _can_be_told(cls, url: str, info: ValidationInfo) -> str:
        listed = info.data.get("allow_networks")
        why = "" if listed is None else webhook_problem(url, networks(listed))
        if why or "?" in url:
            raise PydanticCustomError("refused", "{why}", {"why": why or "holds a query"})
        return url

    @field_validator("basic_file", mode="after")
    @classmethod
    def _is_the_only_one(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path is not None and info.data.get("bearer_file") is not None:
            raise PydanticCustomError("refused", "stands beside bearer_file: one of them proves who we are")
        return path


class Grouping(Section):
    """How what fires in one incident is gathered into notices."""

    wait: Annotated[Duration, between("0s", "10m")] = duration("0s")
    interval: Annotated[Duration, between("0s", "1d")] = duration("5m")
