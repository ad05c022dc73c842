"""Gates over HTTP, and the templates that read them: nobody goes on or rolls back on what is unknown."""

import json
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from monitor.decisions.clearance import Asked, Clearance, ClearanceState
from monitor.errors import Transient
from monitor.export.collector import describe
from monitor.facts import BundleId, Family, Severity
from monitor.ingest.gate import PARAMETERS, read_asked
from monitor.turns.clearing import answer

GATES = Path(__file__).parents[2] / "examples" / "gates"
FLAGGERS = b'{"name": "delays", "namespace": "models", "phase": "Progressing", "checksum": "1", "metadata": {}}'
OK, BAD, UNKNOWN = ClearanceState
VALUES = {OK: 0.02, BAD: 3.5, UNKNOWN: None}
every_state = pytest.mark.parametrize("state", ClearanceState, ids=lambda state: state.value)


def say(service, state):
    """Let the daemon say so, in the document that it makes."""
    told = Clearance(state, "so it is", VALUES[state], BundleId("sha256:v2"), "v2", 0.0)
    service.control.results["gate"] = answer("delays", told)


@every_state
def test_a_gate_answers_200_whatever_it_says_in_the_form_that_tools_read(service, state):
    say(service, state)
    found = service.call("GET", "/v1/gate/delays", "read")
    data = {"ok": state is OK, "state": state.value, "value": VALUES[state]}
    assert (found.status_code, found.json()["data"]) == (200, data)
    assert (found.json()["why"], found.json()["name"]) == ("so it is", "v2")


@pytest.mark.parametrize(("route", "good"), [("go", OK), ("rollback", BAD)])
@every_state
def test_a_hook_gets_2xx_for_one_state_alone_and_the_answer_in_any(service, state, route, good):
    say(service, state)
    found = service.call("POST", f"/v1/gate/delays/{route}", "read", content=FLAGGERS)
    assert found.status_code == (200 if state is good else 409)
    assert found.json()["data"]["state"] == state.value


ASKING = [("GET", ""), ("POST", "/go"), ("POST", "/rollback")]


@pytest.mark.parametrize("fault", [LookupError(), Transient("busy")], ids=["no such model", "busy"])
def test_a_daemon_that_cannot_say_is_2xx_for_nobody(service, fault):
    service.control.results["gate"] = fault
    assert all(service.call(m, f"/v1/gate/delays{p}", "read").status_code in (404, 503) for m, p in ASKING)
    assert not service.counters.gates


@every_state
def test_what_was_told_is_counted_whatever_the_route_made_of_it(service, state):
    say(service, state)
    for method, path in ASKING:
        service.call(method, f"/v1/gate/delays{path}", "read")
    assert service.counters.gates == {("delays", state.value): len(ASKING)}


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 9999, b"x" * 100_000])
def test_no_hook_reads_its_body(service, body):
    say(service, OK)
    assert service.call("POST", "/v1/gate/delays/go", "read", content=body).status_code == 200


def test_the_question_is_the_query(service):
    say(service, OK)
    service.call("GET", "/v1/gate/delays?bundle=v2&digest=sha256:a&severity=warning&needs=labels,output", "read")
    needs = frozenset({Family.LABELS, Family.OUTPUT})
    assert service.control.asked == [("gate", "delays", Asked("v2", "sha256:a", Severity.WARNING, needs))]


def test_without_a_question_it_is_about_what_is_served(service):
    say(service, OK)
    service.call("GET", "/v1/gate/delays", "read")
    assert service.control.asked == [("gate", "delays", Asked())]


SLIPS = {
    "a name": "bundel=v2",
    "nothing": "bundle=",
    "twice": "bundle=v1&bundle=v2",
    "no value": "bundle",
    "ends": "&",
    "none": "severity=none",
    "loud": "severity=loud",
    "no family": "needs=",
    "half a list": "needs=labels,",
    "all": "needs=all",
    "long": "bundle=" + "x" * 301,
    "longer": "needs=" + "labels," * 400 + "labels",
    "many": "a=1&b=2&c=3&d=4&e=5",
}


@pytest.mark.parametrize("query", SLIPS.values(), ids=SLIPS)
@pytest.mark.parametrize("path", ["", "/go", "/rollback"])
def test_a_slip_in_the_question_asks_for_nothing_less(service, path, query):
    say(service, BAD if path == "/rollback" else OK)
    found = service.call("POST" if path else "GET", f"/v1/gate/delays{path}?{query}", "read")
    assert (found.status_code, found.json()["type"]) == (422, "urn:tocsin:problem:query_invalid")
    assert service.control.asked == []


def test_what_can_be_asked_is_described(service):
    paths = service.call("GET", "/openapi.json").json()["paths"]
    for path, method in (("", "get"), ("/go", "post"), ("/rollback", "post")):
        described = paths["/v1/gate/{model}" + path][method]
        named = [each["name"] for each in described["parameters"] if each["in"] == "query"]
        assert (named, "404" in described["responses"]) == (list(PARAMETERS), True)


# ---------------------------------------------------------------- Argo Rollouts


TEMPLATE, ROLLOUT = yaml.safe_load_all((GATES / "argo-rollouts.yaml").read_text())
METRIC = TEMPLATE["spec"]["metrics"][0]


def holds(condition, data):
    """Whether a condition of ours is true of an answer; what we write means the same in Python and in Argo's expr."""
    value = eval(condition, {"__builtins__": {}}, {"result": SimpleNamespace(**data)})  # our own file
    assert isinstance(value, bool), "Argo takes nothing but booleans"
    return value


def phase(metric, body):
    """What Argo makes of an answer (argo-rollouts, utils/evaluate): with both conditions, the failure counts first."""
    assert metric["provider"]["web"]["jsonPath"] == "{$.data}"
    data = json.loads(body)["data"]
    if holds(metric["failureCondition"], data):
        return "Failed"
    return "Successful" if holds(metric["successCondition"], data) else "Inconclusive"


@pytest.mark.parametrize(("state", "expected"), [(OK, "Successful"), (BAD, "Failed"), (UNKNOWN, "Inconclusive")])
def test_argo_takes_each_state_for_what_it_is(service, state, expected):
    say(service, state)
    assert phase(METRIC, service.call("GET", "/v1/gate/delays", "read").text) == expected


def test_argo_ends_at_the_first_bad_pauses_at_the_first_unknown_and_never_for_want_of_an_answer():
    limits = METRIC["failureLimit"], METRIC["inconclusiveLimit"]
    assert (limits, METRIC["consecutiveErrorLimit"] > METRIC["count"]) == ((0, 0), True)


def filled(text, arguments):
    for name, value in arguments.items():
        text = text.replace("{{ args." + name + " }}", value)
    assert "{{" not in text
    return text


def test_argo_asks_a_question_that_is_understood_with_a_token():
    analysis = ROLLOUT["spec"]["strategy"]["canary"]["analysis"]
    assert analysis["templates"] == [{"templateName": TEMPLATE["metadata"]["name"]}]
    given = {each["name"]: each["value"] for each in analysis["args"]} | {"token": "tcs_x"}
    assert {each["name"] for each in TEMPLATE["spec"]["args"]} == given.keys()
    web = METRIC["provider"]["web"]
    url = urlsplit(filled(web["url"], given))
    assert (url.scheme, url.path, read_asked(url.query.encode()).bundle) == ("https", "/v1/gate/delays", "v2")
    assert [filled(each["value"], given) for each in web["headers"]] == ["Bearer tcs_x"]


# ---------------------------------------------------------------- Flagger


CANARY, METRICS = yaml.safe_load_all((GATES / "flagger.yaml").read_text())
HOOKS = {hook["type"]: hook for hook in CANARY["spec"]["analysis"]["webhooks"]}
WAITS = ("confirm-rollout", "confirm-traffic-increase", "confirm-promotion")  # at anything but 2xx, without counting it


def hooked(service, hook, token="read"):
    """Flagger's request; the token is its proxy's."""
    url = urlsplit(hook["url"])
    return service.call("POST", f"{url.path}?{url.query}", token, content=FLAGGERS)


@every_state
def test_flagger_goes_on_when_it_is_ok_rolls_back_when_it_is_bad_and_waits_else(service, state):
    say(service, state)
    said = {kind: hooked(service, hook).is_success for kind, hook in HOOKS.items()}
    assert said == {"confirm-traffic-increase": state is OK, "confirm-promotion": state is OK, "rollback": state is BAD}


def test_without_the_proxys_token_flagger_waits_and_does_not_roll_back(service):
    say(service, BAD)
    assert {hooked(service, hook, None).status_code for hook in HOOKS.values()} == {401}


def test_no_hook_of_flagger_counts_what_is_unknown_as_a_failure():
    assert set(HOOKS) <= {*WAITS, "rollback"}
    assert all(hook["url"].startswith("https://") for hook in HOOKS.values())
    assert {parse_qs(urlsplit(hook["url"]).query)["bundle"][0] for hook in HOOKS.values()} == {"v2"}


def test_flaggers_metric_is_one_of_ours_and_its_absence_is_no_evidence():
    query = METRICS["spec"]["query"]
    assert [name for name, *_ in describe() if name in query] == ["tocsin_gate_state"]
    assert f'state="{BAD.value}"' in query
    assert query.strip().endswith("or vector(0)")
    [metric] = CANARY["spec"]["analysis"]["metrics"]
    assert (metric["templateRef"]["name"], metric["thresholdRange"]) == (METRICS["metadata"]["name"], {"max": 0})
