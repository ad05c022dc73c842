import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from monitor.alerts.retry import (
    ATTEMPTS_MIN,
    GIVE_UP_S,
    LONGEST_S,
    Delivery,
    DeliveryState,
    Failure,
    Outcome,
    due,
    next_attempt,
    parse_retry_after,
)

FRESH = Delivery("i-1.1@ops", "i-1.1", "i-1", 1, "ops", b"{}", created=1000.0)
WAITING, SENT, DEAD, WITHDRAWN = DeliveryState
OUTCOMES = st.one_of(
    st.builds(Outcome, status=st.integers(100, 599), retry_after_s=st.none() | st.floats(-1e9, 1e12)),
    st.builds(Outcome, failure=st.sampled_from(Failure)),
)
JITTER = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_delivered(status):
    after = next_attempt(FRESH, Outcome(status), 1001.0, 0.5)
    assert (after.state, after.attempts, after.ended) == (SENT, 1, 1001.0)


@pytest.mark.parametrize("status", [100, 199, 300, 301, 307, 400, 401, 403, 404, 409, 422, 429, 500, 502, 503, 599])
def test_anything_else_is_tried_again(status):
    after = next_attempt(FRESH, Outcome(status), 1001.0, 0.5)
    assert (after.state, after.why) == (WAITING, f"answered {status}")


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_is_tried_again(failure):
    assert next_attempt(FRESH, Outcome(failure=failure), 1001.0, 0.5).state is WAITING


def test_gone_is_given_up_at_once():
    assert next_attempt(FRESH, Outcome(410), 1001.0, 0.5).state is DEAD


def test_the_wait_doubles_from_a_second_to_an_hour():
    waits, delivery = [], FRESH
    for _ in range(15):
        delivery = next_attempt(delivery, Outcome(500), 1000.0, 0.999999)
        waits.append(round(delivery.next_at - 1000.0))
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600, 3600]


def test_the_jitter_is_full():
    assert next_attempt(replace(FRESH, attempts=10), Outcome(500), 0.0, 0.0).next_at == pytest.approx(0.1)
    assert next_attempt(replace(FRESH, attempts=10), Outcome(500), 0.0, 0.5).next_at == pytest.approx(512.0)


@pytest.mark.parametrize(("status", "waits"), [(429, 120.0), (503, 120.0), (500, 0.5), (302, 0.5)])
def test_retry_after_counts_only_where_it_means_that(status, waits):
    after = next_attempt(FRESH, Outcome(status, retry_after_s=120.0), 1000.0, 0.5)
    assert after.next_at - 1000.0 == waits


def test_a_receiver_cannot_ask_for_more_than_an_hour_or_less_than_the_back_off():
    long = next_attempt(FRESH, Outcome(429, retry_after_s=1e9), 1000.0, 0.5)
    short = next_attempt(replace(FRESH, attempts=5), Outcome(429, retry_after_s=0.0), 1000.0, 0.5)
    assert (long.next_at, short.next_at) == (1000.0 + LONGEST_S, 1016.0)


def test_is_given_up_after_72_hours():
    tried = replace(FRESH, attempts=100)
    assert next_attempt(tried, Outcome(500), FRESH.created + GIVE_UP_S - 1, 0.5).state is WAITING
    assert next_attempt(tried, Outcome(500), FRESH.created + GIVE_UP_S, 0.5).state is DEAD


def test_a_clock_that_jumps_ahead_does_not_bury_what_was_hardly_tried():
    assert next_attempt(FRESH, Outcome(500), 1e10, 0.5).state is WAITING
    assert next_attempt(replace(FRESH, attempts=ATTEMPTS_MIN - 1), Outcome(500), 1e10, 0.5).state is DEAD


def test_a_clock_that_is_set_back_does_not_put_off_the_next_attempt():
    delivery = replace(FRESH, next_at=1000.0 + LONGEST_S)
    assert not due(delivery, 1000.0)
    assert due(delivery, 1000.0 + LONGEST_S)
    assert due(delivery, 999.0)


@settings(derandomize=True)
@given(st.lists(st.tuples(OUTCOMES, JITTER), max_size=40), st.integers(0, 10_000))
def test_who_and_what_never_changes_and_the_wait_is_bounded(history, attempts):
    delivery, wall = replace(FRESH, attempts=attempts), 1000.0
    for outcome, jitter in history:
        delivery = next_attempt(delivery, outcome, wall, jitter)
        if delivery.state is not WAITING:
            break
        assert delivery.next_at - wall >= 0.1 - 1e-6
        assert delivery.next_at - wall <= LONGEST_S + 1e-6
        wall = delivery.next_at
    assert (delivery.id, delivery.notice_id, delivery.body, delivery.created) == ("i-1.1@ops", "i-1.1", b"{}", 1000.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        (" 120 ", 120.0),
        ("9" * 400, 999999999.0),
        ("Thu, 01 Jan 1970 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:02:00", 60.0),
        ("Thursday, 01-Jan-70 00:02:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Thu, 99 Jan 1970 00:02:00 GMT", None),
        ("Thu, 01 Jan 99999999 00:02:00 GMT", None),
        ("Thu, 01 Jan 99999999999999999999 00:02:00 GMT", None),
        ("Thu, 01 Jan 1970 00:02:00 +99999999", None),
    ],
)
def test_reads_both_forms_of_retry_after_and_nothing_else(text, seconds):
    assert parse_retry_after(text, 60.0) == seconds


@settings(derandomize=True)
@given(st.text(), st.floats(0, 1e10))
def test_no_retry_after_raises(text, wall):
    assert (parse_retry_after(text, wall) or 0.0) >= 0.0
