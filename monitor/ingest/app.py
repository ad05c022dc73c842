"""The HTTP application: the route table, each route behind its guard, and problem details for all that matches none.

Starlette does the routing and nothing else; there is no middleware of ours, and an unexpected error is a 500 that says
nothing about the request. Built by daemon.py, which hands in everything as Protocols.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.clock import Clock
from monitor.ingest import openapi
from monitor.ingest.admission import Admission
from monitor.ingest.control import Control, Controls
from monitor.ingest.counters import Counters
from monitor.ingest.endpoint import Call, Endpoint, Handler, Links
from monitor.ingest.intake import Encode, Intake, Journal, Schemas
from monitor.ingest.limits import Limits
from monitor.ingest.problems import PROBLEM, Answer, Refused
from monitor.ingest.rates import Rates
from monitor.ingest.routes import ROUTES, RouteSpec
from monitor.ingest.tokens import Tokens


def build_app(
    *,
    journal: Journal,
    control: Control,
    clock: Clock,
    tokens: Tokens,
    schemas: Schemas,
    counters: Counters,
    limits: Limits | None = None,
    replay: bool = False,
    encode: Encode | None = None,
    links: Links | None = None,
    refused: Callable[[int], None] = lambda _: None,
    contacted: Callable[[], None] = lambda: None,
) -> Starlette:
    """Build the ASGI application. `schemas` is asked at every request, so a reload shows at once.

    `encode` makes the body of a journal record where a request holds many rows; it runs on the parser's thread.
    `links` judges signed links to reports; None: there are none. `refused` is told how many predictions were not taken,
    `contacted` that an operator called.
    """
    limits = limits or Limits()
    admission = Admission(limits, counters)
    parser = ThreadPoolExecutor(1, thread_name_prefix="parser")
    intake = Intake(journal, clock, schemas, limits, counters, admission, parser, Rates(clock), encode, refused)
    specs = [spec for spec in ROUTES if replay or not spec.replay]
    handlers = _handlers(intake, Controls(control, admission, limits, counters), specs)
    endpoints = [Endpoint(spec, handlers[spec.name], tokens, counters, links, contacted=contacted) for spec in specs]
    routes = [Route(each.spec.path, each, methods=[each.spec.method]) for each in endpoints]
    app = Starlette(routes=routes, lifespan=_lifespan(parser), exception_handlers=_elsewhere(counters))
    app.router.redirect_slashes = False  # a redirect would answer with the sender's own path
    return app


def _handlers(intake: Intake, controls: Controls, specs: Iterable[RouteSpec]) -> Mapping[str, Handler]:
    """A handler for every name of the route table."""
    document = msgspec.json.encode(openapi.document(specs, version("tocsin")))

    async def show(_: Call) -> Answer:
        return Answer(200, document)

    given: dict[str, Handler] = {"predictions": intake.predictions, "labels": intake.labels, "openapi": show}
    return {spec.name: given.get(spec.name) or getattr(controls, spec.name) for spec in specs}


def _lifespan(parser: Executor):  # type: ignore[no-untyped-def]  # noqa: ANN202  # Starlette's own type is private
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        parser.shutdown()

    return lifespan


def _elsewhere(counters: Counters):  # type: ignore[no-untyped-def]  # noqa: ANN202  # as above
    """Problem details for what no route answers."""

    async def unrouted(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        reason, detail = _UNROUTED.get(status, _UNROUTED[500])
        counters.answered("other", status)
        answer = Refused(status, reason, detail).answer()
        headers = error.headers if isinstance(error, HTTPException) else None
        return Response(answer.body, status, headers, PROBLEM.decode())

    return {HTTPException: unrouted, Exception: unrouted}


_UNROUTED = {
    404: ("not_found", "there is no such route"),
    405: ("method_not_allowed", "this route has other methods"),
    500: ("internal", "something of ours is wrong; it is in the log"),
}
