"""GET /openapi.json: OpenAPI 3.1, made from the route table and the types of wire.py, so that it cannot lag behind."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from monitor.ingest.decode import ARROW, CONTENT_TYPES
from monitor.ingest.gate import PARAMETERS, SEVERITIES, TEXT_MAX
from monitor.ingest.inflate import ENCODINGS
from monitor.ingest.intake import KEY_MAX
from monitor.ingest.routes import RouteSpec
from monitor.ingest.wire import ProblemDetails

_REFUSALS: Final = {
    "400": "a header is not usable",
    "401": "no valid token, or one that has expired",
    "403": "the token lacks the scope",
    "404": "there is nothing of this name",
    "408": "the body did not come in time",
    "409": "not possible in this state",
    "413": "the body, or its number of rows, is too large",
    "415": "content type or encoding not understood",
    "422": "the content is not acceptable",
    "429": "too much is being worked on, or the token sends more rows than it may; see Retry-After",
    "503": "not possible now; see Retry-After",
}


def document(routes: Iterable[RouteSpec], version: str) -> dict[str, Any]:
    """The whole document for these routes."""
    routes = tuple(routes)
    kinds = [kind for route in routes for kind in (route.takes, route.gives) if kind]
    kinds = [ProblemDetails, *dict.fromkeys(kinds)]
    refs, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    schemas = dict(zip(kinds, refs, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": version, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`tocsin token create`; roles are scopes"}
            },
        },
    }


def _operation(route: RouteSpec, schemas: dict[type, dict[str, Any]]) -> dict[str, Any]:
    given = schemas[route.gives] if route.gives else {"type": ["object", "array"]}
    done = {"text/html": {"schema": {"type": "string"}}} if route.page else {"application/json": {"schema": given}}
    problem = {"application/problem+json": {"schema": schemas[ProblemDetails]}}
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{"token": [route.scope.value]}] if route.scope else [],
        "responses": {"200": {"description": "done", "content": done}},
    }
    for status in _statuses(route):
        operation["responses"][status] = {"description": _REFUSALS[status], "content": problem}
    if route.name in ("healthy", "ready"):
        unwell = {"description": "no, and why", "content": {"application/json": {"schema": given}}}
        operation["responses"]["503"] = unwell
    if parameters := list(_parameters(route)):
        operation["parameters"] = parameters
    if route.takes:
        operation["requestBody"] = {"required": True, "content": _content(route, schemas[route.takes])}
    return operation


def _content(route: RouteSpec, one: dict[str, Any]) -> dict[str, Any]:
    if not route.rows:
        return {"application/json": {"schema": one}}
    schemas: dict[str, dict[str, Any]] = {"application/json": {"anyOf": [one, {"type": "array", "items": one}]}}
    schemas[ARROW] = {"type": "string", "format": "binary", "description": "a column for each field and each feature"}
    lines = {"type": "string", "description": "one such JSON object a line"}
    return {kind: {"schema": schemas.get(kind, lines)} for kind in CONTENT_TYPES}


def _parameters(route: RouteSpec) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
    for name, words in PARAMETERS.items() if route.gate else ():
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
        if name == "severity":
            schema = {"enum": list(SEVERITIES)}
        yield {"name": name, "in": "query", "required": False, "description": words, "schema": schema}
    if route.rows:
        yield {
            "name": "Content-Encoding",
            "in": "header",
            "required": False,
            "description": "how the body is compressed; its size counts as inflated",
            "schema": {"enum": ["identity", *ENCODINGS]},
        }
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "the same key again answers the same and counts nothing; with another body 422",
            "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
        }


def _statuses(route: RouteSpec) -> list[str]:
    """Which refusals a route may answer."""
    found = {"400", "401", "403"} if route.scope else set()
    if route.takes:
        found |= {"400", "408", "413", "422", "429"}
    if route.rows:
        found |= {"415", "503"}
    if route.gate:
        found |= {"404", "422", "503"}
    if "{id}" in route.path or (route.takes and not route.rows and not route.replay):
        found |= {"404"}
    if route.method == "POST" and not route.rows and not route.replay and route.name != "reload":
        found |= {"409", "503"}
    if route.name == "reload":
        found |= {"422"}
    return sorted(found)
