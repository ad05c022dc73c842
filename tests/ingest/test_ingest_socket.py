"""What only a real server shows: bodies that come in pieces or not at all, early refusals, errors of ours."""

import asyncio
import json
from contextlib import suppress

import httpx
import pytest
from running import Running

from monitor.ingest.counters import AdmissionReason
from monitor.ingest.limits import Limits

ROW = b'{"id": "f-1", "prediction": "late"}'


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    limits = Limits(body_bytes_max=100_000, body_timeout_s=60.0)
    with Running(tmp_path_factory.mktemp("running"), limits=limits) as service:
        yield service


@pytest.fixture
def impatient(tmp_path):
    """One that waits for no body; the others wait as long as a busy machine may take."""
    with Running(tmp_path, limits=Limits(body_timeout_s=0.2)) as service:
        yield service


def test_takes_rows_over_http(running):
    answer = running.over_http("POST", "/v1/predictions", "gateway", content=ROW)
    assert (answer.status_code, answer.json()["durable"], answer.json()["accepted"]) == (200, True, 1)


def test_takes_a_chunked_body(running):
    pieces = (bytes([byte]) for byte in ROW)
    assert running.over_http("POST", "/v1/predictions", "gateway", content=pieces).json()["accepted"] == 1


def test_a_declared_giant_is_refused_before_it_is_sent(running):
    head = "POST /v1/predictions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 999999999999"
    assert running.raw(head).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_giant_is_refused_while_it_is_sent(running):
    pieces = (b"x" * 10_000 for _ in range(50))
    with suppress(httpx.TransportError):  # the server may have closed while the sender still wrote
        assert running.over_http("POST", "/v1/predictions", "gateway", content=pieces).status_code == 413
    assert running.counters.snapshot().refused[AdmissionReason.BODY_TOO_LARGE] >= 1


def test_a_body_that_never_comes_is_given_up(impatient):
    head = "POST /v1/predictions HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 10"
    assert impatient.raw(head).startswith(b"HTTP/1.1 408 ")
    assert impatient.counters.snapshot().in_flight_bytes == 0


def test_without_a_token_the_body_is_not_even_waited_for(running):
    head = "POST /v1/predictions HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 10"
    assert running.raw(head, "read").startswith(b"HTTP/1.1 403 ")


def test_an_error_of_ours_says_nothing_about_the_request(running):
    running.control.results["incident"] = RuntimeError("canary-of-the-daemon")
    answer = running.over_http("GET", "/v1/incidents/canary-of-the-sender", "read")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:tocsin:problem:internal")
    assert "canary" not in answer.text


def test_many_senders_at_once_are_all_answered(running):
    async def send():
        headers = {"authorization": f"Bearer {running.texts['gateway']}", "content-type": "application/json"}
        url = f"http://127.0.0.1:{running.address[1]}/v1/predictions"
        async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as client:
            rows = [json.dumps({"id": f"many-{i}", "prediction": "late"}) for i in range(200)]
            return await asyncio.gather(*(client.post(url, content=row) for row in rows))

    assert {answer.status_code for answer in asyncio.run(send())} == {200}
    written = [row.id for row in running.journal.rows if row.id.startswith("many-")]
    assert sorted(written) == sorted(f"many-{i}" for i in range(200))
