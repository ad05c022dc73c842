import asyncio
import json

import pytest
from ingest_service import NOW
from starlette.routing import Route

from monitor.errors import NeedsRestart, Problem, Rejected, Transient
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.endpoint import Endpoint
from monitor.ingest.routes import ROUTES
from monitor.ingest.tokens import Scope, revoke_token

BODIES = {
    "predictions": b'{"id": "a", "prediction": "late"}',
    "labels": b'{"id": "a", "label": "late"}',
    "start_rollback": b'{"model": "delays", "reason": "wrong since noon"}',
    "unlatch": b'{"model": "delays"}',
    "stop_automation": b'{"reason": "the index is wrong"}',
    "let_automation_go": b'{"reason": "it is right"}',
    "release": b'{"model": "delays", "alert": "features_page/age", "reason": "the sensor was mended"}',
    "suspect": b'{"sources": ["crowd/*"], "since": 1999999000}',
    "clock": b'{"now": 2000000000}',
}
OPEN = ("healthy", "ready", "openapi")


def go(service, spec, token=None, **more):
    path = spec.path.replace("{id}", "r-1")
    headers = {"content-type": "application/json"} | more.pop("headers", {})
    return service.call(spec.method, path, token, headers=headers, content=BODIES.get(spec.name, b""), **more)


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()["type"].removeprefix("urn:tocsin:problem:")


def test_every_route_of_the_router_is_in_the_table_behind_its_guard(service):
    found = {
        (method, route.path): route.endpoint for route in service.app.routes for method in route.methods - {"HEAD"}
    }
    assert all(isinstance(route, Route) for route in service.app.routes)
    assert all(isinstance(endpoint, Endpoint) for endpoint in found.values())
    assert {key: endpoint.spec for key, endpoint in found.items()} == {
        (spec.method, spec.path): spec for spec in ROUTES
    }


def test_every_mutating_route_asks_for_a_scope():
    assert not [spec.path for spec in ROUTES if spec.method not in ("GET", "HEAD") and spec.scope is None]
    assert {spec.name for spec in ROUTES if spec.scope is None} == set(OPEN)


@pytest.mark.parametrize("scope", Scope, ids=lambda scope: scope.value)
@pytest.mark.parametrize("spec", ROUTES, ids=lambda spec: f"{spec.method} {spec.path}")
def test_a_token_may_do_what_its_scope_says_and_nothing_else(service, spec, scope):
    state = "bad" if spec.name == "gate_rollback" else "ok"
    service.control.results |= {"reload": [], "ready": (True, ""), "report": b"<!doctype html>"}
    service.control.results["gate"] = {"data": {"state": state}}
    answer = go(service, spec, scope.name.lower())
    assert answer.status_code == (200 if spec.scope in (scope, None) else 403)
    if answer.status_code == 403:
        assert (problem(answer), service.journal.submissions, service.control.asked) == ("forbidden", [], [])


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer x", "Basic YTpi", "Bearer tcs_000000000000_" + "A" * 43]
)
@pytest.mark.parametrize("spec", [spec for spec in ROUTES if spec.scope], ids=lambda spec: f"{spec.method} {spec.path}")
def test_without_a_valid_token_nothing_is_done(service, spec, header):
    answer = go(service, spec, headers={} if header is None else {"authorization": header})
    assert (answer.status_code, problem(answer)) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert (service.journal.submissions, service.control.asked) == ([], [])


def test_a_revoked_token_may_nothing(service):
    revoke_token(service.tokens_file, "read", NOW)
    service.clock.step(NOW + 1)
    assert service.call("GET", "/v1/status", "read").status_code == 401


def test_two_authorization_headers_are_refused(service):
    one = ("authorization", f"Bearer {service.texts['read']}")
    answer = asyncio.run(service._call("GET", "/v1/status", "127.0.0.1", [one, one], {}))
    assert (answer.status_code, problem(answer)) == (400, "header_repeated")


def test_refusals_are_counted_by_reason(service):
    service.call("GET", "/v1/status")
    service.call("GET", "/v1/status", "admin")
    service.predictions(b"", kind="text/plain")
    refused = service.counters.snapshot().refused
    assert {reason: n for reason, n in refused.items() if n} == {
        AdmissionReason.UNAUTHENTICATED: 1,
        AdmissionReason.FORBIDDEN: 1,
        AdmissionReason.UNSUPPORTED_TYPE: 1,
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/x", 404), ("GET", "/v1/status/", 404), ("PUT", "/v1/status", 405), ("GET", "/v1/predictions", 405)],
)
def test_what_no_route_answers_is_a_problem_too(service, method, path, status):
    answer = service.call(method, path)
    assert (answer.status_code, problem(answer)) == (status, {404: "not_found", 405: "method_not_allowed"}[status])
    assert service.counters.snapshot().requests == {("other", "4xx"): 1}


# ---------------------------------------------------------------- asking the daemon


def test_answers_with_what_the_daemon_says(service):
    service.control.results["incidents"] = [{"id": "i-1"}]
    assert service.call("GET", "/v1/incidents", "read").json() == [{"id": "i-1"}]
    assert service.call("GET", "/v1/incidents/i-1", "read").json() == {"did": "incident"}
    assert service.control.asked == [("incidents",), ("incident", "i-1")]


def test_the_name_of_the_token_is_the_actor(service):
    go(service, next(spec for spec in ROUTES if spec.name == "start_rollback"), "approve")
    service.call("POST", "/v1/rollbacks/r-1/approve", "approve")
    service.call("POST", "/v1/rollbacks/r-2/decline", "approve")
    service.call("POST", "/v1/rollbacks/unlatch", "approve", content=b'{"model": "delays"}')
    assert service.control.asked == [
        ("start_rollback", "delays", "wrong since noon", "approve"),
        ("approve", "r-1", "approve"),
        ("decline", "r-2", "approve"),
        ("unlatch", "delays", "approve"),
    ]


@pytest.mark.parametrize(("way", "name"), [("stop", "stop_automation"), ("go", "let_automation_go")])
def test_automation_is_stopped_and_let_go_by_whoever_operates_and_says_why(service, way, name):
    assert service.call("POST", f"/v1/rollbacks/{way}", "operate", content=b"{}").status_code == 422
    service.call("POST", f"/v1/rollbacks/{way}", "operate", content=BODIES[name])
    [asked] = service.control.asked
    assert (asked[0], asked[2]) == (name, "operate")


def test_only_a_token_that_may_operate_approve_or_administrate_is_contact(service):
    reading = {"read", "ingest_labels", "ingest_predictions"}
    for token in (*reading, None):
        service.call("GET", "/v1/status", token)
        service.call("POST", "/v1/rollbacks/stop", token, content=BODIES["stop_automation"])
    assert service.contacts == []
    ways = {"operate": "/v1/rollbacks/go", "approve": "/v1/rollbacks/unlatch", "admin": "/-/reload"}
    service.control.results["reload"] = []
    for number, (token, path) in enumerate(ways.items(), start=1):
        service.call("POST", path, token, content=b"{}")
        assert len(service.contacts) == number


def test_who_lets_go_of_a_latch_is_the_token_too(service):
    go(service, next(spec for spec in ROUTES if spec.name == "release"), "operate")
    assert service.control.asked == [("release", "delays", "features_page/age", "the sensor was mended", "operate")]


@pytest.mark.parametrize("missing", ["model", "alert", "reason"])
def test_letting_go_names_the_model_the_alert_and_the_reason(service, missing):
    body = {name: "x" for name in ("model", "alert", "reason") if name != missing}
    answer = service.call("POST", "/v1/incidents/release", "operate", content=json.dumps(body).encode())
    assert (answer.status_code, problem(answer), service.control.asked) == (422, "body_invalid", [])


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        (None, 404, "not_found"),
        (KeyError("r-1"), 404, "not_found"),
        (Rejected("expired", "the proposal has expired"), 409, "expired"),
        (Transient("later", 3), 503, "busy"),
    ],
)
def test_a_refusal_of_the_daemon_has_its_status(service, said, status, reason):
    service.control.results["approve"] = said
    answer = service.call("POST", "/v1/rollbacks/r-1/approve", "approve")
    assert (answer.status_code, problem(answer)) == (status, reason)
    assert "r-1" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[" * 9999,
        b"\xff",
        b'{"model": "delays"}',
        b'{"model": 5, "reason": "x"}',
        b'{"model": "m", "reason": ""}',
        b'{"model": "m", "reason": "x", "force": true}',
        b'{"model": "m", "reason": "' + b"x" * 501 + b'"}',
    ],
)
def test_a_rollback_by_hand_needs_a_model_and_a_reason(service, body):
    answer = service.call("POST", "/v1/rollbacks", "approve", content=body)
    assert (answer.status_code, problem(answer), service.control.asked) == (422, "body_invalid", [])


@pytest.mark.parametrize("body", [b"", b"{}", b'{"model": ""}', b'{"model": null}', b'{"model": "m", "mode": "auto"}'])
def test_unlatching_names_a_model_and_nothing_else(service, body):
    answer = service.call("POST", "/v1/rollbacks/unlatch", "approve", content=body)
    assert (answer.status_code, problem(answer), service.control.asked) == (422, "body_invalid", [])


def test_unlatching_a_model_that_is_not_there_is_a_404(service):
    service.control.results["unlatch"] = KeyError("m")
    answer = service.call("POST", "/v1/rollbacks/unlatch", "approve", content=b'{"model": "m"}')
    assert (answer.status_code, problem(answer)) == (404, "not_found")


def test_a_body_of_other_routes_is_small(service):
    assert problem(service.call("POST", "/v1/rollbacks", "approve", content=b"x" * 70_000)) == "body_too_large"


def test_reload_says_what_is_wrong_with_the_settings(service):
    service.control.results["reload"] = [Problem("rules.0.window", "not a duration", "like 5m")]
    answer = service.call("POST", "/-/reload", "admin")
    assert (answer.status_code, problem(answer)) == (422, "settings_invalid")
    assert answer.json()["problems"] == [{"path": "rules.0.window", "message": "not a duration", "hint": "like 5m"}]
    service.control.results["reload"] = []
    assert service.call("POST", "/-/reload", "admin").json() == {"reloaded": True}


def test_reload_names_exactly_what_waits_for_a_restart(service):
    both = [NeedsRestart("http.port", "waits for a restart", "restart"), NeedsRestart("replica", "waits", "restart")]
    service.control.results["reload"] = both
    answer = service.call("POST", "/-/reload", "admin")
    assert (answer.status_code, problem(answer)) == (422, "restart_needed")
    assert answer.json()["waits_for_restart"] == ["http.port", "replica"]
    assert [each["path"] for each in answer.json()["problems"]] == ["http.port", "replica"]


def test_health_needs_no_token_and_says_why_not(service):
    assert (service.call("GET", "/-/healthy").status_code, service.call("GET", "/-/ready").status_code) == (200, 503)
    assert service.call("GET", "/-/ready").json() == {"ok": False, "why": "starting"}


def test_an_error_of_ours_is_a_500_without_words_of_the_sender(service):
    service.control.results["incident"] = RuntimeError("canary-of-the-daemon")
    with pytest.raises(RuntimeError):  # the server logs it; what the sender gets is tested over a socket
        service.call("GET", "/v1/incidents/canary", "read")


# ---------------------------------------------------------------- the clock


def step(service, body=b'{"now": 2000000000}', **more):
    return service.call("POST", "/v1/clock", "clock", content=body, **more)


@pytest.mark.parametrize("body", [b'{"now": 2000000000}', b'{"now": 2e9}', b'{"now": "2033-05-18T03:33:20Z"}'])
def test_the_clock_is_stepped_to_a_time(service, body):
    assert step(service, body).json() == {"did": "advance"}
    assert service.control.asked == [("advance", 2e9, "clock")]


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_the_clock_is_moved_from_this_machine(service, peer):
    assert step(service, peer=peer).status_code == 200


@pytest.mark.parametrize(
    "peer", ["10.0.0.1", "192.168.1.1", "::ffff:10.0.0.1", "fe80::1", "testclient", "", "localhost"]
)
def test_the_clock_is_moved_from_nowhere_else(service, peer):
    answer = step(service, peer=peer)
    assert (answer.status_code, problem(answer), service.control.asked) == (403, "not_loopback", [])


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "via"])
def test_a_proxy_on_this_machine_does_not_count_as_it(service, header):
    assert step(service, headers={header: "for=10.0.0.1"}).status_code == 403


NO_TIMES = [b"", b"{}", b'{"now": null}', b'{"now": true}', b'{"now": "noon"}', b'{"now": NaN}', b'{"now": 1e400}']


@pytest.mark.parametrize("body", NO_TIMES)
def test_the_clock_takes_times_only(service, body):
    assert problem(step(service, body)) == "body_invalid"
    assert service.control.asked == []


def test_a_step_the_daemon_refuses_is_a_422(service):
    service.control.results["advance"] = ValueError("back")
    assert problem(step(service)) == "clock_step_invalid"


def test_a_step_that_cannot_be_finished_now_may_be_repeated(service):
    service.control.results["advance"] = Transient("the disk is full", 5)
    answer = step(service)
    assert (answer.status_code, problem(answer), answer.headers["retry-after"]) == (503, "busy", "5")


def test_on_live_traffic_there_is_no_clock_to_move(open_service):
    service = open_service(replay=False)
    assert step(service).status_code == 404
    assert "/v1/clock" not in service.call("GET", "/openapi.json").json()["paths"]


# ---------------------------------------------------------------- reports


def test_a_report_is_a_page_in_a_sandbox_of_its_own(service):
    service.control.results["report"] = b"<!doctype html>"
    answer = service.call("GET", "/v1/evidence/delays/delays-1", "read")
    assert (answer.content, service.control.asked) == (b"<!doctype html>", [("report", "delays", "delays-1")])
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].endswith("; sandbox allow-scripts")
    assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_a_report_that_is_not_there_is_answered_404(service):
    service.control.results["report"] = None
    answer = service.call("GET", "/v1/evidence/delays/none", "read")
    assert (answer.status_code, problem(answer)) == (404, "not_found")
