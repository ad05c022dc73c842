import io

import pytest
from rich.console import Console

from monitor.demo.view import Frame, Lines, Screen, choose, number, render

APRIL = 1_364_806_800.0  # 2013-04-01 09:00 UTC


def reading(name, value=0.2, column="", verdict="ok", **more):
    known = {
        "reference": "judge",
        "limit": 0.3,
        "n": 950,
        "low": None,
        "high": None,
        "window_start": 0.0,
        "window_end": 86_400.0,
    }
    return {"name": name, "column": column, "value": value, "verdict": verdict} | known | more


def frame(**more):
    status = {
        "served": {"name": "v2", "role": "candidate", "epoch": 4, "bundle": "sha256:00", "since": APRIL},
        "readings": [
            reading("error", 0.411, low=0.38, high=0.44, verdict="breach"),
            reading("paired_error", None, verdict="unknown", why="fewer than 200 labelled rows"),
            *(reading("feature_distance", i / 20, f"feature{i}") for i in range(10)),
        ],
        "alerts": [{"rule": "score_moved", "state": "firing"}, {"rule": "error", "state": "pending"}],
        "incident": None,
        "rollbacks": [],
    }
    known = {"now": APRIL, "chapter": "v2", "status": status, "rows": 28_417, "labels": 27_000, "rows_per_s": 512.0}
    return Frame(**(known | more))


def drawn(renderable):
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    return console.file.getvalue()


def test_the_screen_says_when_it_is_what_serves_and_how_fast_it_goes():
    screen = drawn(render(frame()))
    assert "2013-04-01 09:00 UTC" in screen
    assert "v2 (candidate), epoch 4" in screen
    assert "28,417 rows, 27,000 labels, 512 rows/s" in screen


def test_only_firing_alerts_are_shown_as_firing():
    screen = drawn(render(frame()))
    assert "firing: score_moved" in screen
    assert "firing: score_moved, error" not in screen


def test_the_error_is_shown_with_its_interval_and_an_unknown_with_its_reason():
    screen = drawn(render(frame()))
    assert ".411 (.380 to .440)" in screen
    assert "fewer than 200 labelled rows" in screen


def test_the_features_that_moved_most_come_first_and_the_rest_is_left_out():
    screen = drawn(render(frame()))
    assert screen.index("feature9") < screen.index("feature8") < screen.index("feature4")
    assert "feature3" not in screen


def test_readings_against_the_candidates_own_profile_are_not_shown():
    own = reading("error", 0.999, reference="own")
    assert ".999" not in drawn(render(frame(status=frame().status | {"readings": [own]})))


def test_what_happened_is_listed_with_its_event_time():
    assert "2013-04-01 09:00  v2 is delivered" in drawn(render(frame(happened=((APRIL, "v2 is delivered"),))))


def test_a_low_terminal_shows_the_newest_of_what_happened_on_one_line_each():
    long_ago = tuple((APRIL + i, f"event {i} " + "and more " * 40) for i in range(30))
    screen = drawn(render(frame(happened=long_ago), height=24))
    assert len(screen.splitlines()) <= 24
    assert "event 29" in screen
    assert "event 25" not in screen


def test_a_screen_before_anything_is_known_can_be_drawn():
    assert "nothing yet" in drawn(render(frame(status={}, rows=0, labels=0)))


@pytest.mark.parametrize(
    ("value", "low", "high", "shown"),
    [(-0.02, -0.05, 0.01, "-.020 (-.050 to .010)"), (0.0, None, None, ".000"), (1.0, None, None, "1.00")],
)
def test_numbers_are_written_without_a_leading_zero(value, low, high, shown):
    assert number({"value": value, "low": low, "high": high, "verdict": "ok"}) == shown


def test_without_a_terminal_there_is_one_line_a_day_and_one_per_event():
    console = Console(file=io.StringIO(), width=200)
    with choose(console) as lines:
        assert isinstance(lines, Lines)
        lines.tell(None, "training v1")
        for hour in range(4, 30):
            lines.show(frame(now=APRIL + 3600 * hour))
        lines.tell(APRIL, "v2 [is] delivered")
    written = console.file.getvalue().splitlines()
    assert len(written) == 4
    assert written[1].startswith("2013-04-01 13:00  v2 serves, 28,417 rows")
    assert written[3] == "2013-04-01 09:00  v2 [is] delivered"


def test_on_a_terminal_there_is_a_live_screen():
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with choose(console) as screen:
        assert isinstance(screen, Screen)
        screen.tell(None, "training v1")
        screen.show(frame())
    assert "candidate" in console.file.getvalue()
    assert "training v1" in console.file.getvalue()
