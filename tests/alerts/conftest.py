"""Real sockets on loopback, and one notice to send."""

import asyncio
import contextlib
import ssl
import subprocess

import pytest

from monitor.facts import (
    Alert,
    AlertState,
    BundleId,
    Incident,
    ModelName,
    Notice,
    NoticeStatus,
    Reading,
    Severity,
    Slot,
    Verdict,
)


@contextlib.asynccontextmanager
async def listening(handler, tls=None, host="127.0.0.1", port=0):
    """A server whose connections are `handler(reader, writer)`; yields its port and the list of peers it accepted."""
    accepted, tasks = [], set()

    async def connected(reader, writer):
        accepted.append(writer.get_extra_info("peername"))
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        writer.close()

    server = await asyncio.start_server(connected, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1], accepted
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(text, seen=None):
    """A handler that reads one request and answers `text`."""

    async def handler(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        size = next(int(line[15:]) for line in head.decode().lower().split("\r\n") if line.startswith("content-length"))
        body = await reader.readexactly(size)
        if seen is not None:
            seen.append((head.decode(), body))
        writer.write(text if isinstance(text, bytes) else text.encode())
        await writer.drain()

    return handler


@pytest.fixture(name="listening")
def _listening():
    return listening


@pytest.fixture(name="answering")
def _answering():
    return answering


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate for hooks.example.test: (server context, path of the certificate)."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    name = ["-subj", "/CN=hooks.example.test", "-addext", "subjectAltName=DNS:hooks.example.test"]
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*make, "-keyout", key, "-out", cert, "-days", "3", *name], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context, cert


def make_alert(rule="paired_error", segment="", state=AlertState.FIRING, **reading):
    numbers = {"n": 1812, "value": 0.123456789, "limit": 0.05, "low": 0.09, "high": 0.15, "unit": "share"} | reading
    slot = Slot(rule, segment, 2, 1000.0, 1600.0, Reading(Verdict.BREACH, **numbers), worst=("dep_hour", "wind"))
    return Alert(ModelName("delays"), rule, segment, state, since=1700.0, fired=1650.0, epoch=2, evidence=(slot,))


def make_notice(number=1, incident="i-1", status=NoticeStatus.FIRING, alerts=None, **fields):
    closed = 2500.0 if status is NoticeStatus.RESOLVED else None
    about = Incident(
        incident, ModelName("delays"), 1650.0, 2, BundleId("sha256:" + "b" * 64), "paired_error", (), closed
    )
    given = {
        "id": f"{incident}.{number}",
        "status": status,
        "incident": about,
        "alerts": (make_alert(),) if alerts is None else alerts,
        "severity": Severity.CRITICAL,
        "summary": "delays errs 12 points more than the known-good; rolled back to v1",
    }
    return Notice(**(given | fields))


@pytest.fixture
def alert():
    return make_alert


@pytest.fixture
def notice():
    return make_notice
