"""The shape of the settings file: one frozen class per section, one field per setting, its bounds beside it.

Everything is strict: a number is not text, an unknown key is an error, nothing is converted. Checks here look at one
value, or at one receiver; what needs two sections is in `crosschecks`, what needs the disk in `files`.
`examples/tocsin.yaml` explains every setting to the operator, and a test holds it to these classes.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Self, TypeAlias

import msgspec
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from monitor.alerts.addresses import networks
from monitor.alerts.silences import Respect
from monitor.evidence.catalogue import ask_of, problems
from monitor.evidence.jobs import Ask
from monitor.facts import Mode, ModelName, Severity
from monitor.settings.addresses import (
    external_problem,
    host_name_problem,
    listener_problem,
    matching,
    network_problem,
    server_problem,
    webhook_problem,
)
from monitor.settings.units import Duration, Size, between


def _unless(problem: Callable[[str], str]) -> AfterValidator:
    """Keep a text unless `problem` finds one with it."""

    def judged(text: str) -> str:
        why = problem(text)
        if why:
            raise PydanticCustomError("refused", "{why}", {"why": why})
        return text

    return AfterValidator(judged)


def _beside_the_file(value: object, info: ValidationInfo) -> Path:
    """Resolve against the directory of the settings file; the link at the end, if it is one, is left alone."""
    if not isinstance(value, str | Path) or not str(value):
        raise PydanticCustomError("path_type", "must be a path, as text")
    return Path((info.context or {}).get("base", ".")) / value


FilePath: TypeAlias = Annotated[Path, PlainValidator(_beside_the_file)]
ServerUrl: TypeAlias = Annotated[str, _unless(server_problem)]
Host: TypeAlias = Annotated[str, _unless(host_name_problem)]
NetworkText: TypeAlias = Annotated[str, _unless(network_problem)]
Port: TypeAlias = Annotated[int, Field(ge=0, le=65_535)]  # 0 takes a free one

# A name becomes a metric label, a URL segment and part of a file name, hence no separators of any of them.
_NAME = _unless(
    matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "1 to 64 letters, digits and . _ -, first a letter or digit")
)
Name: TypeAlias = Annotated[str, _NAME]
ModelKey: TypeAlias = Annotated[ModelName, _NAME]
Source: TypeAlias = Annotated[
    str,
    _unless(
        matching(
            r"(?=.{1,128}\Z)[A-Za-z0-9._@:-]+(/[A-Za-z0-9._@:-]+)*(/\*)?",
            "a source as tokens are bound to: words of letters, digits and . _ @ : - parted by /, last perhaps *",
        )
    ),
]

# The name of a feature, or of a key in the rows' segment.
SegmentName: TypeAlias = Annotated[str, _unless(matching(r"[^=\x00-\x1f\x7f]{1,64}", "1 to 64 characters, no ="))]
# A value of a segment becomes part of a metric label: "origin=EWR".
SegmentValue: TypeAlias = Annotated[
    str, _unless(matching(r"[A-Za-z0-9 ._/+-]{1,64}", "1 to 64 letters, digits, blanks and . _ / + -"))
]

# Part of a metric's label, beside sub-values that follow a dot.
EvidenceName: TypeAlias = Annotated[
    str, _unless(matching(r"[a-z][a-z0-9_]{0,62}", "1 to 63 lower-case letters, digits and _, first a letter"))
]
# Lower case and dashes only, so that TOCSIN_SECRET_FILE_ON_CALL can mean one receiver.
ReceiverName: TypeAlias = Annotated[
    str, _unless(matching(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "1 to 63 lower-case letters, digits and inner dashes"))
]


def _divides_the_day(length: Duration) -> Duration:
    """Panes are summed to hours and days, so each must lie in one of them; their starts are whole seconds."""
    if length.is_integer() and (
        (length <= 3600 and 3600 % length == 0) or (length % 3600 == 0 and 86_400 % length == 0)
    ):
        return length
    raise PydanticCustomError("refused", "must divide an hour (1m, 5m, 15m), or be hours that divide a day (1h, 6h)")


def _duration(text: str) -> Duration:
    return Duration.parse(text)


def _size(text: str) -> Size:
    return Size.parse(text)


class Section(BaseModel):
    """What all sections share."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


class Http(Section):
    """The listener of intake and API. Loopback only, as long as it does not speak TLS (safety S12)."""

    host: Annotated[Host, _unless(listener_problem)] = "127.0.0.1"
    port: Port = 8470
    body_bytes_max: Annotated[Size, between("1KiB", "1GiB")] = _size("16MiB")
    in_flight_bytes_max: Annotated[Size, between("1KiB", "16GiB")] = _size("64MiB")
    requests_max: Annotated[int, Field(ge=1, le=10_000)] = 256
    body_timeout: Annotated[Duration, between("100ms", "10m")] = _duration("10s")
    rows_max: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    rejections_max: Annotated[int, Field(ge=0, le=10_000)] = 100


class Metrics(Section):
    """The listener of /metrics, which may bind wider than loopback."""

    host: Host = "127.0.0.1"
    port: Port = 9470
    render_every: Annotated[Duration, between("100ms", "1m")] = _duration("5s")
    series_max: Annotated[int, Field(ge=200, le=100_000)] = 2_000


class Fold(Section):
    """How often the journal is counted into panes, and how much at once."""

    every: Annotated[Duration, between("10ms", "1m")] = _duration("1s")
    rows_max: Annotated[int, Field(ge=1_000, le=2_000_000)] = 100_000
    proof_wait: Annotated[Duration, between("1s", "1h")] = _duration("30s")


class Panes(Section):
    """How time is cut, how long late rows are waited for, and how long labels may still come."""

    length: Annotated[Duration, between("1s", "1d"), AfterValidator(_divides_the_day)] = _duration("60s")
    grace: Annotated[Duration, between("0s", "1d")] = _duration("60s")
    horizon: Annotated[Duration, between("1h", "400d")] = _duration("14d")


class TimeBounds(Section):
    """Which event times of rows are believed, around the time of arrival."""

    ahead_max: Annotated[Duration, between("0s", "1d")] = _duration("5m")
    behind_max: Annotated[Duration, between("1m", "400d")] = _duration("30d")


class Serving(Section):
    """The model server, asked which bytes it has loaded."""

    url: ServerUrl
    model: Name
    timeout: Annotated[Duration, between("10ms", "1m")] = _duration("2s")
    unproved_after: Annotated[Duration, between("10s", "1d")] = _duration("5m")


class KnownGood(Section):
    """Where the known-good model answers, and the share of live rows that is sent to it."""

    url: ServerUrl
    model: Name
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    rows_max: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    timeout: Annotated[Duration, between("10ms", "1m")] = _duration("2s")


class Target(Section):
    """The symlink that a rollback moves, and what counts as proof that the server followed."""

    link: FilePath
    proofs: Annotated[int, Field(ge=1, le=100)] = 3
    prove_within: Annotated[Duration, between("1s", "1h")] = _duration("30s")
    demo: bool = False


class LabelFeed(Section):
    """Whose labels count as the truth; `crowd/*` stands for every source below it."""

    trusted_sources: Annotated[tuple[Source, ...], Field(max_length=1_000)] = ()
    waiting_max: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    receipts_bytes_max: Annotated[Size, between("1MiB", "1TiB")] = _size("2GiB")


class Samples(Section):
    """Which rows are kept as they came, for evidence, and how many of them."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.01
    per_stratum_min: Annotated[int, Field(ge=0, le=10_000)] = 2
    flagged_max: Annotated[int, Field(ge=0, le=100_000)] = 100
    bytes_max: Annotated[Size, between("1MiB", "1TiB")] = _size("1GiB")
    age_max: Annotated[Duration, between("1h", "400d")] = _duration("14d")


class RollbackLimits(Section):
    """How far a rollback may go without a person, and how often."""

    mode: Mode = Mode.OBSERVE
    cooldown: Annotated[Duration, between("1m", "30d")] = _duration("6h")
    per_day: Annotated[int, Field(ge=1, le=24)] = 2
    per_week: Annotated[int, Field(ge=1, le=100)] = 3
    approval_valid: Annotated[Duration, between("1m", "1d")] = _duration("1h")
    rows_min: Annotated[int, Field(ge=30, le=1_000_000)] = 200


class SegmentColumn(Section):
    """One way to part the rows: by a categorical feature of this name or, with `values`, by a key of their segment."""

    values: Annotated[tuple[SegmentValue, ...], Field(max_length=50)] = ()
    values_max: Annotated[int, Field(ge=1, le=50)] = 8


class EvidenceMetric(Section):
    """One metric of Evidently; beside `metric` stand its own keyword arguments."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())

    metric: str

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        try:
            ask = self.ask("")
        except msgspec.ValidationError as error:
            raise PydanticCustomError("refused", "holds what no parameter can be: {why}", {"why": str(error)}) from None
        for place, message, hint in problems(ask):
            why = f"{place}: {message}" + (f"; {hint}" if hint else "")
            raise PydanticCustomError("refused", "{why}", {"why": why})
        return self

    def ask(self, name: str) -> Ask:
        """Say it as a job does."""
        return ask_of(name, self.metric, self.model_extra or {})


def _never_or_5m(period: Duration) -> Duration:
    if 0 < period < 300:
        raise PydanticCustomError("refused", "must be 0s, for never, or at least 5m: a worker takes seconds to start")
    return period


Period: TypeAlias = Annotated[Duration, between("0s", "30d"), AfterValidator(_never_or_5m)]


class ModelEvidence(Section):
    """Which reports and metrics are made of the samples of a model."""

    incidents: bool = True
    every: Period = _duration("1d")
    metrics_every: Period = _duration("1h")
    reference_sample: FilePath | None = None
    rows_max: Annotated[int, Field(ge=100, le=100_000)] = 5_000
    columns_max: Annotated[int, Field(ge=1, le=500)] = 60
    values_max: Annotated[int, Field(ge=1, le=500)] = 50
    metrics: Annotated[dict[EvidenceName, EvidenceMetric], Field(max_length=50)] = {}

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The metrics, as a job asks for them."""
        return tuple(metric.ask(name) for name, metric in self.metrics.items())


class Evidence(Section):
    """What reports may cost: the worker that makes them, and the disk they are kept on."""

    queue_max: Annotated[int, Field(ge=1, le=1_000)] = 16
    memory_bytes_max: Annotated[Size, between("512MiB", "64GiB")] = _size("1GiB")
    timeout: Annotated[Duration, between("10s", "1h")] = _duration("5m")
    idle: Annotated[Duration, between("1s", "1d")] = _duration("3m")
    jobs_max: Annotated[int, Field(ge=1, le=10_000)] = 50
    age_max: Annotated[Duration, between("1m", "7d")] = _duration("6h")
    bytes_max: Annotated[Size, between("16MiB", "1TiB")] = _size("1GiB")
    reports_age_max: Annotated[Duration, between("1h", "400d")] = _duration("90d")


class MonitoredModel(Section):
    """One monitored model. Without `serving` it is only observed; without `known_good` nothing is paired."""

    release_index: FilePath
    rules: FilePath
    serving: Serving | None = None
    known_good: KnownGood | None = None
    target: Target | None = None
    segments: Annotated[dict[SegmentName, SegmentColumn], Field(max_length=5)] = {}
    labels: LabelFeed = LabelFeed()
    samples: Samples = Samples()
    rollback: RollbackLimits = RollbackLimits()
    evidence: ModelEvidence = ModelEvidence()


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
    critical: RepeatEvery | None = _duration("4h")


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
    _unless(matching(r"[a-zA-Z_][a-zA-Z0-9_]{0,63}", "1 to 64 letters, digits and _, first no digit")),
    _unless(_free_label),
]


class Alertmanager(Section):
    """An Alertmanager that is told of everything that fires, and whose silences are respected."""

    name: ReceiverName
    allow_networks: Annotated[tuple[NetworkText, ...], Field(max_length=100)] = ()
    timeout: Annotated[Duration, between("100ms", "1m")] = _duration("10s")
    resend: Annotated[Duration, between("1s", "1m")] = _duration("1m")
    labels: Annotated[dict[LabelName, Annotated[str, Field(max_length=200)]], Field(max_length=10)] = {}
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

    wait: Annotated[Duration, between("0s", "10m")] = _duration("0s")
    interval: Annotated[Duration, between("0s", "1d")] = _duration("5m")


class Settings(Section):
    """The whole file. Durations are seconds, sizes bytes, paths resolved against the file."""

    state_dir: FilePath = Field(default=Path("state"), validate_default=True)
    replica: Name = "0"
    replay: bool = False
    http: Http = Http()
    metrics: Metrics = Metrics()
    external_url: Annotated[str, _unless(external_problem)] = ""
    tokens_file: FilePath = Field(default=Path("tokens.json"), validate_default=True)
    fold: Fold = Fold()
    panes: Panes = Panes()
    look_every: Annotated[Duration, between("100ms", "1d")] = _duration("60s")
    time: TimeBounds = TimeBounds()
    evidence: Evidence = Evidence()
    models: Annotated[dict[ModelKey, MonitoredModel], Field(min_length=1, max_length=64)]
    receivers: Annotated[tuple[Receiver, ...], Field(max_length=16)] = ()
    grouping: Grouping = Grouping()
    alertmanagers: Annotated[tuple[Alertmanager, ...], Field(max_length=8)] = ()
