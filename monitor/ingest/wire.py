"""The documents of the HTTP API as their senders and readers see them: the types behind /openapi.json.

Rows are not decoded by these types (decode.py says why); a test holds that the names agree and that what they allow is
accepted.
"""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from monitor.ingest.accept import Rejection

Text = Annotated[str, Meta(min_length=1, max_length=256)]
Time = (
    Annotated[str, Meta(description="RFC 3339 with an offset", extra_json_schema={"format": "date-time"})]
    | Annotated[float, Meta(description="Unix seconds")]
)
Answer = Annotated[
    str | int | float | bool | list[Any],
    Meta(
        description="by the model's task: a class, by its JSON text; a number; the items ranked, best first, or how "
        "many they are"
    ),
]
Truth = Annotated[
    str | int | float | bool | list[float],
    Meta(
        description="by the model's task: a class; a finite number; the gains by place as served, or the place of the "
        "relevant item, 0 for none"
    ),
]
Value = Annotated[float | str | bool | None, Meta(description="null or absent: missing; another type: counted invalid")]
Probability = Annotated[float, Meta(ge=0, le=1)]


class PredictionIn(msgspec.Struct):
    """One scored row."""

    id: Text | int
    prediction: Answer
    time: Annotated[Time | UnsetType, Meta(description="absent: the arrival")] = UNSET
    model: Annotated[str | UnsetType, Meta(description="may be left out where one model is monitored")] = UNSET
    features: dict[str, Value] | UnsetType = UNSET
    scores: Annotated[
        dict[str, Probability] | list[Probability] | Probability | UnsetType,
        Meta(description="by class; or in the schema's class order; or of the positive class"),
    ] = UNSET
    segment: Annotated[
        dict[str, Annotated[str, Meta(max_length=128)]] | UnsetType, Meta(description="at most 8 entries")
    ] = UNSET
    bundle: Annotated[str | UnsetType, Meta(description="a claim: a mismatch is counted")] = UNSET
    source: Annotated[str | UnsetType, Meta(description="a claim, unless the token is bound to a prefix")] = UNSET


class LabelIn(msgspec.Struct):
    """The truth for one prediction."""

    id: Text | int
    label: Truth
    time: Annotated[Time | UnsetType, Meta(description="absent: the arrival")] = UNSET
    prediction_time: Annotated[Time | UnsetType, Meta(description="a hint where to look")] = UNSET
    model: Annotated[str | UnsetType, Meta(description="may be left out where one model is monitored")] = UNSET
    source: Annotated[str | UnsetType, Meta(description="a claim, unless the token is bound to a prefix")] = UNSET


class Accepted(msgspec.Struct, frozen=True):
    """The rows of a request that are durable now, and those that were refused."""

    durable: bool
    accepted: Annotated[int, Meta(description="rows kept, without duplicates")]
    duplicates: Annotated[int, Meta(description="predictions that repeat an id of this request; earlier ones win")]
    rejected: Annotated[tuple[Rejection, ...], Meta(description="the first refused rows")]
    rejected_count: Annotated[int, Meta(description="all refused rows")]


class ManualRollback(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person asks for a rollback to the known-good."""

    model: Text
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person lets go of what the e-detector has latched."""

    model: Text
    alert: Annotated[str, Meta(min_length=1, max_length=300, description="rule/group, as the incident lists it")]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]


class Suspect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person suspects data: nothing that was trained on them is rolled back to."""

    since: Annotated[Time | UnsetType, Meta(description="absent: when the evidence of the incident begins")] = UNSET
    until: Annotated[Time | UnsetType, Meta(description="absent: it is still going on")] = UNSET
    sources: Annotated[
        tuple[Text, ...],
        Meta(max_length=50, description="names, or a prefix as crowd/*; none: all"),
    ] = ()
    batches: Annotated[tuple[Text, ...], Meta(max_length=100, description="digests of training batches")] = ()


class Unlatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person lets the automation of a model act again."""

    model: Text


class Stop(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person stops automation, or lets it go again."""

    reason: Text


class ClockStep(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Replay: move event time forward to `now`."""

    now: Time


class Health(msgspec.Struct, frozen=True):
    """Whether the daemon is well, and why not."""

    ok: bool
    why: str


class ProblemDetails(msgspec.Struct, frozen=True):
    """A whole-request error, RFC 9457. Where rows were refused, `rejected` lists the first."""

    type: str
    title: str
    status: int
    detail: str
    rejected: tuple[Rejection, ...] | UnsetType = UNSET
    rejected_count: int | UnsetType = UNSET
    problems: list[dict[str, Any]] | UnsetType = UNSET
