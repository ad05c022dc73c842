import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.ingest.times import parse_time

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@settings(deadline=None, derandomize=True)
@given(st.datetimes(datetime(1902, 1, 1), datetime(2200, 1, 1), timezones=ZONES))  # noqa: DTZ001  # bounds are naive
def test_reads_what_datetime_writes(moment):
    assert parse_time(moment.isoformat()) == moment.timestamp()
    assert parse_time(moment.isoformat(" ")) == moment.timestamp()
    utc = moment.astimezone(UTC).isoformat().removesuffix("+00:00")
    assert parse_time(utc + "Z") == parse_time(utc.lower() + "z") == moment.timestamp()


def test_an_offset_does_not_cost_the_last_digits():
    assert parse_time("1970-01-01T05:00:00.1+05:00") == 0.1


@pytest.mark.parametrize("number", [0, 1, -1.5, 1_362_132_900, 1e300, -0.0])
def test_takes_unix_seconds(number):
    assert parse_time(number) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Z",
        "now",
        "1362132900",
        "2013-03-01",
        "2013-03-01T05:15Z",
        "2013-03-01T05:15:00",
        "2013-W09-5T05:15:00Z",
        "20130301T051500Z",
        "2013-03-01_05:15:00Z",
        "2013-03-01T05:15:00,5Z",
        "2013-03-01T05:15:00+0500",
        "2013-03-01T05:15:00+05",
        "2013-03-01T05:15:00+05:00:01",
        "2013-03-01T05:15:00+25:00",
        "2013-03-01T05:15:60Z",
        "2013-03-01T24:00:00Z",
        "2013-02-30T05:15:00Z",
        "2013-03-01T05:15:00Z\n",
        " 2013-03-01T05:15:00Z",
        "\uff12013-03-01T05:15:00Z",
        "2013-03-01T05:15:00." + "1" * 100 + "Z",
        "2013-03-01T05:15:00\ud800",
    ],
)
def test_refuses_what_rfc_3339_does_not_know(text):
    assert parse_time(text) is None


@pytest.mark.parametrize("value", [None, True, False, math.nan, math.inf, -math.inf, 10**400, [], {}, b"", object()])
def test_refuses_what_is_no_time(value):
    assert parse_time(value) is None


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.text(alphabet="0123456789TtZz:+-. W\x00é", max_size=45))
def test_any_text_is_a_finite_time_or_none(text):
    found = parse_time(text)
    assert found is None or math.isfinite(found)
