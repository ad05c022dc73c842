"""The alerting rules agree with what the collector exports, and each has a unit test of its own."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from servers import binary
from snapshots import full

from monitor.clock import ManualClock
from monitor.export.collector import Collector, describe
from monitor.export.page import Page

RULES = Path(__file__).parents[2] / "rules" / "tocsin.rules.yml"
UNIT_TESTS = RULES.with_name("tocsin.test.yml")
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
CASES = yaml.safe_load(UNIT_TESTS.read_text())["tests"]
HEALTHY, *SICK = CASES
NAME = re.compile(r"\btocsin_[a-z0-9_]+")
SELECTOR = re.compile(r"(tocsin_[a-z0-9_]+)\{([^}]*)\}")
EXPORTED = {name for name, *_ in describe()}


def promtool(*arguments):
    return subprocess.run(
        [binary("promtool", "prometheus"), *arguments], capture_output=True, text=True, check=False, cwd=RULES.parent
    )


def exported_labels():
    """{series name: its label names} as a full page shows them."""
    page = Page(ManualClock(), Collector(), 5.0, {"loop": lambda: 0.0, "writer": lambda: 0.0})
    page.render(full())
    labels = {}
    for line in page.answer().body.decode().splitlines():
        if not line.startswith("#"):
            name = re.match("[a-z_]+", line)[0]
            labels.setdefault(name, set()).update(re.findall(r'([a-z_]+)="', line))
    return labels


def alerts_that_fire(cases):
    return set(
        re.findall(
            r'alertname="(\w+)"',
            " ".join(
                sample["labels"]
                for case in cases
                for test in case["promql_expr_test"]
                for sample in test["exp_samples"]
            ),
        )
    )


@pytest.mark.real
def test_promtool_accepts_the_rules():
    checked = promtool("check", "rules", RULES.name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"SUCCESS: {len(ALERTS)} rules found" in checked.stdout


@pytest.mark.real
def test_promtool_passes_the_unit_tests():
    tested = promtool("test", "rules", UNIT_TESTS.name)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.real
@pytest.mark.parametrize("alert", sorted(ALERTS))
def test_every_annotation_can_be_expanded(alert, tmp_path):
    case = next(case for case in SICK if alert in alerts_that_fire([case]))
    at = max(case["promql_expr_test"], key=lambda test: len(test["exp_samples"]))["eval_time"]
    wrong_on_purpose = {"alertname": alert, "eval_time": at, "exp_alerts": []}  # promtool then shows what it got
    group = {key: case[key] for key in ("interval", "input_series")} | {"alert_rule_test": [wrong_on_purpose]}
    unit = {"rule_files": [str(RULES)], "evaluation_interval": case["interval"], "tests": [group]}
    (tmp_path / "t.yml").write_text(yaml.safe_dump(unit))
    shown = promtool("test", "rules", str(tmp_path / "t.yml"))
    got = (shown.stdout + shown.stderr).partition("got:")[2]
    assert f'alertname="{alert}"' in got
    assert not re.search("error expanding|no value|%!|{{", got)


def test_every_metric_in_a_rule_is_exported():
    named = {name for rule in ALERTS.values() for name in NAME.findall(rule["expr"])}
    assert named <= EXPORTED
    assert named <= set(exported_labels())


def test_every_metric_in_an_annotation_is_exported():
    texts = [text for rule in ALERTS.values() for text in rule["annotations"].values()]
    assert {name for text in texts for name in NAME.findall(text)} <= EXPORTED


def test_every_label_a_rule_selects_by_is_exported():
    labels = exported_labels()
    for rule in ALERTS.values():
        for name, matchers in SELECTOR.findall(rule["expr"]):
            assert set(re.findall(r"(\w+)\s*=", matchers)) <= labels[name]


def test_every_series_of_the_unit_tests_is_exported_with_those_labels():
    labels = exported_labels()
    for case in CASES:
        for series in case["input_series"]:
            name, found = re.match(r"([a-z_]+)\{(.*)\}", series["series"]).groups()
            if name != "up":
                assert set(re.findall(r'(\w+)="', found)) - {"job", "instance", "segment"} <= labels[name], name


def test_every_alert_is_seen_to_fire():
    assert alerts_that_fire(SICK) == set(ALERTS)


def test_every_metric_of_the_rules_is_calm_in_the_healthy_case():
    named = {name for rule in ALERTS.values() for name in NAME.findall(rule["expr"])}
    given = {name for series in HEALTHY["input_series"] for name in NAME.findall(series["series"])}
    assert named <= given
    assert all(test["exp_samples"] == [] for test in HEALTHY["promql_expr_test"])


def test_every_alert_says_how_loud_it_is_and_what_to_look_at():
    for rule in ALERTS.values():
        assert rule["labels"]["severity"] in {"critical", "warning", "{{ $labels.severity }}"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        texts = (rule["annotations"]["summary"], rule["annotations"]["description"])
        assert all(text.endswith((".", ": nobody watches its models.")) for text in texts)


def test_alert_names_are_unique_and_prefixed():
    names = [rule["alert"] for group in GROUPS for rule in group["rules"]]
    assert len(names) == len(set(names))
    assert all(name.startswith("Tocsin") for name in names)
