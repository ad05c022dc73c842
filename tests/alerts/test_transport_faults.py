"""What a receiver can do to us, over real sockets: every fault ends, is named, and leads to the right next step."""

import asyncio
import contextlib
import itertools
import socket
import ssl
import struct

import pytest
from patience import PATIENT_S, run, time_is_up

from monitor.alerts.retry import Delivery, DeliveryState, Failure, Outcome, next_attempt
from monitor.alerts.transport import Line
from monitor.clock import ManualClock
from monitor.wire.addresses import networks

LOOPBACK = networks(["127.0.0.0/8"])
WAITING, SENT, DEAD, WITHDRAWN = DeliveryState


async def _silence(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    time_is_up()
    await asyncio.Event().wait()


async def _reset(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _hang_up(reader, writer):
    await reader.readuntil(b"\r\n\r\n")


def _endless(first, chunk, until=0):
    """Writes on and on; after so many chunks, which came one after the other, the sender's time is up."""

    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        for sent in itertools.count(1):
            writer.write(chunk)
            if sent == until:
                time_is_up()
            await writer.drain()
            await asyncio.sleep(0.001)

    return handler


def _status(line, *headers):
    head = "\r\n".join((f"HTTP/1.1 {line}", "Content-Length: 0", "Connection: close", *headers))

    async def handler(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write((head + "\r\n\r\n").encode())
        await writer.drain()

    return handler


CHUNKED = b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"400\r\n" + b"x" * 1024 + b"\r\n"
DATE = "Retry-After: Thu, 01 Jan 1970 00:02:00 GMT"

FAULTS = {
    "timeout": (_silence, Outcome(failure=Failure.TIMEOUT), WAITING),
    "reset": (_reset, Outcome(failure=Failure.CONNECT), WAITING),
    "slow": (_endless(b"HTTP/1.1 200 OK\r\n", b"X", 50), Outcome(failure=Failure.TIMEOUT), WAITING),
    "hangs up": (_hang_up, Outcome(failure=Failure.PROTOCOL), WAITING),
    "not http": (_endless(b"220 mail ready\r\n", b"\r\n"), Outcome(failure=Failure.PROTOCOL), WAITING),
    "endless header": (_endless(b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65536), Outcome(failure=Failure.PROTOCOL), WAITING),
    "301": (_status("301 Moved", "Location: http://169.254.169.254/"), Outcome(301), WAITING),
    "307": (_status("307 Moved", "Location: http://127.0.0.1:1/"), Outcome(307), WAITING),
    "400": (_status("400 Bad Request"), Outcome(400), WAITING),
    "401": (_status("401 Unauthorized", "WWW-Authenticate: Basic"), Outcome(401), WAITING),
    "404": (_status("404 Not Found"), Outcome(404), WAITING),
    "410": (_status("410 Gone"), Outcome(410), DEAD),
    "429": (_status("429 Slow Down", "Retry-After: 120"), Outcome(429, retry_after_s=120.0), WAITING),
    "500": (_status("500 Oops"), Outcome(500), WAITING),
    "503": (_status("503 Busy", DATE), Outcome(503, retry_after_s=60.0), WAITING),
    "endless body": (_endless(CHUNKED % b"500 Oops", CHUNK), Outcome(500), WAITING),
    "endless body after 200": (_endless(CHUNKED % b"200 OK", CHUNK), Outcome(200), SENT),
    "slow body after 200": (_endless(CHUNKED % b"200 OK", b"1\r\nx\r\n", 50), Outcome(200), SENT),
    "broken body after 200": (_endless(CHUNKED % b"200 OK", b"zzz\r\n"), Outcome(200), SENT),
    "bomb": (_status("200 OK", "Content-Encoding: gzip"), Outcome(200), SENT),
}


@contextlib.asynccontextmanager
async def _line(url, **options):
    context = options.pop("tls", None) or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    line = Line(url, ManualClock(60.0), **({"allowed": LOOPBACK, "tls": context, "timeout_s": PATIENT_S} | options))
    yield line
    await line.aclose()


async def _post(listening, handler, scheme="http", tls=None, **options):
    async with (
        listening(handler, tls) as (port, accepted),
        _line(f"{scheme}://hooks.example.test:{port}/in?a=b", **({"resolve": _here} | options)) as line,
    ):
        return await asyncio.wait_for(line.post(b'{"a":1}', {"webhook-id": "i-1.1"}), 60), len(accepted)


async def _here(host, port):
    return ["127.0.0.1"]


@pytest.mark.parametrize(("handler", "expected", "state"), FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_is_named_and_leads_to_the_right_step(handler, expected, state, listening):
    outcome, accepted = run(_post(listening, handler))
    fresh = Delivery("i-1.1@ops", "i-1.1", "i-1", 1, "ops", b"{}", created=0.0)
    assert (outcome, accepted) == (expected, 1)
    assert next_attempt(fresh, outcome, 60.0, 0.5).state is state


def test_a_name_that_does_not_resolve(listening):
    async def fails(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    assert asyncio.run(_post(listening, _hang_up, resolve=fails)) == (Outcome(failure=Failure.DNS), 0)


def test_a_resolver_that_hangs_is_cut_off(listening):
    async def hangs(host, port):
        await asyncio.Event().wait()

    assert asyncio.run(_post(listening, _hang_up, resolve=hangs, timeout_s=0.5)) == (
        Outcome(failure=Failure.TIMEOUT),
        0,
    )


def test_a_port_where_nobody_listens():
    async def post():
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
            async with _line(f"http://127.0.0.1:{taken.getsockname()[1]}/") as line:
                return await line.post(b"", {})

    assert asyncio.run(post()) == Outcome(failure=Failure.CONNECT)


def test_a_receiver_that_speaks_no_tls(listening):
    async def plain(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n")
        await asyncio.Event().wait()

    outcome, _ = asyncio.run(_post(listening, plain, "https"))
    assert outcome.failure is Failure.TLS


def test_a_certificate_nobody_vouches_for(listening, certificate):
    outcome, _ = asyncio.run(_post(listening, _hang_up, "https", certificate[0]))
    assert outcome == Outcome(failure=Failure.TLS)


def test_the_certificate_is_checked_against_the_name_and_not_the_address(listening, certificate, answering):
    async def both():
        trusting = ssl.create_default_context(cafile=certificate[1])
        async with listening(answering("HTTP/1.1 204 No Content\r\n\r\n"), certificate[0]) as (port, _):
            for host in ("hooks.example.test", "other.example.test", "127.0.0.1"):
                async with _line(f"https://{host}:{port}/", tls=trusting, resolve=_here) as line:
                    yield (await line.post(b"{}", {})).why

    async def gather():
        return [why async for why in both()]

    assert asyncio.run(gather()) == ["answered 204", "tls", "tls"]


def test_posts_the_body_as_it_is_with_host_and_headers(listening, answering):
    seen = []
    asyncio.run(_post(listening, answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", seen)))
    head, body = seen[0]
    assert head.startswith("POST /in?a=b HTTP/1.1\r\nHost: hooks.example.test:")
    assert "webhook-id: i-1.1\r\n" in head
    assert body == b'{"a":1}'


def test_the_second_address_is_tried_where_the_first_does_not_answer(listening, answering):
    async def two(host, port):
        return ["127.0.0.9", "127.0.0.1"]

    answer = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert asyncio.run(_post(listening, answer, resolve=two)) == (Outcome(200), 1)


def test_every_attempt_is_a_connection_of_its_own(listening, answering):
    async def twice():
        answer = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        async with listening(answer) as (port, accepted), _line(f"http://127.0.0.1:{port}/") as line:
            await line.post(b"{}", {})
            await line.post(b"{}", {})
            return len(accepted)

    assert asyncio.run(twice()) == 2


def test_what_the_receiver_writes_is_never_repeated(listening):
    outcome, _ = asyncio.run(_post(listening, _status("500 <script>", "X-Canary: canary")))
    assert "script" not in outcome.why
    assert "canary" not in repr(outcome)
