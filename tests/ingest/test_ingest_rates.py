"""How many rows a token may send: the bucket, its bound over any span of time, and what is told to who is early."""

from itertools import accumulate, combinations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.ingest import rates as module
from monitor.ingest.problems import Refused
from monitor.ingest.rates import BURST_S, ROUNDING, Rate, Rates

TEN = Rate(10.0, 30.0)


@pytest.fixture
def clock():
    return ManualClock(1_000.0)


@pytest.fixture
def rates(clock):
    return Rates(clock)


def refusal(rates, rows, rate=TEN, token="a"):
    with pytest.raises(Refused) as error:
        rates.charge(token, rate, rows)
    return error.value


def wait_s(refused):
    (header,) = refused.headers
    assert header[0] == b"retry-after"
    return int(header[1])


def test_a_burst_is_ten_seconds_of_the_rate_unless_it_is_named():
    assert Rate.of(50) == Rate(50, 50 * BURST_S)
    assert Rate.of(50, 60) == Rate(50, 60)


def test_a_new_token_may_send_its_burst_at_once_and_no_row_more(rates):
    rates.charge("a", TEN, 30)
    refused = refusal(rates, 1)
    assert (refused.status, refused.reason) == (429, "rows_per_second")


def test_a_bucket_fills_by_its_rate_and_not_above_its_burst(rates, clock):
    rates.charge("a", TEN, 30)
    clock.step(1_001.0)
    rates.charge("a", TEN, 10)
    assert wait_s(refusal(rates, 1)) == 1
    clock.step(2_000.0)
    rates.charge("a", TEN, 30)
    assert wait_s(refusal(rates, 25)) == 3


def test_a_refused_request_takes_nothing(rates):
    rates.charge("a", TEN, 20)
    refusal(rates, 11)
    rates.charge("a", TEN, 10)


def test_one_token_does_not_spend_what_is_anothers(rates):
    rates.charge("a", TEN, 30)
    rates.charge("b", TEN, 30)


def test_a_request_that_could_never_pass_is_too_large_and_not_early(rates):
    refused = refusal(rates, 31)
    assert (refused.status, refused.reason, refused.headers) == (413, "too_many_rows", ())
    assert "may hold 30 rows" in refused.detail


def test_an_empty_bucket_is_told_before_the_body_is_read(rates, clock):
    rates.check("a", TEN)
    rates.charge("a", TEN, 30)
    with pytest.raises(Refused) as error:
        rates.check("a", TEN)
    assert (error.value.status, wait_s(error.value)) == (429, 1)
    clock.step(1_000.1)
    rates.check("a", TEN)


def test_a_token_without_a_rate_is_not_bounded_and_not_remembered(rates):
    rates.check("a", None)
    rates.charge("a", None, 10**9)
    assert len(rates) == 0


def test_a_token_that_was_given_another_rate_keeps_what_it_spent(rates, clock):
    rates.charge("a", TEN, 30)
    clock.step(1_001.0)
    slower = Rate(1.0, 5.0)
    rates.charge("a", slower, 5)
    assert wait_s(refusal(rates, 5, slower)) == 5


def test_buckets_that_are_full_again_are_forgotten(rates, clock, monkeypatch):
    monkeypatch.setattr(module, "BUCKETS_MAX", 3)
    for token in "abc":
        rates.charge(token, TEN, 10)
    clock.step(1_000.5)
    rates.charge("c", TEN, 10)
    clock.step(1_001.0)
    rates.charge("d", TEN, 10)
    assert len(rates) == 2


@given(
    st.integers(1, 1_000),
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 50_000), st.integers(1, 60)), min_size=1, max_size=40),
)
def test_no_span_of_time_lets_more_in_than_its_rate_and_one_burst(per_second, burst, sent):
    bucket, rate = Rates(ManualClock(0.0)), Rate.of(per_second, burst)
    times = list(accumulate(wait_ms / 1_000 for wait_ms, _ in sent))
    taken = [let_in(bucket, rate, rows, at) for at, (_, rows) in zip(times, sent, strict=True)]
    spans = combinations(range(len(times) + 1), 2)
    over = [sum(taken[i:j]) - (per_second * (times[j - 1] - times[i]) + burst) for i, j in spans]
    assert max(over) <= ROUNDING + 1e-6


@given(st.integers(1, 1_000), st.data())
def test_who_waits_as_long_as_told_is_let_in_and_a_second_less_does_not_do(per_second, data):
    burst = data.draw(st.integers(1, 10_000))
    spent, rows = data.draw(st.integers(1, burst)), data.draw(st.integers(1, burst))
    bucket, rate = Rates(ManualClock(0.0)), Rate.of(per_second, burst)
    bucket.charge("a", rate, spent)
    assume(spent + rows > burst)
    told = wait_s(refusal(bucket, rows, rate))
    assert told == 1 or not let_in(bucket, rate, rows, told - 1.0)
    assert let_in(bucket, rate, rows, float(told))


def let_in(bucket, rate, rows, at):
    """The rows that a request at this time gets in."""
    bucket._clock.step(at)
    try:
        bucket.charge("a", rate, rows)
    except Refused:
        return 0
    return rows
