"""Signed links at the door: they open the page of one report, for reading, and no route beside it."""

import pytest
from ingest_service import NOW

from monitor.evidence.links import KEY_FILE, Links, rotate
from monitor.evidence.worker.page import POLICY as HEAD_POLICY
from monitor.ingest.counters import AdmissionReason
from monitor.ingest.routes import ROUTES

WEEK = 7 * 86_400.0
PATH = "/v1/evidence/delays/delays-1"
PAGE = b"<!doctype html>"


@pytest.fixture
def service(open_service, tmp_path):
    made = open_service(links=lambda clock: Links(tmp_path / KEY_FILE, clock, WEEK))
    made.control.results["report"] = PAGE
    return made


def query(service, model="delays", report="delays-1"):
    return service.links.query(model, report)


def problem(answer):
    return answer.json()["type"].removeprefix("urn:tocsin:problem:")


def counted(service):
    found = service.counters.snapshot()
    return found.links_opened, {reason: times for reason, times in found.refused.items() if times}


def test_a_link_opens_its_report_without_a_token(service):
    answer = service.call("GET", PATH + query(service))
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert (service.control.asked, counted(service)) == ([("report", "delays", "delays-1")], (1, {}))


def test_the_page_loads_nothing_tells_nobody_and_is_kept_by_no_cache(service):
    for answer in (service.call("GET", PATH + query(service)), service.call("GET", PATH, "read")):
        said = {one.strip() for one in answer.headers["content-security-policy"].split(";")}
        assert {one.strip() for one in HEAD_POLICY.split(";")} <= said
        assert {"default-src 'none'", "connect-src 'none'", "frame-ancestors 'none'", "sandbox allow-scripts"} <= said
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("spec", ROUTES, ids=lambda spec: f"{spec.method} {spec.path}")
def test_a_link_opens_no_other_route(service, spec):
    path = spec.path.replace("{model}", "delays").replace("{id}", "delays-1")
    answer = service.call(spec.method, path + query(service), content=b"{}")
    assert (answer.status_code != 401) == (spec.linked or spec.scope is None)


def test_the_only_route_with_links_is_the_page_of_a_report():
    assert [(spec.method, spec.path) for spec in ROUTES if spec.linked] == [("GET", "/v1/evidence/{model}/{id}")]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_link_is_for_reading(service, method):
    assert service.call(method, PATH + query(service)).status_code == 405
    assert service.control.asked == []


@pytest.mark.parametrize(
    ("other", "report"), [("/v1/evidence/delays/delays-2", "delays-1"), ("/v1/evidence/other/delays-1", "delays-1")]
)
def test_a_link_to_another_report_is_refused_and_counted(service, other, report):
    answer = service.call("GET", other + query(service, report=report))
    assert (answer.status_code, problem(answer), service.control.asked) == (403, "link_invalid", [])
    assert counted(service) == (0, {AdmissionReason.LINK_INVALID: 1})


def test_an_altered_link_is_refused_and_counted(service):
    sent = query(service)
    for altered in (sent[:-1], sent + "A", sent.replace("expires=1", "expires=2"), sent + "&x=1", "?signature="):
        assert problem(service.call("GET", PATH + altered)) == "link_invalid"
    assert (service.control.asked, counted(service)) == ([], (0, {AdmissionReason.LINK_INVALID: 5}))


def test_an_expired_link_is_refused_and_counted(service):
    sent = query(service)
    service.clock.step(NOW + WEEK)
    answer = service.call("GET", PATH + sent)
    assert (answer.status_code, problem(answer)) == (403, "link_expired")
    assert counted(service) == (0, {AdmissionReason.LINK_EXPIRED: 1})


def test_a_link_of_an_older_key_is_refused(service, tmp_path):
    sent = query(service)
    rotate(tmp_path / KEY_FILE)
    service.clock.step(NOW + 1.0)
    assert problem(service.call("GET", PATH + sent)) == "link_invalid"


def test_turned_off_links_open_nothing_and_tokens_do(service):
    sent = query(service)
    service.links.valid_s = None
    assert problem(service.call("GET", PATH + sent)) == "links_off"
    assert counted(service) == (0, {AdmissionReason.LINKS_OFF: 1})
    assert service.call("GET", PATH, "read").status_code == 200


def test_where_a_token_is_sent_it_alone_counts(service):
    assert service.call("GET", PATH + query(service), "admin").status_code == 403
    assert service.call("GET", PATH + "?signature=x", "read").status_code == 200
    assert counted(service) == (0, {AdmissionReason.FORBIDDEN: 1})


def test_without_token_and_link_a_token_is_asked_for(service):
    for nothing in ("", "?", "?expires=1", "?x=y"):
        answer = service.call("GET", PATH + nothing)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")


def test_a_refusal_repeats_nothing_of_the_link(service):
    answer = service.call("GET", PATH + "?expires=1&signature=canary")
    assert "canary" not in answer.text + str(answer.headers)


def test_a_report_that_is_not_there_yet_is_a_404_behind_its_link(service):
    service.control.results["report"] = None
    assert problem(service.call("GET", PATH + query(service))) == "not_found"
