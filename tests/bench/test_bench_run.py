import itertools
import json
from importlib.util import find_spec

import pytest

from bench import run
from bench.client import Bodies, Pace
from bench.figure import Figure, percentile

LOOK = Figure("a look", 1.5, "ms", "<= 2", "python -m bench look")
IDLE = Figure("idle", 200.0, "MiB", "<= 150", "python -m bench idle")


@pytest.mark.parametrize(
    ("value", "goal", "reached"), [(2.0, "<= 2", True), (2.1, "<= 2", False), (3000, ">= 3000", True), (1, "", None)]
)
def test_a_goal_is_reached_at_its_limit(value, goal, reached):
    assert Figure("f", value, "u", goal).reached is reached


def test_figures_that_were_not_measured_again_are_kept():
    newer = Figure("a look", 1.4, "ms", "<= 2", LOOK.command)
    assert run.merged([LOOK, IDLE], [newer]) == [newer, IDLE]


def test_figures_of_files_that_are_gone_are_dropped():
    gone = Figure("old", 1.0, "s", command="python -m bench gone")
    assert run.merged([gone, LOOK], [IDLE]) == [LOOK, IDLE]


def test_the_table_shows_what_was_missed():
    lines = run.table([LOOK, IDLE]).splitlines()
    assert "missed" not in lines[2]
    assert "200 MiB **missed**" in lines[3]


def test_the_table_replaces_what_is_between_the_markers_alone(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{run.BEGIN}\nold\n{run.END}\nafter\n")
    run.refresh(readme, [LOOK])
    run.refresh(readme, [LOOK])
    assert readme.read_text() == f"before\n{run.BEGIN}\n{run.table([LOOK])}\n{run.END}\nafter\n"


def test_a_readme_without_markers_is_left_alone(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")
    run.refresh(readme, [LOOK])
    assert readme.read_text() == "nothing here\n"


def test_results_are_a_list_of_the_five_fields(tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps([LOOK.document(), IDLE.document()]))
    assert set(json.loads(file.read_text())[0]) == {"figure", "value", "unit", "goal", "command"}
    assert run.read(file) == [LOOK, IDLE]


def test_every_measurement_has_its_file():
    for name in (*run.SHORT, *run.LONG):
        assert find_spec(f"bench.{name}") is not None


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 51.0), (0.99, 100.0), (1.0, 100.0)])
def test_a_percentile_is_one_of_the_values(share, value):
    assert percentile([float(i) for i in range(100, 0, -1)], share) == value


def test_the_sender_never_repeats_an_id():
    make = Bodies(700)
    rows = [json.loads(line) for body in itertools.islice(iter(make, None), 3) for line in body.splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 2_100
    assert all(len(row["features"]) == 20 for row in rows)


def test_a_paced_sender_waits_for_its_turn():
    pace = Pace(60.0, rows_a_second=10.0)
    assert pace.wait_s(100) <= 0
    assert 9 < pace.wait_s(100) <= 10
