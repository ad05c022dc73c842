"""What the settings say of evidence: what is made for a model, and what it may cost."""

from typing import Annotated, Any, Self, TypeAlias

import msgspec
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from monitor.evidence.catalogue import OWN, ask_of, problems
from monitor.evidence.jobs import Ask
from monitor.settings.addresses import matching
from monitor.settings.units import Duration, Size, between
from monitor.settings.values import FilePath, Section, duration, size, unless

# Part of a metric's label, beside sub-values that follow a dot.
EvidenceName: TypeAlias = Annotated[
    str, unless(matching(r"[a-z][a-z0-9_]{0,62}", "1 to 63 lower-case letters, digits and _, first a letter"))
]


class EvidenceMetric(Section):
    """One metric of Evidently, or of our own; beside `metric` stand its own keyword arguments."""

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
    every: Period = duration("1d")
    metrics_every: Period = duration("1h")
    reference_sample: FilePath | None = None
    rows_max: Annotated[int, Field(ge=100, le=100_000)] = 5_000
    columns_max: Annotated[int, Field(ge=1, le=500)] = 60
    values_max: Annotated[int, Field(ge=1, le=500)] = 50
    metrics: Annotated[dict[EvidenceName, EvidenceMetric], Field(max_length=50)] = Field(default={})

    @field_validator("metrics", mode="before")
    @classmethod
    def _named_after_ours(cls, metrics: Any) -> Any:
        """An entry that is named after a metric of our own need not say so again: `domain_classifier: {}`."""
        if not isinstance(metrics, dict):
            return metrics
        return {
            name: {"metric": name, **(entry or {})} if name in OWN and isinstance(entry, dict | None) else entry
            for name, entry in metrics.items()
        }

    @model_validator(mode="after")
    def _has_rows_to_relate(self) -> Self:
        of_rows = sorted(name for name, metric in self.metrics.items() if metric.metric in OWN)
        if of_rows and self.reference_sample is None:
            why = "{names}: columns are related by rows alone; set reference_sample (tocsin reference build --sample)"
            raise PydanticCustomError("refused", why, {"names": ", ".join(of_rows)})
        return self

    @property
    def asks(self) -> tuple[Ask, ...]:
        """The metrics, as a job asks for them."""
        return tuple(metric.ask(name) for name, metric in self.metrics.items())


def _off(value: object) -> object:
    return None if value == "off" or value is False else value  # YAML reads a bare off as false


# How long a link is good for; None: there are no links.
LinkFor: TypeAlias = Annotated[Annotated[Duration, between("1m", "90d")] | None, BeforeValidator(_off)]


class Evidence(Section):
    """What reports may cost: the worker that makes them, and the disk they are kept on."""

    queue_max: Annotated[int, Field(ge=1, le=1_000)] = 16
    memory_bytes_max: Annotated[Size, between("512MiB", "64GiB")] = size("1GiB")
    timeout: Annotated[Duration, between("10s", "1h")] = duration("5m")
    idle: Annotated[Duration, between("1s", "1d")] = duration("3m")
    jobs_max: Annotated[int, Field(ge=1, le=10_000)] = 50
    age_max: Annotated[Duration, between("1m", "7d")] = duration("6h")
    bytes_max: Annotated[Size, between("16MiB", "1TiB")] = size("1GiB")
    reports_age_max: Annotated[Duration, between("1h", "400d")] = duration("90d")
    link_for: LinkFor = duration("7d")
