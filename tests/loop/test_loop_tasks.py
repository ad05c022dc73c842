"""Three models of three tasks in one daemon, by lines and by Arrow, with segments, labels, and a report of evidence."""

import re
import subprocess
import sys

import pytest
from servers import wait_for
from threeworld import ROWS, STEP_S, Three

from monitor.evidence.links import KEY_FILE

OK, UNAUTHORIZED, FORBIDDEN = 200, 401, 403


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
    report = wait_for(lambda: three.get(f"/v1/incidents/{incident['id']}")["report"], "a report", 120)
    page = three.call("GET", report)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert f"Incident {incident['id']}" in page.text
    opened_by_its_link(three, incident["id"], page.content)
    assert [one["path"] for one in three.get("/v1/evidence")] == [report]
    wait_for(lambda: three.get("/v1/status")["models"]["price"]["evidence"]["values"], "values of Evidently", 120)
    assert three.call("GET", "/v1/evidence/price/../../tokens.json").status_code == 404
    assert three.stop() == 0


def opened_by_its_link(three, ident, page):
    """The link of an incident opens its report without a token, until the key is replaced or links are turned off."""
    link = three.get(f"/v1/incidents/{ident}")["link"]
    opened = 0

    def opens(link):
        nonlocal opened
        answer = three.http.get(link)
        opened += answer.status_code == OK
        return answer

    assert opens(link).content == page
    assert three.http.get(link.replace("/v1/evidence/price", "/v1/evidence/late")).status_code == FORBIDDEN
    assert three.http.get(three.url + "/v1/incidents" + link[link.index("?") :]).status_code == UNAUTHORIZED
    assert (three.directory / "state" / KEY_FILE).stat().st_mode & 0o777 == 0o600
    rotating = ["-m", "monitor.cli", "evidence", "rotate", "--config", three.directory / "tocsin.yaml"]
    subprocess.run([sys.executable, *rotating], check=True)
    wait_for(lambda: opens(link).status_code == FORBIDDEN, "links of before are refused")
    assert opens(three.get(f"/v1/incidents/{ident}")["link"]).content == page
    three.rewrite(lambda document: document.update(evidence={"link_for": "off"}))
    assert three.call("POST", "/-/reload").json() == {"reloaded": True}
    assert "?" not in three.get(f"/v1/incidents/{ident}")["link"]
    counted = f'tocsin_evidence_link_requests_total{{outcome="opened"}} {opened:.1f}'
    wait_for(lambda: counted in three.metrics(), f"{counted} is told")


def parted(three):
    """The airports that have a segment in what status tells of `late`."""
    readings = three.get("/v1/status")["models"]["late"]["readings"]
    return {one["segment"] for one in readings} - {"", "origin=__other__"}


def test_segments_and_metrics_of_evidence_change_while_the_daemon_runs(three):
    three.advance()
    three.step()
    three.step()
    [before] = parted(three)
    after = "origin=EWR" if before == "origin=JFK" else "origin=JFK"

    def changed(document):
        document["models"]["late"]["segments"] = {"origin": {"values": [after.removeprefix("origin=")]}}
        document["models"]["price"]["evidence"]["metrics"] = {"others": {"metric": "ColumnCount"}}

    three.rewrite(changed)
    assert three.call("POST", "/-/reload").json() == {"reloaded": True}
    assert parted(three) == set()
    for _ in range(3):
        three.step()
    assert parted(three) == {after}
    wait_for(lambda: after in three.metrics() and before not in three.metrics(), "the gauges follow")
    values = wait_for(lambda: three.get("/v1/status")["models"]["price"]["evidence"]["values"], "values", 120)
    assert values.keys() == {"others"}
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
