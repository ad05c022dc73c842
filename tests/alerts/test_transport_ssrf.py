"""60 ways to spell an address that a webhook must not reach: no connection is made, and the counter works."""

import asyncio
import ssl

import httpx
import pytest
from servers import free_port

from monitor.alerts.retry import Failure
from monitor.alerts.transport import Line
from monitor.clock import ManualClock
from monitor.wire.addresses import networks
from monitor.wire.connect import CheckedBackend, Refused

LOOPBACK = networks(["127.0.0.0/8", "::1"])

# Hosts as they would stand in a URL; what the name resolves to, where it is a name.
LITERALS = [
    "127.0.0.1",
    "127.0.0.2",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "0.0",
    "00",
    "0x0",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.01",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0.0.1",
    "0x7f.1",
    "127.0x0.0.1",
    "127.00.00.01",
    "4294967295",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[2001:0:7f00:1::1]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "100.100.100.200",
    "168.63.129.16",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST",
    "127.0.0.1.",
    "127\u30020\u30020\u30021",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "127.0.0.1%2f",
    "127.0.0.1%00.example.test",
    "[::1%251]",
]
NAMES = {
    "loopback": ["127.0.0.1"],
    "loopback-6": ["::1"],
    "metadata": ["169.254.169.254"],
    "mixed": ["93.184.215.14", "127.0.0.1"],
    "mixed-6": ["2606:4700::1", "::ffff:127.0.0.1"],
    "scoped": ["fe80::1%1"],
    "nonsense": ["127.1"],
    "empty": [],
}


async def _ok(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


async def _attempt(listening, host, resolve=None, allowed=()):
    """Post to `host` on the port of a real listener; return (outcome, connections accepted)."""

    port = free_port()  # of both kinds of address
    async with listening(_ok, port=port) as (_, accepted), listening(_ok, host="::1", port=port) as (_, also):
        clear = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        line = Line(f"http://{host}:{port}/", ManualClock(), allowed=allowed, resolve=resolve, timeout_s=60, tls=clear)
        outcome = await line.post(b"{}", {})
        await line.aclose()
        await asyncio.sleep(0)
        return outcome, len(accepted) + len(also)


def _resolver(*answers):
    answers = list(answers)

    async def resolve(host, port):
        return answers.pop(0) if len(answers) > 1 else answers[0]

    return resolve


@pytest.mark.parametrize("host", LITERALS)
def test_no_spelling_of_a_forbidden_address_opens_a_connection(host, listening):
    try:
        outcome, accepted = asyncio.run(_attempt(listening, host))
    except httpx.InvalidURL:
        return
    assert (outcome.status, accepted) == (None, 0)
    assert outcome.failure in {Failure.REFUSED, Failure.DNS}


@pytest.mark.parametrize("answer", NAMES.values(), ids=NAMES)
def test_no_name_that_resolves_to_a_forbidden_address_opens_a_connection(answer, listening):
    outcome, accepted = asyncio.run(_attempt(listening, "hooks.example.test", _resolver(answer)))
    assert (outcome.status, accepted) == (None, 0)
    assert outcome.failure is (Failure.REFUSED if answer else Failure.DNS)


@pytest.mark.parametrize("answer", [["93.184.215.14"], ["127.0.0.1", "93.184.215.14"], ["2606:4700::1"]], ids=str)
def test_plain_http_to_a_name_outside_the_listed_networks_opens_no_connection(answer, listening):
    """The settings take `http://name/` as soon as networks are listed; where the name leads is seen here."""
    outcome, accepted = asyncio.run(_attempt(listening, "hooks.example.test", _resolver(answer), LOOPBACK))
    assert (outcome.status, outcome.failure, accepted) == (None, Failure.REFUSED, 0)


@pytest.mark.parametrize(("plain", "passes"), [(False, True), (True, False)])
def test_a_public_address_that_is_not_listed_needs_tls(plain, passes):
    backend = CheckedBackend(_resolver(["93.184.215.14"]), LOOPBACK, plain=plain)
    if passes:
        assert asyncio.run(backend._checked("hooks.example.test", 443)) == ["93.184.215.14"]
    else:
        with pytest.raises(Refused, match="plain http"):
            asyncio.run(backend._checked("hooks.example.test", 80))


@pytest.mark.parametrize(("scheme", "plain"), [("http", True), ("HTTP", True), ("https", False), ("HTTPS", False)])
def test_the_scheme_of_the_url_says_whether_there_will_be_tls(scheme, plain):
    line = Line(f"{scheme}://hooks.example.test/", ManualClock(), tls=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    assert line._pool._network_backend._plain is plain
    asyncio.run(line.aclose())


def test_there_are_at_least_sixty_forms():
    assert len(set(LITERALS)) + len(NAMES) >= 60


@pytest.mark.parametrize(("host", "answer"), [("127.0.0.1", None), ("[::1]", None), ("hooks.example.test", ["::1"])])
def test_a_listed_network_is_reached_so_the_counter_counts(host, answer, listening):
    resolve = _resolver(answer) if answer else None
    outcome, accepted = asyncio.run(_attempt(listening, host, resolve, LOOPBACK))
    assert (outcome.status, accepted) == (200, 1)


def test_listing_loopback_does_not_make_odd_spellings_good(listening):
    outcome, accepted = asyncio.run(_attempt(listening, "2130706433", allowed=LOOPBACK))
    assert (outcome.failure, accepted) == (Failure.REFUSED, 0)


def test_a_name_that_rebinds_is_never_resolved_twice_for_one_connection(listening):
    calls = []

    async def resolve(host, port):
        calls.append(host)
        return ["127.0.0.1"] if len(calls) == 1 else ["169.254.169.254"]

    outcome, accepted = asyncio.run(_attempt(listening, "rebind.example.test", resolve, LOOPBACK))
    assert (outcome.status, accepted, calls) == (200, 1, ["rebind.example.test"])


def test_a_name_that_rebinds_between_attempts_is_refused_at_the_second(listening):
    async def twice():
        allowed = networks(["127.0.0.1"])
        async with listening(_ok) as (port, accepted):
            resolve = _resolver(["127.0.0.1"], ["127.0.0.2"])
            line = Line(f"http://rebind.example.test:{port}/", ManualClock(), allowed=allowed, resolve=resolve)
            outcomes = [await line.post(b"{}", {}) for _ in range(2)]
            await line.aclose()
            return [o.status or o.failure for o in outcomes], len(accepted)

    assert asyncio.run(twice()) == ([200, Failure.REFUSED], 1)


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxy_variables_open_no_way_round(variable, listening, monkeypatch):
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    outcome, _ = asyncio.run(_attempt(listening, "hooks.example.test", _resolver(["10.0.0.1"])))
    assert outcome.failure is Failure.REFUSED
