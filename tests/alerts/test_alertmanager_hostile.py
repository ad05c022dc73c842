"""A hostile Alertmanager over real sockets: each round ends, is counted by its reason, and follows nobody elsewhere."""

import asyncio
import itertools
import ssl

import pytest
from patience import PATIENT_S, run, time_is_up
from said import KEY, Mouth

from monitor.alerts.alertmanager import Pusher
from monitor.alerts.silences import Book
from monitor.alerts.transport import Line
from monitor.clock import WallClock
from monitor.wire.addresses import networks

TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
STARTED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


def taking_then(begin, again=b"", pause_s=0.0, until=0):
    """Takes what is posted, and answers what is asked with `begin`, then `again` without end; time is up after some."""

    async def handler(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            writer.write(TAKEN)
            return await writer.drain()
        writer.write(begin)
        for sent in itertools.count(1) if again else ():
            writer.write(again)
            await writer.drain()
            if sent == until:
                time_is_up()
            await asyncio.sleep(pause_s)
        return await writer.drain()

    return handler


HOSTILE = {
    "hangs": (taking_then(STARTED, b" ", 60.0, until=1), "timeout"),
    "slow bytes": (taking_then(STARTED, b" ", 0.001, until=50), "timeout"),
    "endless body": (taking_then(STARTED, b" " * 65_536), "protocol"),
    "endless list": (taking_then(STARTED + b"[", b'{"labels":{},"status":{}},' * 2_000), "protocol"),
    "garbage": (taking_then(STARTED + b'[{"labels": \xff\x00'), "answer"),
    "deep": (taking_then(STARTED + b'[{"labels":{},"status":{},"x":' + b"[" * 500_000), "answer"),
    "redirect": (taking_then(b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/latest\r\n\r\n"), "3xx"),
    "500": (taking_then(b"HTTP/1.1 500 Oops\r\n\r\n"), "5xx"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_round_with_a_hostile_one_ends_is_counted_and_silences_nothing(listening, name):
    handler, reason = HOSTILE[name]

    async def story():
        async with listening(handler) as (port, accepted):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            allowed = networks(["127.0.0.0/8"])
            line = Line(f"http://127.0.0.1:{port}", WallClock(), allowed=allowed, tls=context, timeout_s=PATIENT_S)
            book, mouth = Book(["main"]), Mouth("drift")
            pusher = Pusher("main", line, mouth.say, book, clock=WallClock(), wait=asyncio.sleep, resend_s=60.0)
            async with asyncio.timeout(4 * PATIENT_S):
                again_s = await pusher.round()
            await line.aclose()
            return again_s, pusher.told, book.words(KEY, 0.0), len(accepted)

    again_s, told, words, connections = run(story())
    assert (again_s, dict(told.failures), words) == (1.0, {reason: 1}, "")
    assert (told.posts, connections) == (1, 2)  # it was told, and asked once
