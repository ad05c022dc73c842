"""Connections of strangers: a head that never ends costs neither memory nor a descriptor for good."""

import socket
import threading

import pytest
import uvicorn
from servers import wait_for
from test_ingest_socket import Running

from monitor.ingest import connection
from monitor.ingest.connection import counting
from monitor.ingest.counters import Counters

COUNTERS = Counters()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(connection, "CONNECTIONS_MAX", 8)
    made = uvicorn.Config
    patch.setattr(uvicorn, "Config", lambda app, **more: made(app, http=counting(COUNTERS.cut), **more))
    with Running(tmp_path_factory.mktemp("guarded")) as service:
        yield service
    patch.undo()


@pytest.fixture
def impatient(monkeypatch):
    """A head has half a second: for those that shall not come in time. The others have what a sender has."""
    monkeypatch.setattr(connection, "HEAD_S", 0.5)


def connect(guarded, said=b""):
    wire = socket.create_connection(guarded.address, timeout=60)
    wire.sendall(said)
    return wire


def answer(wire):
    """All that comes until the end of the connection, "reset" where it ends by that."""
    try:
        return b"".join(iter(lambda: wire.recv(65536), b""))
    except ConnectionResetError:
        return b"reset"
    finally:
        wire.close()


def healthy(guarded):
    return guarded.over_http("GET", "/-/healthy", "gateway").status_code == 200


@pytest.mark.parametrize("said", [b"", b"G", b"GET /-/healthy HTTP/1.1\r\nx: y", b"\r\n"])
def test_a_head_that_does_not_come_to_its_end_is_given_up(guarded, impatient, said):
    assert answer(connect(guarded, said)) in (b"", b"reset")


def gone(wire, said, times):
    """Whether the other end hangs up while this is sent so many times."""
    try:
        for _ in range(times):
            wire.sendall(said)
    except OSError:
        return True
    return False


def test_dripping_buys_no_time(guarded, impatient):
    wire = connect(guarded, b"GET /-/healthy HTTP/1.1\r\n")
    wait_for(lambda: gone(wire, b"x: y\r\n", 1), "the end of it")
    wire.close()


@pytest.mark.parametrize("line", [b"a" * 1000, b"a: b\r\n" * 100], ids=["one header", "many"])
def test_a_head_without_end_is_refused(guarded, line):
    wire = connect(guarded, b"GET /-/healthy HTTP/1.1\r\nx: y\r\nz: ")
    assert gone(wire, line, 100_000)
    wire.close()
    assert healthy(guarded)


def test_trailers_without_end_are_refused_too(guarded):
    head = f"POST /v1/predictions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {guarded.texts['gateway']}\r\n"
    wire = connect(guarded, f"{head}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n0\r\n".encode())
    assert gone(wire, b"x: y\r\n" * 100, 100_000)
    wire.close()
    assert healthy(guarded)


def test_a_large_body_is_no_head(guarded):
    rows = b"\n".join(b'{"id": "f-%d", "prediction": "late"}' % i for i in range(10_000))
    taken = guarded.over_http("POST", "/v1/predictions", "gateway", content=rows,
                              headers={"content-type": "application/x-ndjson"})  # fmt: skip
    assert taken.json()["accepted"] == 10_000


def answered(wire):
    """Whether a request over this connection is answered."""
    try:
        wire.sendall(b"GET /-/healthy HTTP/1.1\r\nhost: x\r\n\r\n")
        return wire.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def begun(guarded):
    """A connection whose first head was in time."""
    wire = connect(guarded)
    if answered(wire):
        return wire
    wire.close()
    return None


def test_a_connection_is_used_again_and_again_for_longer_than_a_head_may_take(guarded, impatient):
    wire, pause = wait_for(lambda: begun(guarded), "a connection"), threading.Event()
    for _ in range(4):
        pause.wait(0.2)
        assert answered(wire)  # a head that comes in one piece is never late
    wire.close()


def test_one_connection_too_many_costs_the_one_that_waited_longest(guarded):
    cut = COUNTERS.snapshot().connections_cut
    wires = [connect(guarded)]
    threading.Event().wait(0.05)  # the server's clock has milliseconds: of those of one any may be the oldest
    wires += [connect(guarded) for _ in range(7)]
    assert healthy(guarded)
    assert answer(wires[0]) in (b"", b"reset")
    assert COUNTERS.snapshot().connections_cut > cut
    for wire in wires:
        wire.close()
