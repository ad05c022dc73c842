"""Every route, with the scope that it asks for: the one table behind the router, the guard and /openapi.json."""

from dataclasses import dataclass
from typing import Final

from monitor.ingest.tokens import Scope
from monitor.ingest.wire import (
    Accepted,
    ClockStep,
    Health,
    LabelIn,
    ManualRollback,
    PredictionIn,
    Release,
    Stop,
    Suspect,
    Unlatch,
)


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """One route. `scope` None is open to everybody, which only a reading route may be."""

    method: str
    path: str
    name: str  # of its handler; the operation id
    scope: Scope | None
    summary: str
    takes: type | None = None  # the JSON document of the body
    rows: bool = False  # the body is one such document, an array of them, or NDJSON
    gives: type | None = None  # the JSON document of a 200; None: an object or array that the daemon composes
    page: bool = False  # a 200 is a page to look at, as HTML
    linked: bool = False  # a signed link opens it, too, where no token is sent
    replay: bool = False  # only there in replay mode
    gate: bool = False  # its question is the query (`monitor.ingest.gate`)


ROUTES: Final[tuple[RouteSpec, ...]] = (
    RouteSpec(
        "POST",
        "/v1/predictions",
        "predictions",
        Scope.INGEST_PREDICTIONS,
        "Hand in scored rows; answered when they are durable",
        PredictionIn,
        rows=True,
        gives=Accepted,
    ),
    RouteSpec(
        "POST",
        "/v1/labels",
        "labels",
        Scope.INGEST_LABELS,
        "Hand in the truth for earlier predictions; answered when it is durable",
        LabelIn,
        rows=True,
        gives=Accepted,
    ),
    RouteSpec("GET", "/v1/status", "status", Scope.READ, "What is served, and what the monitor makes of it"),
    RouteSpec("GET", "/v1/incidents", "incidents", Scope.READ, "The incidents, newest first"),
    RouteSpec("GET", "/v1/incidents/{id}", "incident", Scope.READ, "One incident with its evidence"),
    RouteSpec(
        "POST",
        "/v1/incidents/release",
        "release",
        Scope.OPERATE,
        "Let go of what the e-detector has latched: its alert is over, and fires anew if it crosses anew",
        takes=Release,
    ),
    RouteSpec(
        "GET",
        "/v1/incidents/{id}/exclusions",
        "exclusions",
        Scope.READ,
        "The data to keep out of the next training, by source and time",
    ),
    RouteSpec(
        "POST",
        "/v1/incidents/{id}/suspicions",
        "suspect",
        Scope.OPERATE,
        "Suspect data because of an incident: what was trained on them is rolled back to no more",
        takes=Suspect,
    ),
    RouteSpec(
        "POST",
        "/v1/incidents/{id}/trust",
        "trust_again",
        Scope.OPERATE,
        "Take back what people suspect because of an incident",
    ),
    RouteSpec(
        "GET",
        "/v1/gate/{model}",
        "gate",
        Scope.READ,
        "Whether a deployment may go on: ok, bad or unknown; 200 whatever it is",
        gate=True,
    ),
    RouteSpec(
        "POST",
        "/v1/gate/{model}/go",
        "gate_go",
        Scope.READ,
        "The same for tools that read 2xx as go on: 200 if ok, 409 if bad or unknown. Changes nothing",
        gate=True,
    ),
    RouteSpec(
        "POST",
        "/v1/gate/{model}/rollback",
        "gate_rollback",
        Scope.READ,
        "The same for tools that read 2xx as roll back: 200 if bad, 409 if ok or unknown. Changes nothing",
        gate=True,
    ),
    RouteSpec(
        "GET",
        "/v1/promotion/{model}",
        "promotion",
        Scope.READ,
        "Whether the candidate that is served has earned to be known-good; people promote it",
    ),
    RouteSpec("GET", "/v1/evidence", "evidence", Scope.READ, "The reports of evidence, newest first"),
    RouteSpec(
        "GET",
        "/v1/evidence/{model}/{id}",
        "report",
        Scope.READ,
        "One report, as a page to look at; a signed link opens it without a token",
        page=True,
        linked=True,
    ),
    RouteSpec("GET", "/v1/rollbacks", "rollbacks", Scope.READ, "The rollbacks and how far each came"),
    RouteSpec(
        "POST", "/v1/rollbacks", "start_rollback", Scope.APPROVE, "Roll a model back by hand", takes=ManualRollback
    ),
    RouteSpec(
        "POST",
        "/v1/rollbacks/unlatch",
        "unlatch",
        Scope.APPROVE,
        "Let the automation of a model act again after it was latched",
        takes=Unlatch,
    ),
    RouteSpec(
        "POST",
        "/v1/rollbacks/stop",
        "stop_automation",
        Scope.OPERATE,
        "Set the kill switch: nothing is rolled back by itself until somebody lets it go",
        takes=Stop,
    ),
    RouteSpec(
        "POST",
        "/v1/rollbacks/go",
        "let_automation_go",
        Scope.OPERATE,
        "Unset the kill switch: rollbacks may start by themselves again, as far as their mode permits",
        takes=Stop,
    ),
    RouteSpec("POST", "/v1/rollbacks/{id}/approve", "approve", Scope.APPROVE, "Agree to a proposed rollback"),
    RouteSpec("POST", "/v1/rollbacks/{id}/decline", "decline", Scope.APPROVE, "Refuse a proposed rollback"),
    RouteSpec(
        "POST",
        "/v1/clock",
        "clock",
        Scope.CLOCK,
        "Replay: move event time forward; answered when all that is due is done. Loopback peers only",
        takes=ClockStep,
        replay=True,
    ),
    RouteSpec("POST", "/-/reload", "reload", Scope.ADMIN, "Read the settings and tokens again"),
    RouteSpec("GET", "/-/healthy", "healthy", None, "Whether the daemon lives", gives=Health),
    RouteSpec("GET", "/-/ready", "ready", None, "Whether the daemon takes rows", gives=Health),
    RouteSpec("GET", "/openapi.json", "openapi", None, "This document"),
)
