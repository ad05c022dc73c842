"""Every bound of intake that the settings know reaches it; what the server logs of our failures says no value."""

import logging
from dataclasses import asdict, astuple
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from monitor.decisions.clocks import Bounds as ClockBounds
from monitor.evidence.office import Limits as EvidenceLimits
from monitor.ingest.limits import Limits
from monitor.settings import Http, Settings, TimeBounds
from monitor.settings.document import parse_document
from monitor.settings.structure import draft
from monitor.turns.bounds import clock_bounds, evidence_limits, limits_of
from monitor.turns.process import discreet

SMALLEST = "models: {delays: {release: {index: r.json, trust: [r.pub]}, rules: r.yaml}}\n"
CHANGED = {  # a value of each that is nobody's default
    "http.body_bytes_max": ("1MiB", 1 << 20),
    "http.in_flight_bytes_max": ("2MiB", 2 << 20),
    "http.requests_max": ("7", 7),
    "http.body_timeout": ("3s", 3.0),
    "http.rows_max": ("11", 11),
    "http.rows_per_second": ("19", 19),
    "http.rejections_max": ("0", 0),
    "time.ahead_max": ("13s", 13.0),
    "time.behind_max": ("17h", 17 * 3600.0),
}
LISTENER = {"http.host", "http.port"}
CLOCK = {"time.jump_max": ("7s", 7.0), "time.jump_pause": ("2h", 7200.0)}


def settings_with(path: str = "", value: str = "") -> Settings:
    section, _, name = path.partition(".")
    text = SMALLEST + (f"{section}: {{{name}: {value}}}\n" if path else "")
    found = draft(parse_document(text.encode(), "tocsin.yaml"), Path())
    assert not found.problems
    assert found.settings is not None
    return found.settings


def test_every_setting_of_intake_is_tried_here() -> None:
    paths = {f"http.{name}" for name in Http.model_fields} | {f"time.{name}" for name in TimeBounds.model_fields}
    assert paths == CHANGED.keys() | CLOCK.keys() | LISTENER


@pytest.mark.parametrize("path", CLOCK)
def test_what_a_jump_of_the_clock_is_comes_from_the_settings(path: str) -> None:
    text, value = CLOCK[path]
    assert clock_bounds(settings_with()) == ClockBounds()
    assert value in astuple(clock_bounds(settings_with(path, text)))


def test_the_defaults_of_the_settings_are_those_of_intake() -> None:
    assert limits_of(settings_with()) == Limits()


@pytest.mark.parametrize("path", CHANGED)
def test_a_bound_that_is_set_reaches_intake_and_moves_no_other(path: str) -> None:
    text, value = CHANGED[path]
    before, after = asdict(Limits()), asdict(limits_of(settings_with(path, text)))
    changed = {name: after[name] for name in after if after[name] != before[name]}
    name = path.partition(".")[2]
    assert changed == {next(field for field in before if field in (name, f"{name}_s")): value}


@pytest.mark.parametrize(("horizon", "days"), [("2d", 2), ("14d", 14), ("30d", 14)])
def test_no_row_is_taken_that_is_older_than_ids_are_remembered(horizon: str, days: int) -> None:
    assert limits_of(settings_with("panes.horizon", horizon)).behind_max_s == days * 86_400


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("http.requests_max", "0"),
        ("http.requests_max", "1.5"),
        ("http.body_timeout", "10"),
        ("http.body_timeout", "1h"),
        ("http.rows_max", "0"),
        ("http.rows_per_second", "0"),
        ("http.rejections_max", "-1"),
    ],
)
def test_a_bound_that_bounds_nothing_is_refused(path: str, value: str) -> None:
    section, name = path.split(".")
    text = f"{SMALLEST}{section}: {{{name}: {value}}}\n"
    assert [problem.path for problem in draft(parse_document(text.encode(), "t"), Path()).problems] == [path]


def test_a_handler_that_fails_is_logged_by_kind_and_place_never_by_its_words():
    logger = logging.getLogger("uvicorn.error")
    level = logger.level
    logger.setLevel(logging.ERROR)  # a uvicorn of another test may have set it higher
    logger.addFilter(discreet)
    try:
        with capture_logs() as logged:
            try:
                {}["canary-value"]
            except KeyError:
                logger.exception("Exception in ASGI application")
    finally:
        logger.removeFilter(discreet)
        logger.setLevel(level)
    assert [line["kind"] for line in logged] == ["KeyError"]
    assert "canary" not in str(logged)


def test_what_the_evidence_worker_is_told_can_be_told() -> None:
    limits = evidence_limits(settings_with("evidence.timeout", "10s"))
    assert {type(value) for value in asdict(limits).values()} == {int, float}
    assert limits == EvidenceLimits(timeout_s=10.0)
