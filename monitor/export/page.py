"""The finished bytes behind /metrics, and whether the daemon deserves to be called healthy.

A render encodes one snapshot twice (text 0.0.4 and OpenMetrics 1.0.0) and compresses each once; a scrape only picks
and appends. So a flood of scrapes costs nothing but copies, and a stuck daemon still answers.

It must not hide that it is stuck. Hence a *live* tail of a few lines, computed at each scrape from the monotonic
clock: the age of the render and of each heartbeat. After three missed renders the body is withheld and only the
tail is served: a stale value looks exactly like a calm one. `/-/healthy` says no when a heartbeat is older than 30 s.

The gzip variant is one member made of two deflate streams: the body's ends with a sync flush (RFC 1951, 3.2.4: an
empty stored block, byte-aligned), the tail's follows, and the check sum runs over both (RFC 1952). Two members would
do for Prometheus, but not for every client.

Cost: a render of 2,000 series 75 ms (229 kB, 12 kB as gzip), of 330 series 11 ms; a scrape .05 ms (measured 2026-11).
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as text_of
from prometheus_client.openmetrics import exposition as open_metrics

from monitor.clock import Clock
from monitor.export.collector import Collector, Families, families
from monitor.export.readings import Sample
from monitor.export.snapshot import Snapshot

HEARTBEAT_AGE_MAX_S = 30.0
MISSED_RENDERS_MAX = 3
CONTENT_TYPE_OPEN_METRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
EOF = b"# EOF\n"
GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # no name, no time: the same page gives the same bytes


@dataclass(frozen=True, slots=True)
class Body:
    """One render in one format, without its end; compressed up to a byte boundary."""

    plain: bytes = b""
    deflated: bytes = b""
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """One render: both formats and when it was made (monotonic seconds)."""

    at: float
    text: Body
    open_metrics: Body


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scrape is answered."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


class Page:
    """Holds the newest render. `render` is called by the daemon, the rest by the listener's threads."""

    def __init__(
        self,
        clock: Clock,
        collector: Collector,
        render_every_s: float,
        heartbeats: Mapping[str, Callable[[], float]],
    ) -> None:
        """`heartbeats`: by part of the daemon ("loop", "writer"), the monotonic time it last showed life."""
        self._clock = clock
        self._collector = collector
        self._age_max_s = MISSED_RENDERS_MAX * render_every_s
        self._heartbeats = dict(heartbeats)
        self._rendered = Rendered(clock.monotonic(), Body(), Body())  # before the first: empty, ages from the start

    def render(self, snapshot: Snapshot) -> None:
        """Replace what is served. Not to be called by two threads at once: the collector counts."""
        found = self._collector.collect(snapshot)
        text, open_ = _body(text_of(found)), _body(open_metrics_of(found).removesuffix(EOF))
        self._rendered = Rendered(self._clock.monotonic(), text, open_)

    def answer(self, accept: str = "", accept_encoding: str = "") -> Answer:
        """The page in the format and encoding that the client prefers among those we have."""
        rendered = self._rendered
        now = self._clock.monotonic()
        stale = now - rendered.at > self._age_max_s
        live = self._live(now, now - rendered.at, stale=stale)
        if wants_open_metrics(accept):
            kind, body, tail = CONTENT_TYPE_OPEN_METRICS, rendered.open_metrics, open_metrics_of(live)
        else:
            kind, body, tail = CONTENT_TYPE_PLAIN_0_0_4, rendered.text, text_of(live)
        if stale:
            body = Body()
        headers = (("Content-Type", kind), ("Vary", "Accept, Accept-Encoding"))
        if accepted(accept_encoding).get("gzip", 0) > 0:
            return Answer((*headers, ("Content-Encoding", "gzip")), gzipped(body, tail))
        return Answer(headers, body.plain + tail)

    def healthy(self, monotonic: float) -> tuple[bool, str]:
        """Whether every heartbeat is young enough, and if not, whose is not."""
        for part, beat in self._heartbeats.items():
            age_s = monotonic - beat()
            if age_s > HEARTBEAT_AGE_MAX_S:
                return False, f"the {part} has not moved for {age_s:.0f} s"
        return True, "ok"

    def _live(self, now: float, age_s: float, *, stale: bool) -> Families:
        ages = [
            Sample("tocsin_heartbeat_age_seconds", {"part": part}, now - beat())
            for part, beat in self._heartbeats.items()
        ]
        own = [Sample("tocsin_render_age_seconds", {}, age_s), Sample("tocsin_render_stale", {}, stale)]
        return families([*own, *ages])


def accepted(header: str) -> dict[str, float]:
    """What an Accept or Accept-Encoding header lists, lower-case, parameters dropped, with the highest quality of each.

    >>> accepted("text/plain;version=0.0.4;q=0.5, */*;q=0.1")
    {'text/plain': 0.5, '*/*': 0.1}
    """
    qualities: dict[str, float] = {}
    for item in header.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        if name:
            qualities[name] = max(_quality(parameters), qualities.get(name, 0.0))
    return qualities


def wants_open_metrics(accept: str) -> bool:
    """Whether OpenMetrics is named and nothing else is preferred to it."""
    qualities = accepted(accept)
    wish = qualities.get("application/openmetrics-text", 0.0)
    return wish > 0 and wish >= qualities.get("text/plain", 0.0)


def gzipped(body: Body, tail: bytes) -> bytes:
    """One gzip member holding the body and the tail."""
    size = (len(body.plain) + len(tail)) & 0xFFFFFFFF
    end = struct.pack("<II", zlib.crc32(tail, body.crc), size)
    return GZIP_HEADER + body.deflated + _deflated(tail, zlib.Z_FINISH) + end


def open_metrics_of(found: Families) -> bytes:
    """Encode as OpenMetrics, the end mark included."""
    encoded: bytes = open_metrics.generate_latest(found)  # type: ignore[no-untyped-call]  # not annotated there
    return encoded


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


def _body(plain: bytes) -> Body:
    return Body(plain, _deflated(plain, zlib.Z_SYNC_FLUSH), zlib.crc32(plain))


def _deflated(plain: bytes, end: int) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(plain) + stream.flush(end)
