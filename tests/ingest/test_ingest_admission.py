import asyncio

import pytest

from monitor.ingest.admission import Admission, Disconnected
from monitor.ingest.counters import Counters
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused

LIMITS = Limits(body_bytes_max=100, in_flight_bytes_max=150, requests_max=3, body_timeout_s=0.05)


@pytest.fixture
def counters():
    return Counters()


@pytest.fixture
def admission(counters):
    return Admission(LIMITS, counters)


def sending(*messages):
    """A receive that hands out these bodies, more to come after each but the last; None hangs up."""
    waiting = [
        {"type": "http.disconnect"}
        if body is None
        else {"type": "http.request", "body": body, "more_body": index < len(messages) - 1}
        for index, body in enumerate(messages)
    ]

    async def receive():
        return waiting.pop(0)

    return receive


async def stalling():
    await asyncio.Event().wait()


def take(admission, declared, receive):
    async def run():
        with admission.admit(declared, LIMITS.body_bytes_max) as ticket:
            return await ticket.read(receive)

    return asyncio.run(run())


def refused(admission, declared, receive=stalling):
    with pytest.raises(Refused) as error:
        take(admission, declared, receive)
    return error.value


@pytest.mark.parametrize("declared", [None, 6])
def test_reads_a_body_whole_and_gives_everything_back(admission, counters, declared):
    assert take(admission, declared, sending(b"abc", b"", b"def")) == b"abcdef"
    assert (counters.in_flight_bytes, counters.in_flight_requests) == (0, 0)


def test_charges_what_was_declared_while_the_request_is_in(admission, counters):
    with admission.admit(70, 100):
        assert (counters.in_flight_bytes, counters.in_flight_requests) == (70, 1)


def test_a_body_above_the_cap_is_refused_unread(admission):
    error = refused(admission, 101)
    assert (error.status, error.reason) == (413, "body_too_large")
    assert (b"connection", b"close") in error.headers


@pytest.mark.parametrize("declared", [None, 5])
def test_a_body_that_grows_above_the_cap_is_refused_while_it_is_read(admission, counters, declared):
    assert refused(admission, declared, sending(b"x" * 60, b"x" * 41)).status == 413
    assert counters.in_flight_bytes == 0


def test_over_the_byte_budget_a_sender_is_told_when_to_come_again(admission, counters):
    with admission.admit(90, 100):
        error = refused(admission, 61)
        assert (error.status, error.reason, error.headers) == (429, "bytes_in_flight", ((b"retry-after", b"1"),))
        assert take(admission, 60, sending(b"x" * 60))
    assert counters.in_flight_bytes == 0


def test_a_chunked_body_is_charged_as_it_comes(admission, counters):
    with admission.admit(90, 100):
        assert refused(admission, None, sending(b"x" * 40, b"x" * 40)).reason == "bytes_in_flight"
        assert counters.in_flight_bytes == 90


def test_only_so_many_requests_are_in(admission, counters):
    with admission.admit(1, 100), admission.admit(1, 100), admission.admit(1, 100):
        assert refused(admission, 1).reason == "requests_in_flight"
    assert counters.in_flight_requests == 0


def test_a_body_that_stalls_is_given_up(admission, counters):
    error = refused(admission, 10)
    assert (error.status, error.reason) == (408, "body_timeout")
    assert (counters.in_flight_bytes, counters.in_flight_requests) == (0, 0)


def test_a_body_that_drips_is_given_up_too(admission):
    async def drip():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"", "more_body": True}

    assert refused(admission, None, drip).status == 408


def test_a_sender_that_hangs_up_costs_nothing(admission, counters):
    with pytest.raises(Disconnected):
        take(admission, 10, sending(b"abc", None))
    assert (counters.in_flight_bytes, counters.in_flight_requests) == (0, 0)


def test_an_error_inside_gives_everything_back(admission, counters):
    with pytest.raises(ZeroDivisionError), admission.admit(10, 100):
        raise ZeroDivisionError
    assert (counters.in_flight_bytes, counters.in_flight_requests) == (0, 0)
