"""Asking probes of a real HTTP server: several connections, bounded, and nothing it does raises."""

import asyncio
import json
import ssl
import threading

import pytest
from probe_sets import answers, made

from monitor.serving.open_inference import OpenInference
from monitor.serving.probing import Round, ask

DIGEST, OTHER = ("sha256:" + digit * 64 for digit in "ab")
INFER = "/v2/models/delays/infer"


def asked(server, connections=3, timeout_s=60.0):
    async def run():
        client = OpenInference(server.url, "delays", timeout_s, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        try:
            return await ask(client, made(), DIGEST, connections)
        finally:
            await client.aclose()

    return asyncio.run(run())


@pytest.fixture
def said(answer):
    """A right answer by a checkpoint."""
    return lambda digest=DIGEST: answer(answers().outputs, answers().scores, digest)


def test_every_connection_is_asked_all_rows(server, said):
    server.answers[INFER] = (200, {}, said())
    assert asked(server) == Round((answers(),) * 3)
    assert len(set(server.peers)) == 3
    assert {body for *_, body in server.asked} == {made().body}


def test_connections_are_asked_at_once_so_that_several_workers_answer(server, said):
    all_there = threading.Barrier(3, timeout=60)

    def together(handler):
        all_there.wait()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(said())))
        handler.end_headers()
        handler.wfile.write(said())

    server.answers[INFER] = together
    assert len(asked(server).given) == 3


def test_another_checkpoint_is_not_taken_for_the_one_that_was_meant(server, said):
    server.answers[INFER] = (200, {}, said(OTHER))
    assert asked(server, 2) == Round((), others=2)


@pytest.mark.parametrize("status", [404, 429, 500, 503])
def test_a_server_that_refuses_is_silent(server, status):
    server.answers[INFER] = (status, {}, b"{}")
    assert asked(server, 2) == Round((), silent=2)


@pytest.mark.parametrize("body", [b"", b"{}", b"\xff", b"[" * 100_000])
def test_an_answer_that_cannot_be_believed_is_silence(server, body):
    server.answers[INFER] = (200, {}, body)
    assert asked(server, 1) == Round((), silent=1)


def test_an_answer_for_fewer_rows_is_silence(server, answer):
    server.answers[INFER] = (200, {}, answer(("yes",), (0.5,), DIGEST))
    assert asked(server, 1) == Round((), silent=1)


def test_a_server_that_hangs_is_given_up(server):
    ended = threading.Event()
    server.answers[INFER] = lambda handler: ended.wait(60)
    try:
        assert asked(server, 2, timeout_s=0.2) == Round((), silent=2)
    finally:
        ended.set()


def test_nobody_at_home_is_silence(server):
    server.answers[INFER] = lambda handler: handler.connection.close()
    assert asked(server, 2) == Round((), silent=2)


def test_what_is_asked_is_a_request_of_the_protocol(server, said):
    server.answers[INFER] = (200, {}, said())
    asked(server, 1)
    tensors = json.loads(server.asked[0][3])["inputs"]
    assert [(each["name"], each["shape"], each["datatype"]) for each in tensors] == [
        ("x", [4], "FP64"),
        ("c", [4], "BYTES"),
    ]
