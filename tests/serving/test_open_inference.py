import asyncio
import gzip
import json
import socket
import ssl
import threading

import pytest

from monitor.errors import Permanent, Transient
from monitor.serving.open_inference import WORD_BYTES_MAX, OpenInference

DIGEST = "sha256:" + "a" * 64
METADATA = json.dumps({"name": "delays", "parameters": {"checkpoint_digest": DIGEST}}).encode()
MODEL = "/v2/models/delays"
LOAD = "/v2/repository/models/delays/load"


def _ask(url, call, model="delays", timeout_s=60.0, reload_timeout_s=60.0):
    async def ask():
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and costs nothing
        server = OpenInference(url, model, timeout_s, reload_timeout_s, tls)
        try:
            return await call(server)
        finally:
            await server.aclose()

    return asyncio.run(ask())


def test_served_is_what_the_metadata_says_is_loaded(server):
    server.answers[MODEL] = (200, {}, METADATA)
    assert _ask(server.url + "/", lambda s: s.served()) == DIGEST


def test_infer_sends_one_request_and_returns_the_answer(server, rows, answer):
    server.answers[f"{MODEL}/infer"] = (200, {}, answer())
    found = _ask(server.url, lambda s: s.infer(rows))
    method, _, headers, body = server.asked[0]
    assert (found.outputs, found.digest, len(server.asked)) == (["late", "on_time"], DIGEST, 1)
    assert (method, headers["content-type"], len(json.loads(body)["inputs"])) == ("POST", "application/json", 4)


def test_reload_asks_the_repository(server):
    server.answers[LOAD] = (200, {}, b"")
    assert _ask(server.url, lambda s: s.reload()) is None
    assert [asked[:2] for asked in server.asked] == [("POST", LOAD)]


@pytest.mark.parametrize(("status", "ready"), [(200, True), (503, False), (404, False)])
def test_ready_is_what_the_server_says(server, status, ready):
    server.answers[f"{MODEL}/ready"] = (status, {}, b"")
    assert _ask(server.url, lambda s: s.ready()) is ready


def test_a_model_name_cannot_leave_its_place_in_the_path(server):
    with pytest.raises(Permanent):
        _ask(server.url, lambda s: s.served(), model="../../admin?x=/y")
    assert server.asked[0][1] == "/v2/models/..%2F..%2Fadmin%3Fx%3D%2Fy"


@pytest.mark.parametrize(
    ("status", "error"),
    [(429, Transient), (408, Transient), (500, Transient), (503, Transient), (400, Permanent), (404, Permanent)]
    + [(status, Permanent) for status in (201, 204, 301, 302, 307, 401)],
)
@pytest.mark.parametrize("call", ["served", "reload"])
def test_a_status_says_whether_it_is_worth_asking_again(server, status, error, call):
    server.answers[MODEL] = server.answers[LOAD] = (status, {"Location": f"{server.url}/elsewhere"}, b"")
    with pytest.raises(error):
        _ask(server.url, lambda s: getattr(s, call)())
    assert len(server.asked) == 1


def test_a_server_that_is_down_is_transient():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Transient):
            _ask(url, lambda s: s.served())
        assert _ask(url, lambda s: s.ready()) is False


def _hang_up(handler):
    pass


def _drip(handler):
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(b" ")


def _silence(handler):
    handler.connection.settimeout(10)
    handler.rfile.read(1)  # until the client hangs up


def _garbage(handler):
    handler.wfile.write(b"220 mail ready\r\n\r\n")


@pytest.mark.parametrize("fault", [_hang_up, _garbage, _silence])
@pytest.mark.parametrize("call", ["served", "reload"])
def test_a_broken_connection_is_transient(server, fault, call):
    server.answers[MODEL] = server.answers[LOAD] = fault
    with pytest.raises(Transient):
        _ask(server.url, lambda s: getattr(s, call)(), timeout_s=0.3, reload_timeout_s=0.3)


def test_an_endless_answer_is_cut_off(server):
    server.answers[MODEL] = _drip
    with pytest.raises((Permanent, Transient)):
        _ask(server.url, lambda s: s.served(), timeout_s=0.5)


def test_an_answer_over_the_cap_is_refused(server):
    server.answers[MODEL] = (200, {}, METADATA + b" " * WORD_BYTES_MAX)
    with pytest.raises(Permanent, match="larger"):
        _ask(server.url, lambda s: s.served())


def test_a_compressed_answer_is_not_unpacked(server):
    server.answers[MODEL] = (200, {"Content-Encoding": "gzip"}, gzip.compress(METADATA))
    with pytest.raises(Permanent):
        _ask(server.url, lambda s: s.served())
    assert server.asked[0][2]["accept-encoding"] == "identity"


def test_a_reload_may_take_longer_than_a_question(server):
    given_up = threading.Event()

    def slow(handler):
        given_up.wait(0.3 if handler.path == LOAD else 60.0)
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(METADATA) + METADATA)

    server.answers[LOAD] = server.answers[MODEL] = slow
    _ask(server.url, lambda s: s.reload(), timeout_s=0.1)
    with pytest.raises(Transient):
        _ask(server.url, lambda s: s.served(), timeout_s=0.1)
    given_up.set()


def test_every_call_is_a_connection_of_its_own(server):
    server.answers[MODEL] = (200, {}, METADATA)  # HTTP/1.1: it would be kept open

    async def twice(s):
        return [await s.served(), await s.served()]

    assert _ask(server.url, twice) == [DIGEST, DIGEST]
    assert len(set(server.peers)) == len(server.peers) == 2


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY"])
def test_proxy_variables_do_not_matter(server, monkeypatch, variable):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    server.answers[MODEL] = (200, {}, METADATA)
    assert _ask(server.url, lambda s: s.served()) == DIGEST
