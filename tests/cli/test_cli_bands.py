"""`tocsin bands`: every band with what it is made of, by the hour where there is a rhythm."""

import csv
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import cos, pi
from pathlib import Path
from random import Random
from typing import Any

import pytest

from monitor.cli.exits import Exit

Tocsin = Callable[..., Any]
SCHEMA = """
model: m
features: {load: numeric, kind: categorical}
classes: ["no", "yes"]
positive: "yes"
columns: {prediction: answer, time: at}
"""


def write(path: Path, *, days: int, timed: bool = True, weekend: float = 0.0) -> None:
    """Write rows every five minutes; `load` follows the hour of the day."""
    rng, start = Random(4), datetime(2024, 1, 1, tzinfo=UTC)
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["at", "load", "kind", "answer"])
        for i in range(days * 288):
            at = start + timedelta(minutes=5 * i)
            usual = 2 * cos(2 * pi * (at.hour - 15) / 24) + weekend * (at.weekday() > 4)
            load = round(rng.gauss(usual, 1), 4)
            out.writerow([at.isoformat() if timed else "", load, rng.choice("ab"), rng.choice(["yes", "no"])])


@pytest.fixture
def profile(tocsin: Tocsin, home: Path):
    """Build `made.json` of so many days."""

    def build(**history):
        write(home / "wave.csv", **history)
        (home / "wave.yaml").write_text(SCHEMA)
        return tocsin("reference", "build", "wave.csv", "--schema", "wave.yaml", "--out", "made.json")

    return build


def test_a_rhythm_is_shown_by_the_hour(profile, tocsin: Tocsin) -> None:
    profile(days=10)
    told = tocsin("bands", "made.json", "--json").json
    load = [band for band in told["bands"] if band["group"] == "features/load" and band["unit"] == "share"]
    assert {band["rhythm"] for band in load} == {"hour of the day"}
    middle = load[4]
    assert [hour["hour"] for hour in middle["hours"]] == [f"{hour:02}:00" for hour in range(24)]
    assert middle["hours"][3]["high"] + 0.4 < middle["hours"][15]["low"]
    assert 0 < middle["tolerance"] < middle["hours"][3]["high"]
    assert middle["sigma"] > 0.05


def test_a_table_names_every_band_and_one_column_its_hours(profile, tocsin: Tocsin) -> None:
    profile(days=10)
    lines = tocsin("bands", "made.json").out.splitlines()
    assert lines[0].split()[:7] == ["group", "watched", "usual", "low", "high", "sigma", "rhythm"]
    assert lines[0].split()[7:] == ["sampling", "tolerance", "wander", "design", "rows", "why"]
    assert any(line.startswith("features/kind") and "category " in line for line in lines)
    assert any(line.startswith("quality/load") and "missing" in line for line in lines)
    hourly = tocsin("bands", "made.json", "--column", "load").out
    assert "category" not in hourly
    assert hourly.count("mean score") == 25


def test_a_history_without_times_is_warned_of_loudly(profile, tocsin: Tocsin) -> None:
    ended = profile(days=3, timed=False)
    assert ended.code == Exit.OK
    assert ended.err.count("WARNING") == 2
    assert "columns.time" in ended.err
    shown = tocsin("bands", "made.json")
    assert "WARNING: the history has no times" in shown.err
    assert tocsin("bands", "made.json", "--json").json["timed"] is False


def test_the_tolerance_and_the_assumed_design_effect_are_settings(tocsin: Tocsin, profile, home: Path) -> None:
    profile(days=3, timed=False)
    other = ("--out", "other.json", "--tolerance", "0.1", "--design", "9")
    tocsin("reference", "build", "wave.csv", "--schema", "wave.yaml", *other)
    told = tocsin("bands", "other.json", "--json").json
    assert told["tolerance"] == 0.1
    assert {band["design"] for band in told["bands"] if band["group"] == "features/load"} == {9.0}


def test_a_part_of_the_traffic_tells_nothing_of_its_volume(tocsin: Tocsin, profile) -> None:
    profile(days=3)
    tocsin("reference", "build", "wave.csv", "--schema", "wave.yaml", "--out", "part.json", "--part")
    known = {}
    for name in ("made.json", "part.json"):
        bands = tocsin("bands", name, "--json").json["bands"]
        known[name] = {band["why"] for band in bands if band["group"] == "volume"}
    assert known == {"made.json": {""}, "part.json": {"the history is a sample of the traffic"}}


def test_bands_that_are_unknown_say_why(profile, tocsin: Tocsin, home: Path) -> None:
    text = "at,load,kind,answer\n" + "2024-01-01T00:00:00Z,1,a,yes\n2024-01-01T01:00:00Z,2,b,no\n" * 5
    (home / "few.csv").write_text(text)
    (home / "few.yaml").write_text(SCHEMA)
    ended = tocsin("reference", "build", "few.csv", "--schema", "few.yaml", "--out", "few.json")
    assert "have no band and never page" in ended.err
    bands = tocsin("bands", "few.json", "--json").json["bands"]
    features = [band for band in bands if band["group"].startswith("features")]
    assert all(band["low"] is None and "10 rows of the history" in band["why"] for band in features)
    assert all(band["low"] is None and "no two days" in band["why"] for band in bands if band["group"] == "volume")


def test_a_profile_that_is_absent_is_told(tocsin: Tocsin) -> None:
    assert tocsin("bands", "gone.json").code == Exit.PROBLEMS


def test_a_week_names_its_days(profile, tocsin: Tocsin) -> None:
    profile(days=28, weekend=3.0)
    bands = tocsin("bands", "made.json", "--json").json["bands"]
    score = next(band for band in bands if band["unit"] == "sigma")
    assert score["rhythm"] == "hour of the week"
    middle = {hour["hour"]: hour["low"] for hour in score["hours"]}
    assert len(middle) == 168
    assert middle["Sun 12:00"] > middle["Wed 12:00"] + 0.5


def test_a_history_is_told_apart_from_a_damaged_profile(tocsin: Tocsin, home: Path) -> None:
    write(home / "history.csv", days=1)
    ended = tocsin("bands", home / "history.csv")
    assert (ended.code, "damaged" in ended.err) == (Exit.PROBLEMS, False)
    assert "is no reference profile" in ended.err
    assert "tocsin reference build" in ended.err
