"""House rules of the dashboards: what a linter of our own says of each panel, query and link."""

import json
import re
from pathlib import Path

import pytest
import yaml
from boards import BOARDS, PANELS, TARGETS, exprs, named
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.__main__ import FOLDER, documents, main, text
from grafana.ask import panels
from grafana.words import GREEN, GREY, VERDICTS
from monitor.detectors import DETECTORS
from monitor.export.collector import describe
from monitor.export.shown import GENERIC, SHOWN, suffixed
from monitor.facts import Subject, Task

ROOT = Path(__file__).parents[2]
METRICS = {name: (kind, set(labels)) for name, kind, labels, _ in describe()}
SCRAPED = {"job", "instance"}
DISTANCE = re.compile(r"tocsin_(output|feature)_\w+")  # of one selector for all of them
ALERTS = {
    rule["alert"]
    for group in yaml.safe_load((ROOT / "rules" / "tocsin.rules.yml").read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def every_panel(check):
    """Run a check on each panel; the failures by title."""
    return [f"{name}: {panel['title']}" for name, panel in PANELS if not check(panel)]


def test_the_committed_dashboards_are_what_the_generator_makes():
    for name, found in documents().items():
        assert (FOLDER / name).read_text() == text(found), f"{name} is stale: make dashboards"
    assert main(["--check"]) == 0


@pytest.mark.parametrize("name", BOARDS)
def test_the_sdk_reads_a_dashboard_and_writes_it_again(name):
    board = BOARDS[name]
    again = json.loads(json.dumps(Dashboard.from_json(json.loads(text(board))), cls=JSONEncoder))
    assert {key: again[key] for key in board if key not in ("annotations", "panels", "templating")} == {
        key: board[key] for key in board if key not in ("annotations", "panels", "templating")
    }
    assert [panel["id"] for panel in again["panels"]] == [panel["id"] for panel in board["panels"]]
    assert [each["name"] for each in again["templating"]["list"]] == [
        each["name"] for each in board["templating"]["list"]
    ]


def test_every_panel_says_what_it_means_and_why_it_may_be_empty():
    assert not every_panel(lambda panel: len(panel["description"]) > 20 and panel["description"].endswith("."))
    assert not every_panel(lambda panel: len(panel["fieldConfig"]["defaults"]["noValue"]) > 10)


def test_every_panel_has_a_unit_a_source_and_a_least_interval():
    assert not every_panel(lambda panel: panel["fieldConfig"]["defaults"]["unit"])
    assert not every_panel(lambda panel: panel["datasource"]["uid"] == "${datasource}")
    assert not every_panel(lambda panel: panel["interval"] == "15s")


def test_every_line_has_a_legend():
    assert not [target["expr"] for panel, target in TARGETS if panel["type"] != "table" and not target["legendFormat"]]


def test_panels_fill_the_grid_and_do_not_overlap():
    for board in BOARDS.values():
        taken = [
            (x, y)
            for panel in board["panels"]
            for at in [panel["gridPos"]]
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(taken) == len(set(taken))
        assert max(x for x, _ in taken) == 23


def test_titles_and_ids_are_unique_within_a_dashboard():
    for board in BOARDS.values():
        for key in ("id", "title"):
            found = [panel[key] for panel in board["panels"] if panel["type"] != "row"]
            assert len(found) == len(set(found))


def test_no_query_names_a_model_a_daemon_or_a_feature():
    for who, expr in exprs():
        assert not re.search(r'\b(model|instance|feature|rule|job)(=|=~)"(?!\$)[^"]', expr), who


def test_no_limit_is_written_into_a_panel():
    found = json.dumps([panel["fieldConfig"] for _, panel in PANELS])
    numbers = {float(value) for value in re.findall(r'"value": ([\d.]+), "color": "', found)}
    assert numbers == {1}, "a threshold other than 'there is one': draw the limit from its metric"


def test_every_limit_is_drawn_dashed():
    for panel, target in TARGETS:
        if panel["type"] == "timeseries" and re.search(r"_limit\b|_limit_|\)_limit", target["expr"]):
            matched = [o for o in panel["fieldConfig"]["overrides"] if o["matcher"]["options"] == target["refId"]]
            assert "custom.lineStyle" in {each["id"] for o in matched for each in o["properties"]}, panel["title"]


def test_every_metric_of_a_query_is_exported():
    assert {name for _, expr in exprs() for name in named(expr)} <= set(METRICS)


def test_every_reading_is_drawn_with_its_limit():
    drawn = {name for _, expr in exprs() for name in named(expr)}
    seen_otherwise = {(key, Subject.ARRIVALS) for key in ("silence", "volume")}  # as rows counted, and in the verdicts
    due = [shown for key, shown in SHOWN.items() if key not in seen_otherwise] + [GENERIC]
    assert {name for shown in due for name in (shown.name, suffixed(shown.name, "limit"))} <= drawn


def test_every_label_of_a_selector_is_one_that_the_metric_has():
    for who, expr in exprs():
        for name, matchers in re.findall(r"(tocsin_\w+)\{([^}]*)\}", expr):
            if name in METRICS:
                used = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers))
                assert used <= METRICS[name][1] | SCRAPED, f"{who}: {name} has no {used - METRICS[name][1]}"


def test_only_counters_are_rated_and_counters_are_never_shown_raw():
    rated = re.compile(r"\b(?:rate|increase)\((tocsin_\w+)(?:\{[^}]*\})?\[(\$\w+)\]\)")
    for who, expr in exprs():
        for name, window in rated.findall(expr):
            assert name.endswith("_total"), who
            assert window in ("$__rate_interval", "$__range"), who
        assert "_total" not in rated.sub("", expr), who


def test_every_function_over_time_has_a_window_of_grafana():
    assert not [who for who, expr in exprs() if re.search(r"\[\d|\[\$__interval", expr)]


def test_every_variable_of_a_query_is_declared():
    for board in BOARDS.values():
        declared = {each["name"] for each in board["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w*)", text(board)))
        assert used <= declared


def test_every_runbook_is_that_of_an_alert():
    links = [link["url"] for _, panel in PANELS for link in panel.get("links") or []]
    assert {re.fullmatch(r"\$\{runbooks\}/(\w+)\.md", url)[1] for url in links} <= ALERTS
    assert links


def test_no_dashboard_knows_a_host():
    assert not [name for name, board in BOARDS.items() if re.search(r"https?://", text(board))]


def test_the_fleet_leads_to_the_model_it_names():
    fleet, models = BOARDS["fleet"], {task: BOARDS[f"model-{task.value}"]["uid"] for task in Task}
    assert "/d/tocsin-model-${__data.fields.Task}?" in text(fleet)
    assert models == {task: f"tocsin-model-{task.value}" for task in Task}
    assert all(
        set(board["tags"]) == {"tocsin"} and board["links"][0]["tags"] == ["tocsin"] for board in BOARDS.values()
    )


def test_unknown_is_grey_and_only_ok_is_green():
    colours = dict(VERDICTS.values())
    assert colours["unknown"] == GREY
    assert [word for word, colour in colours.items() if colour == GREEN] == ["ok"]
    assert not [name for name, board in BOARDS.items() if "green" in text(board)]


@pytest.mark.parametrize("task", Task)
def test_a_model_s_dashboard_asks_nothing_that_only_another_task_has(task):
    own = {
        m.name for (detector, _), shown in SHOWN.items() if task in DETECTORS[detector].tasks for m in shown.metrics()
    }
    others = {metric.name for shown in SHOWN.values() for metric in shown.metrics()} - own
    asked = {name for target in targets(BOARDS[f"model-{task.value}"]) for name in named(target["expr"])}
    assert not {name for name in asked & others if not DISTANCE.fullmatch(name)}


def targets(board):
    return [target for panel in panels(board) for target in panel["targets"]]


def test_the_provisioned_source_scrapes_as_often_as_panels_think():
    source = yaml.safe_load((ROOT / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    provider = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/tocsin.yaml").read_text())
    assert {each["jsonData"]["timeInterval"] for each in source["datasources"]} == {"15s"}
    assert provider["providers"][0]["options"]["path"].endswith("dashboards/tocsin")
