"""Three models of three tasks in one daemon, by lines and by Arrow, with segments, labels, and a report of evidence."""

import re

import pytest
from servers import wait_for
from threeworld import ROWS, STEP_S, Three


@pytest.fixture
def three(tmp_path):
    made = Three(tmp_path)
    yield made.start()
    made.close()


def test_three_tasks_are_watched_by_one_daemon_and_an_incident_gets_its_report(three):
    three.advance()
    for three.off in (0.0, 0.0, 40.0, 40.0):
        three.step()

    status = three.get("/v1/status")["models"]
    assert {name: one["totals"]["rows"] for name, one in status.items()} == dict.fromkeys(status, 4 * ROWS)
    assert {name: one["totals"]["labels"] for name, one in status.items()} == dict.fromkeys(status, 3 * ROWS)
    assert all(0 < one["samples"]["rows"] <= 4 * ROWS for one in status.values())
    told_of_each_task(three)

    [incident] = three.get("/v1/incidents")
    assert incident["model"] == "price"
    report = wait_for(lambda: three.get(f"/v1/incidents/{incident['id']}")["report"], "a report", 60)
    page = three.call("GET", report)
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"] == "sandbox allow-scripts"
    assert f"Incident {incident['id']}" in page.text
    assert [one["path"] for one in three.get("/v1/evidence")] == [report]
    wait_for(lambda: three.get("/v1/status")["models"]["price"]["evidence"]["values"], "values of Evidently", 60)
    assert three.call("GET", "/v1/evidence/price/../../tokens.json").status_code == 404
    assert three.stop() == 0


def told_of_each_task(three):
    """A reading of each task says what it should, by status and on the page of metrics."""
    wrong, good = three.reading("late", "wrong", "origin=__other__"), three.reading("rank", "gains")
    assert wrong["verdict"] == good["verdict"] == "ok"
    assert wrong["value"] == pytest.approx(0.1, abs=0.08)
    assert good["value"] == pytest.approx(0.73, abs=0.08)
    far = three.reading("price", "far")
    assert (far["verdict"], far["value"] > 30, far["unit"]) == ("breach", True, far["unit"])
    assert far["window_end"] - far["window_start"] == STEP_S
    page = three.metrics()
    for family, model in (("tocsin_error_ratio", "late"), ("tocsin_mean_absolute_error", "price"),
                          ("tocsin_ndcg_ratio", "rank")):  # fmt: skip
        assert re.search(rf'^{family}{{[^}}]*model="{model}"[^}}]*}} [0-9.]+$', page, re.MULTILINE), family
