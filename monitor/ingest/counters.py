"""What intake counted since the start: plain numbers, written by the event loop alone, read as a snapshot.

Every label is a value of a closed set (an Enum, or a path of the route table), so a sender cannot make a series.
Unknown feature names are kept as their hashes, counted once each, at most `UNKNOWN_NAMES_MAX` a model: a sender who
invents names can neither fill the memory nor read them anywhere.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from monitor.facts import ModelName, RejectReason, RowKind

UNKNOWN_NAMES_MAX: Final = 1_000  # 8 KB of hashes a model; a schema with more wrong names than this is wrong as a whole


class AdmissionReason(Enum):
    """Why a whole request was turned away before its rows were looked at."""

    BODY_TOO_LARGE = "body_too_large"
    TOO_MANY_ROWS = "too_many_rows"
    BYTES_IN_FLIGHT = "bytes_in_flight"
    REQUESTS_IN_FLIGHT = "requests_in_flight"
    BODY_TIMEOUT = "body_timeout"
    DISCONNECTED = "disconnected"
    UNSUPPORTED_TYPE = "unsupported_type"
    ROWS_PER_SECOND = "rows_per_second"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a word of ours, no secret
    FORBIDDEN = "forbidden"
    LINK_EXPIRED = "link_expired"  # of a link to a report, whose signature is right
    LINK_INVALID = "link_invalid"
    LINKS_OFF = "links_off"
    JOURNAL_BUSY = "journal_busy"  # the journal could not take the rows now; the sender was told to come again


class Claim(Enum):
    """An optional part of a row that could not be used; the row was accepted without it."""

    SOURCE = "source"  # said to be from somewhere else than its token is bound to
    BUNDLE = "bundle"
    SCORES = "scores"
    SEGMENT = "segment"
    PREDICTION_TIME = "prediction_time"
    REPEATED_KEY = "repeated_key"  # of a JSON object, the last counts; seen in rows that msgspec could not read


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The counts at one moment. All but the last two only grow."""

    accepted: Mapping[tuple[RowKind, ModelName], int]
    rejected: Mapping[RejectReason, int]
    refused: Mapping[AdmissionReason, int]
    requests: Mapping[tuple[str, str], int]  # (path of the route table or "other", status class such as "2xx")
    dropped: Mapping[Claim, int]  # Claim.SOURCE is the source-claim mismatches
    repeated_requests: int  # answered from the journal by their Idempotency-Key; their rows count nowhere
    gates: Mapping[tuple[ModelName, str], int]  # what deployers were told, the value of a ClearanceState
    links_opened: int  # reports that were read by a link
    connections_cut: int  # that made room for others
    body_bytes: int
    unknown_features: Mapping[ModelName, int]  # distinct names, saturates at UNKNOWN_NAMES_MAX
    in_flight_bytes: int
    in_flight_requests: int


@dataclass(slots=True)
class Counters:
    """The numbers themselves. One writer: the event loop."""

    accepted: Counter[tuple[RowKind, ModelName]] = field(default_factory=Counter)
    rejected: Counter[RejectReason] = field(default_factory=Counter)
    refused: Counter[AdmissionReason] = field(default_factory=Counter)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    dropped: Counter[Claim] = field(default_factory=Counter)
    gates: Counter[tuple[ModelName, str]] = field(default_factory=Counter)
    repeated_requests: int = 0
    links_opened: int = 0
    connections_cut: int = 0
    body_bytes: int = 0
    in_flight_bytes: int = 0
    in_flight_requests: int = 0
    _unknown: dict[ModelName, set[int]] = field(default_factory=dict)

    def answered(self, path: str, status: int) -> None:
        """Count one answer to a route."""
        self.requests[path, f"{status // 100}xx"] += 1

    def cut(self) -> None:
        """Count a connection that made room for another."""
        self.connections_cut += 1

    def saw_unknown(self, model: ModelName, names: AbstractSet[int]) -> None:
        """Count hashes of feature names that the schema lacks, each once, up to the cap."""
        seen = self._unknown.setdefault(model, set())
        for name in names - seen:
            if len(seen) >= UNKNOWN_NAMES_MAX:
                return
            seen.add(name)

    def snapshot(self) -> Snapshot:
        """Copy the numbers, with a zero for every reason; may be called from another thread."""
        return Snapshot(
            accepted=self.accepted.copy(),
            rejected={reason: self.rejected[reason] for reason in RejectReason},
            refused={reason: self.refused[reason] for reason in AdmissionReason},
            requests=self.requests.copy(),
            dropped={claim: self.dropped[claim] for claim in Claim},
            gates=self.gates.copy(),
            repeated_requests=self.repeated_requests,
            links_opened=self.links_opened,
            connections_cut=self.connections_cut,
            body_bytes=self.body_bytes,
            unknown_features={model: len(names) for model, names in self._unknown.copy().items()},
            in_flight_bytes=self.in_flight_bytes,
            in_flight_requests=self.in_flight_requests,
        )
