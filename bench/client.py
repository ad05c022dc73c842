"""The sender of the intake figures, a process of its own: raw sockets on uvloop, prepared bodies, one answer at a time.

    python -m bench.client PORT CONNECTIONS ROWS SECONDS ROWS_A_SECOND [arrow] < token

Each connection sends a request, waits for its answer and sends the next (a closed loop), with ROWS rows in each: 1 is
a JSON object, more are NDJSON, or an Arrow stream if so asked. With ROWS_A_SECOND above 0 they wait for their turn
instead. Prints JSON: requests, rows, errors, latencies, seconds, processor seconds of the sending.

The sender must leave the cores to the daemon. A request with one row costs it about 20 us. A stream of 10,000 rows is
made once a connection, before the clock starts, but for six digits of the ids, which count the streams: these are
written over in place, and the buffer is sent as it is, without a copy: what remains is the kernel's. So every id comes
once, as the daemon must find out for itself, while the features of a connection's streams repeat; nothing in the daemon
depends on that, and no compression is used. Bytes from many different buffers would be a little colder in the cache.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa
import uvloop

from bench.figure import percentile
from bench.rows import bodies, columns

POOL = 1_000  # different rows, under ids that never repeat
HEAD_END = b"\r\n\r\n"
DIGITS = 6  # of the streams of a connection


@dataclass(slots=True)
class Tally:
    """What came back."""

    latencies_s: list[float] = field(default_factory=list)
    rows: int = 0
    errors: int = 0
    first_error: str = ""


class Sender(asyncio.Protocol):
    """One connection."""

    def __init__(self, head: bytes, make: "Bodies | Stream", tally: Tally, pace: "Pace") -> None:
        """`head` is the request's up to its length."""
        self._head, self._make, self._tally, self._pace = head, make, tally, pace
        self._left = b""
        self._began = 0.0
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are not instances of it
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take an answer when it is complete."""
        self._left += data
        head, found, rest = self._left.partition(HEAD_END)
        if found and len(rest) >= _length(head):
            self._left = b""
            self._took(head, rest)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits for the end; a connection that the other side ended is an error."""
        if not self._pace.over():
            self._tally.errors += 1
            self._tally.first_error = self._tally.first_error or f"connection lost: {exc}"
        self.closed.set_result(None)

    def _took(self, head: bytes, body: bytes) -> None:
        if head[9:12] == b"200":
            self._tally.latencies_s.append(time.perf_counter() - self._began)
            self._tally.rows += self._make.rows
        else:
            self._tally.errors += 1
            self._tally.first_error = self._tally.first_error or (head[:40] + body[:200]).decode(errors="replace")

    def _next(self) -> None:
        if self._pace.over():
            self._transport.close()
        elif (wait_s := self._pace.wait_s(self._make.rows)) > 0:
            asyncio.get_running_loop().call_later(wait_s, self._send)
        else:
            self._send()

    def _send(self) -> None:
        body = self._make()
        self._began = time.perf_counter()
        head = b"%bContent-Length: %d\r\n\r\n" % (self._head, len(body))
        if isinstance(body, bytes):
            self._transport.write(head + body)
        else:
            self._transport.writelines([head, body])


class Bodies:
    """Makes request bodies of `rows` rows, each id once."""

    def __init__(self, rows: int) -> None:
        """Prepare the rows but for their ids."""
        self.rows = rows
        self._pool = itertools.cycle(bodies(POOL, seed=3))
        self._ids = itertools.count()
        self._run = b"%x-" % time.time_ns()

    def __call__(self) -> bytes:
        """The next body."""
        some = zip(range(self.rows), self._ids, self._pool, strict=False)
        return b"\n".join([b'{"id":"%b%d"%b' % (self._run, i, row) for _, i, row in some])


class Stream:
    """Makes the Arrow streams of one connection, `rows` rows each, in one buffer: each is to be sent before the next.

    An id is the run, the connection, the stream and the row, in fixed places; only the stream's digits are rewritten.
    """

    def __init__(self, rows: int, run: str, connection: int) -> None:
        """Prepare the stream."""
        self.rows = rows
        self._next = 0
        before = f"{run}-{connection:02}-"
        ids = [f"{before}{0:0{DIGITS}}-{row:06}" for row in range(rows)]
        batch = columns(rows, connection, ids)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        self._body = bytearray(sink.getvalue())
        at, width = self._body.find(ids[0].encode()), len(ids[0])
        table = np.frombuffer(self._body, np.uint8, rows * width, at).reshape(rows, width)
        self._digits = table[:, len(before) : len(before) + DIGITS]

    def __call__(self) -> memoryview:
        """The next body; the one before is lost."""
        self._digits[:] = np.frombuffer(f"{self._next:0{DIGITS}}".encode(), np.uint8)
        self._next += 1
        return memoryview(self._body)


class Pace:
    """When to stop, and how fast to go; 0 rows a second means as fast as answers come."""

    def __init__(self, seconds: float, rows_a_second: float) -> None:
        """Start the clock."""
        self.began = time.perf_counter()
        self._end = self.began + seconds
        self._rate = rows_a_second
        self._sent = 0

    def over(self) -> bool:
        """Whether the time is up."""
        return time.perf_counter() >= self._end

    def wait_s(self, rows: int) -> float:
        """Seconds until these rows are due; they count as sent."""
        due = self.began + self._sent / self._rate if self._rate else 0.0
        self._sent += rows
        return due - time.perf_counter()


def _length(head: bytes) -> int:
    lower = head.lower()
    return int(lower[lower.index(b"content-length:") + 15 :].split(b"\r\n", 1)[0])


async def send(port: int, makes: Sequence[Bodies | Stream], pace: Pace, token: str) -> Tally:
    """Keep a connection for each of `makes` busy until the time is up."""
    kind = "application/json" if makes[0].rows == 1 else "application/x-ndjson"
    if isinstance(makes[0], Stream):
        kind = "application/vnd.apache.arrow.stream"
    head = (
        f"POST /v1/predictions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {kind}\r\n"
    ).encode()
    tally = Tally()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda make=make: Sender(head, make, tally, pace), "127.0.0.1", port)
        for make in makes
    ]
    await asyncio.gather(*(sender.closed for _, sender in made))
    return tally


def main() -> None:
    """Send, and print what came of it."""
    port, connections, rows = map(int, sys.argv[1:4])
    seconds, rate = map(float, sys.argv[4:6])
    run = f"{time.time_ns():x}"
    makes: list[Bodies | Stream] = [Bodies(rows)] * connections  # one counter of ids for all
    if sys.argv[6:] == ["arrow"]:
        makes = [Stream(rows, run, connection) for connection in range(connections)]
    token = sys.stdin.readline().strip()
    prepared_s = time.process_time()
    pace = Pace(seconds, rate)
    tally = uvloop.run(send(port, makes, pace, token))
    took_s = time.perf_counter() - pace.began
    found = tally.latencies_s or [0.0]
    cpu_s = time.process_time() - prepared_s
    report = {"requests": len(tally.latencies_s), "rows": tally.rows, "errors": tally.errors, "seconds": took_s}
    report |= {"first_error": tally.first_error, "cpu_s": cpu_s}
    report |= {f"p{share * 100:g}_ms": 1e3 * percentile(found, share) for share in (0.5, 0.99, 0.999)}
    print(json.dumps(report))


if __name__ == "__main__":
    main()
