import asyncio
import http.client
import socket
import threading

import pytest
from servers import free_port
from snapshots import full

from monitor.clock import ManualClock, WallClock
from monitor.export import listener as listener_module
from monitor.export.collector import Collector
from monitor.export.listener import CONNECTION_S, CONNECTIONS_MAX, Listener
from monitor.export.page import Page

HOST = "127.0.0.1"
PATIENT_S = 60.0  # a busy machine takes its time


class Daemon:
    """What the listener asks: two heartbeats and readiness, to be set by a test."""

    def __init__(self, clock):
        self.beat = clock.monotonic()
        self.ready = (True, "ready")


@pytest.fixture
def clock():
    return WallClock()


@pytest.fixture
def daemon(clock):
    return Daemon(clock)


@pytest.fixture
def listener(daemon, clock):
    page = Page(clock, Collector(), 5.0, {"loop": lambda: daemon.beat})
    page.render(full())
    served = Listener(page, lambda: daemon.ready, clock, HOST, 0)
    served.start()
    yield served
    served.stop()


def ask(listener, path, method="GET", **headers):
    """(status, headers, body) of one request."""
    connection = http.client.HTTPConnection(HOST, listener.port, timeout=PATIENT_S)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def raw(listener, request):
    """Everything that comes back for these bytes until the other side closes."""
    with socket.create_connection((HOST, listener.port), timeout=PATIENT_S) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_metrics_are_served(listener):
    status, headers, body = ask(listener, "/metrics")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert int(headers["Content-Length"]) == len(body)
    assert b"tocsin_build_info" in body


def test_the_format_is_negotiated_over_http(listener):
    _, headers, body = ask(listener, "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_a_query_string_changes_nothing(listener):
    assert ask(listener, "/metrics?name[]=up")[0] == 200


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready", "/nowhere"])
def test_head_answers_like_get_without_a_body(listener, path):
    status, headers, _ = ask(listener, path)
    answer = raw(listener, f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.endswith(b"\r\n\r\n")
    assert f"Content-Type: {headers['Content-Type']}\r\n".encode() in answer


@pytest.mark.parametrize("path", ["/", "/metrics/", "/-/reload", "/%6detrics", "http://x/metrics"])
def test_other_paths_are_not_found(listener, path):
    assert raw(listener, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
def test_other_methods_are_refused_and_told_which_are_not(listener, method):
    status, headers, _ = ask(listener, "/metrics", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"<script>\r\n\r\n",
        b"GET /<script> HTTP/1.1\r\n\r\n",
        b"<script> / HTTP/1.1\r\n\r\n",
        b"GET / <script>\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"X: <script>\r\n" * 200 + b"\r\n",
        b"GET /" + b"<script>" * 10_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_an_error_repeats_nothing_of_the_request(listener, request_bytes):
    answer = raw(listener, request_bytes)
    assert b"script" not in answer
    assert len(answer) < 300


def test_health_follows_the_heartbeats(listener, daemon):
    assert ask(listener, "/-/healthy")[::2] == (200, b"ok\n")
    daemon.beat -= 31
    status, _, body = ask(listener, "/-/healthy")
    assert status == 503
    assert body.startswith(b"the loop has not moved")


def test_readiness_is_what_the_daemon_says(listener, daemon):
    assert ask(listener, "/-/ready")[0] == 200
    daemon.ready = (False, "starting")
    assert ask(listener, "/-/ready")[::2] == (503, b"starting\n")


def test_a_blocked_event_loop_cannot_silence_it(listener):
    async def ask_while_blocking():
        found = []
        asker = threading.Thread(target=lambda: found.append(ask(listener, "/metrics")))
        asker.start()
        asker.join()  # the event loop stands still here
        return found

    [(status, _, body)] = asyncio.run(ask_while_blocking())
    assert status == 200
    assert b"tocsin_build_info" in body


def test_a_connection_is_closed_after_one_answer(listener):
    answer = raw(listener, b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert answer.count(b"HTTP/1.1 200") == 1
    assert b"Connection: close" in answer


def test_idle_connections_cannot_keep_a_scrape_out(listener):
    idle = [socket.create_connection((HOST, listener.port), timeout=PATIENT_S) for _ in range(2 * CONNECTIONS_MAX)]
    try:
        assert ask(listener, "/metrics")[0] == 200
    finally:
        for connection in idle:
            connection.close()


def test_the_oldest_connection_goes_first(listener):
    with socket.create_connection((HOST, listener.port), timeout=PATIENT_S) as oldest:
        others = [socket.create_connection((HOST, listener.port), timeout=PATIENT_S) for _ in range(CONNECTIONS_MAX)]
        try:
            assert oldest.recv(1) == b""
            assert listener.connections_cut > 0
        finally:
            for connection in others:
                connection.close()


def test_a_dripping_client_is_cut_off_when_its_time_is_up(daemon):
    clock = ManualClock(100.0)
    served = Listener(Page(clock, Collector(), 5.0, {}), lambda: daemon.ready, clock, HOST, 0)
    served.start()
    try:
        with socket.create_connection((HOST, served.port), timeout=PATIENT_S) as dripping:
            dripping.sendall(b"GET /met")
            assert ask(served, "/-/ready")[0] == 200  # the dripping one was accepted before this one
            clock.step(100.0 + CONNECTION_S + 0.1)
            assert dripping.recv(1) == b""
    finally:
        served.stop()


def test_threads_end_when_it_stops(daemon, clock):
    before = set(threading.enumerate())
    served = Listener(Page(clock, Collector(), 5.0, {}), lambda: daemon.ready, clock, HOST, 0)
    served.start()
    with socket.create_connection((HOST, served.port), timeout=PATIENT_S) as idle:
        assert ask(served, "/-/ready")[0] == 200
        served.stop()
        assert idle.recv(1) == b""
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENT_S)
        assert not thread.is_alive()


def test_it_can_be_stopped_twice_and_started_again(daemon, clock):
    served = Listener(Page(clock, Collector(), 5.0, {}), lambda: daemon.ready, clock, HOST, free_port())
    served.start()
    served.stop()
    served.stop()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((HOST, served.port), timeout=PATIENT_S)
    served.start()
    assert ask(served, "/-/ready")[0] == 200
    served.stop()


def test_a_taken_port_is_an_error_at_the_start(listener, daemon, clock):
    second = Listener(Page(clock, Collector(), 5.0, {}), lambda: daemon.ready, clock, HOST, listener.port)
    with pytest.raises(OSError, match="in use"):
        second.start()


def test_a_bug_in_the_page_is_logged_without_its_text(listener, daemon, monkeypatch):
    events = []
    monkeypatch.setattr(listener_module.LOG, "error", lambda event, **facts: events.append((event, facts)))
    daemon.ready = "canary"  # not the pair it promised
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        ask(listener, "/-/ready")
    assert events == [("metrics_request_failed", {"error": "ValueError"})]


def test_it_listens_on_ipv6_too(daemon, clock):
    served = Listener(Page(clock, Collector(), 5.0, {}), lambda: daemon.ready, clock, "::1", 0)
    try:
        served.start()
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with socket.create_connection(("::1", served.port), timeout=PATIENT_S) as connection:
        connection.sendall(b"GET /-/ready HTTP/1.0\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.1 200 OK"
    served.stop()
