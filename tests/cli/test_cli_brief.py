"""`tocsin status` says of each model what a person asks first, and hides nothing that is not ok."""

import pytest
from statuses import BOTH, NOW, model, reading, status

from monitor.cli import brief

MONTH = 30 * 86_400


def facts(**found):
    return brief.models(status(delays=model(**found)))["delays"][0]


def test_what_is_well_is_counted_and_what_is_not_is_listed_the_worst_first() -> None:
    told = brief.models(
        status(
            m=model(
                reading("psi", "ok", 0.1, 0.2),
                reading("coverage", "unknown", why="fewer than 200 rows"),
                reading("error", "breach", 0.3, 0.2, column="late", n=50, why="above"),
            )
        )
    )
    said, rows = told["m"]
    assert said["readings"] == "1 breach, 1 ok, 1 unknown"
    assert rows == [
        {"reading": "error late", "verdict": "breach", "value": 0.3, "limit": 0.2, "n": 50, "why": "above"},
        {"reading": "coverage", "verdict": "unknown", "value": None, "limit": None, "n": 100, "why": rows[1]["why"]},
    ]
    assert rows[1]["why"] == "fewer than 200 rows"


def test_each_model_is_told_by_itself() -> None:
    told = brief.models(BOTH)
    assert [(name, said["firing"], len(rows)) for name, (said, rows) in told.items()] == [
        ("delays", (), 0),
        ("fares", ("paired_error",), 1),
    ]


def test_a_time_that_a_reading_measures_has_its_unit() -> None:
    _, [row] = brief.models(status(m=model(reading("lag", "breach", 7200.0, 3600.0, unit="s"))))["m"]
    assert (row["value"], row["limit"]) == ("2h", "1h")


def test_what_waits_for_a_person_comes_with_the_command() -> None:
    said = brief.models(BOTH)["fares"][0]
    assert said["rollback"].endswith("tocsin rollback approve fares-1.r1")
    assert said["incident"].endswith("tocsin incidents show fares-1")
    assert facts(latch="failed: switch")["latch"] == "failed: switch: tocsin rollback unlatch delays"
    under_way = facts(rollbacks=[{"id": "r", "step": "baking"}])
    assert under_way["rollback"] == "r: baking"


def test_a_model_of_which_nothing_is_known_claims_nothing() -> None:
    said, rows = brief.models(status(m={"readings": []}))["m"]
    assert (said["served"], said["digest"], said["last_label"], rows) == (None, None, None, [])
    assert said["readings"] == "none yet"
    assert not said.keys() & {"incident", "rollback", "latch"}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, None),
        ({"release_index": {"serial": 3, "expires": NOW + MONTH}}, "serial 3, until 2026-12-22T16:23:13Z"),
        (
            {"release_index": {"serial": 3, "expires": NOW - 1, "expired": True}},
            "serial 3, expired 2026-11-22T16:23:12Z",
        ),
        ({"release_index_problem": "damaged"}, "damaged; in force: none"),
        (
            {"release_index": {"serial": 3, "expires": NOW + MONTH}, "release_index_problem": "damaged"},
            "damaged; in force: serial 3, until 2026-12-22T16:23:13Z",
        ),
    ],
)
def test_the_index_in_force_and_what_is_wrong_with_the_newest_are_told(found: dict, said: str | None) -> None:
    assert facts(**found)["release_index"] == said


def test_a_probe_says_when_it_was_asked_and_why_it_is_not_known() -> None:
    asked = {"verdict": "unknown", "why": "the server did not answer", "asked": NOW}
    assert facts(probes=asked)["probes"] == "unknown, asked 2026-11-22T16:23:13Z: the server did not answer"


def test_a_mode_that_is_not_the_one_of_the_settings_says_why() -> None:
    assert facts(mode="propose", degraded="no operator for 24 h")["mode"] == "propose: no operator for 24 h"


def test_a_set_kill_switch_is_seen_first() -> None:
    assert brief.daemon(status()) == {"now": NOW}
    assert brief.daemon(status() | {"kill_switch": {"by": "ann"}}) == {"now": NOW, "kill_switch": {"by": "ann"}}
