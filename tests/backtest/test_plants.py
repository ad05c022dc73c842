"""Planted shifts: what can be written, what is refused, where they are put, and which rows they touch."""

from datetime import UTC, datetime

import numpy as np
import pytest
from histories import START, terms

from monitor.backtest.plants import (
    COLUMNS_MAX,
    ONSETS,
    PLANTS_MAX,
    SIZES,
    Change,
    Plant,
    battery,
    place,
    read_plants,
    touched,
)
from monitor.errors import SettingsError

DAY_S = 86_400.0


def read(*texts: str) -> tuple[Plant, ...]:
    return read_plants(texts, terms().layout)


@pytest.mark.parametrize(
    ("text", "change", "size", "told"),
    [
        ("f0+0.5sigma", Change.MOVE, 0.5, "0.5sigma"),
        ("f0-1sigma", Change.MOVE, -1.0, "1sigma"),
        ("f1+.2sigma", Change.MOVE, 0.2, "0.2sigma"),
        ("f2=missing:5%", Change.DROP, 0.05, "5%"),
        ("label~10%", Change.FLIP, 0.1, "10%"),
    ],
)
def test_a_shift_is_read(text: str, change: Change, size: float, told: str) -> None:
    (plant,) = read(text)
    assert (plant.change, plant.size, plant.told, plant.onset) == (change, pytest.approx(size), told, None)


@pytest.mark.parametrize(
    ("onset", "means"),
    [
        ("2013-06-01", datetime(2013, 6, 1, tzinfo=UTC)),
        ("2013-06-01T12:30", datetime(2013, 6, 1, 12, 30, tzinfo=UTC)),
        ("2013-06-01T12:00:00+02:00", datetime(2013, 6, 1, 10, tzinfo=UTC)),
    ],
)
def test_an_onset_is_a_date_or_a_time_utc_where_it_names_no_zone(onset: str, means: datetime) -> None:
    assert read(f"f0+1sigma@{onset}")[0].onset == means.timestamp()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("f9+1sigma", "f9 is no feature"),
        ("f0+1", "is no shift"),
        ("", "is no shift"),
        ("f0=UA:20%", "f0 is a number"),
        ("f0=missing:0%", "a share above 0"),
        ("label~101%", "a share above 0"),
        ("f0+1sigma@yesterday", "no time that can be read"),
    ],
)
def test_what_cannot_be_planted_is_told(text: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        read(text)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read("f9+1sigma", "f0+1sigma", "nonsense")
    assert len(refused.value.problems) == 2


def test_the_battery_asks_every_size_of_a_bounded_sample_of_columns() -> None:
    plants = tuple(battery(terms().layout))
    assert {plant.column for plant in plants} == {"f0", "f1", "f2"}
    assert [plant.size for plant in plants] == list(SIZES) * 3
    assert COLUMNS_MAX * len(SIZES) * ONSETS <= PLANTS_MAX


def test_onsets_are_spread_and_leave_time_to_be_found() -> None:
    placed = place(read("f0+1sigma"), START, START + 10 * DAY_S, DAY_S, 60.0)
    onsets = [plant.onset for plant in placed]
    assert len(set(onsets)) == ONSETS
    assert min(onsets) > START
    assert max(onsets) <= START + 9 * DAY_S
    assert all(onset % 60.0 == 0 for onset in onsets)


def test_an_onset_outside_of_the_history_is_refused() -> None:
    with pytest.raises(SettingsError, match="outside of the history"):
        place(read("f0+1sigma@1999-01-01"), START, START + DAY_S, DAY_S, 60.0)


def test_too_many_shifts_are_refused() -> None:
    with pytest.raises(SettingsError, match="at most 500"):
        place(read("all") * 12, START, START + DAY_S, DAY_S, 60.0)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.9, 1.0])
def test_a_share_of_the_rows_is_touched_within_five_standard_errors(share: float) -> None:
    hit = touched(np.arange(100_000), share).mean()
    assert abs(hit - share) <= 5 * np.sqrt(share * (1 - share) / 100_000)


def test_which_rows_are_touched_depends_on_their_place_alone_and_grows_with_the_share() -> None:
    places = np.arange(10_000)
    few, many = touched(places, 0.1), touched(places, 0.3)
    assert (many | ~few).all()
    assert np.array_equal(touched(places[500:], 0.1), few[500:])
