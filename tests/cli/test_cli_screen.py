import io

import pytest
from rich.console import Console, RenderableType
from statuses import BOTH, IN_TROUBLE, model, reading, status

from monitor.cli import screen
from monitor.cli.lines import model_lines, reading_lines

LONG = ("breach", "0.9123", "0.2", "123,456")


def shown(what: RenderableType, width: int = 80) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, height=24, color_system=None).print(what)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_every_model_has_one_line_that_fits(width: int) -> None:
    lines = shown(screen.models(model_lines(BOTH), width), width)
    assert len(lines) == 3
    assert max(map(len, lines)) <= width


def test_eighty_columns_have_room_for_what_matters() -> None:
    _, _, fares = shown(screen.models(model_lines(BOTH), 80))
    assert all(part in fares for part in ("fares", "v1", "paired_error 0.46 of 0.03", "1 firing +1", "5s"))


def test_long_names_give_way_and_numbers_do_not() -> None:
    long = model(reading("r" * 50, "breach", 0.9123, 0.2, n=123_456), rows=9, served={"name": "s" * 50})
    lines = model_lines(status(**{"m" * 50: long}), status(0.0, **{"m" * 50: model()}))
    table = shown(screen.models(lines, 80))
    assert [part in table[1] for part in ("0 firing", "5s", "…")] == [True] * 3
    assert all(part in shown(screen.readings(reading_lines(status(m=long)), 1, named=True))[1] for part in LONG)


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_breaks_no_line_in_two(width: int) -> None:
    assert len(shown(screen.models(model_lines(BOTH), width), width)) == 3


def test_a_rollback_that_waits_comes_with_its_command() -> None:
    assert "tocsin rollback approve fares-1.r1" in " ".join(shown(screen.notices(model_lines(BOTH)), 200))
    assert "tocsin incidents show fares-1" in " ".join(shown(screen.notices(model_lines(BOTH)), 200))


def test_a_latch_comes_with_its_command() -> None:
    latched = model_lines(status(m=model(latch="a rollback failed")))
    assert shown(screen.notices(latched)) == ["m: latched, a rollback failed: tocsin rollback unlatch m"]


def test_the_worst_readings_are_shown_and_no_more_than_there_is_room_for() -> None:
    lines = shown(screen.readings(reading_lines(BOTH), 2, named=True))
    assert [line.split()[:2] for line in lines] == [["model", "reading"], ["fares", "paired_error"], ["fares", "psi"]]


def test_what_is_unknown_is_no_number() -> None:
    lines = shown(
        screen.readings(reading_lines(status(m=model(reading("psi", "unknown", why="few rows")))), 9, named=False)
    )
    assert lines[1].split()[:4] == ["psi", "unknown", "-", "-"]


def test_a_name_can_neither_move_the_cursor_nor_be_markup() -> None:
    hostile = model(reading("\x1b[2J[red]x[/red]", "ok", 0.1, 0.2))
    text = "\n".join(shown(screen.models(model_lines(status(**{"[bold]\x07m": hostile})), 160), 160))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]x[/red]" in text


def test_a_time_is_said_as_one() -> None:
    lag = model(reading("label_lag", "breach", 93_600.0, 86_400.0, unit="s"))
    assert "label_lag 1.08d of 1d" in shown(screen.models(model_lines(status(m=lag)), 120), 120)[1]


def test_a_wide_terminal_says_the_task_and_for_how_long_it_serves() -> None:
    assert (
        "regression  v1       1h" in shown(screen.models(model_lines(status(m=model(task="regression"))), 120), 120)[1]
    )


def test_a_problem_is_said_under_the_heading() -> None:
    lines = shown(screen.heading("http://h", {"now": 1_795_364_593.0}, "it does not answer", "q quit"))
    assert lines[1] == "it does not answer; trying again"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.4, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (200_000, "2d")]
)
def test_a_span_is_in_its_largest_unit(seconds: float | None, text: str) -> None:
    assert screen.span(seconds) == text


def test_a_firing_model_is_not_green() -> None:
    assert "red" in str(screen.alerts(model_lines(status(m=IN_TROUBLE))[0]).spans)
