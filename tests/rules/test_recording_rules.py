"""Drift of a fleet in PromQL is what our own detectors read of the same counts, and names only what is exported."""

import math
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from servers import binary, prometheus, query, wait_for
from snapshots import snapshot

from monitor.clock import WallClock
from monitor.detectors.psi import Psi
from monitor.detectors.total_variation import TotalVariation
from monitor.export.collector import Collector, describe
from monitor.export.listener import Listener
from monitor.export.page import Page
from monitor.export.pictures import BinsView, Drawn, Pictures
from monitor.facts import Histogram

RULES = Path(__file__).parents[2] / "rules" / "tocsin.recording.rules.yml"
GROUPS = yaml.safe_load(RULES.read_text())["groups"]
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"]}
LABELS = {name: set(labels) for name, _, labels, _ in describe()}
DETECTORS = {"psi": Psi(), "total_variation": TotalVariation()}
DAY_STEPS = 288  # of five minutes
WHO = 'job="tocsin", model="delays", profile="p1"'


def promtool(*arguments):
    return subprocess.run([binary("promtool", "prometheus"), *arguments], capture_output=True, text=True, check=False)


def bin_label(column):
    return "le" if column == "score" else "bin"


def fleet(column, reference, replicas):
    """Input series of a unit test: each replica's rows arrive over the day, bin by bin at an even pace."""
    series = [(f'tocsin_reference_{column}_rows{{{WHO}, instance="0"}}', f"{sum(reference)}x600")]
    for i, rows in enumerate(reference):
        labels = f'{{{WHO}, instance="0", {bin_label(column)}="{i:02}"}}'
        series.append((f"tocsin_reference_{column}_bin_ratio{labels}", f"{rows / sum(reference)!r}x600"))
        for replica, counts in enumerate(replicas):
            labels = f'{{{WHO}, instance="{replica}", {bin_label(column)}="{i:02}"}}'
            series.append((f"tocsin_{column}_bin_rows_total{labels}", f"7+{int(counts[i])}x600"))
    return [{"series": name, "values": values} for name, values in series]


def recorded(folder, name, series):
    """The value that Prometheus' own engine records under a name a day and a half later, as promtool prints it."""
    wrong_on_purpose = {"expr": name, "eval_time": "36h", "exp_samples": [{"labels": "wrong", "value": 1}]}
    case = {"interval": "5m", "input_series": series, "promql_expr_test": [wrong_on_purpose]}
    unit = {"rule_files": [str(RULES)], "evaluation_interval": "5m", "tests": [case]}
    (folder / "t.yml").write_text(yaml.safe_dump(unit))
    shown = promtool("test", "rules", str(folder / "t.yml"))
    [value] = re.findall(r"got:\s*\{.*\}\s+(\S+)", shown.stdout + shown.stderr)
    return float(value)


@pytest.mark.real
@pytest.mark.parametrize("column", ["output", "score"])
@pytest.mark.parametrize("word", DETECTORS)
def test_what_is_recorded_of_a_fleet_is_what_a_detector_reads_of_all_its_rows(tmp_path, word, column):
    rng = np.random.default_rng(len(word + column))
    reference = rng.integers(0, 900, 16)
    replicas = rng.integers(0, 9, (3, 16))
    replicas[:, 3] = reference[5] = 0  # a bin that nobody was in, and one that the reference knows nothing of
    everything = Histogram("x", True, tuple((replicas.sum(axis=0) * DAY_STEPS).tolist()))
    reading = DETECTORS[word].read(Histogram("x", True, tuple(reference.tolist())), everything)
    value = recorded(tmp_path, f"model:tocsin_{column}_{word}:1d", fleet(column, reference.tolist(), replicas))
    assert value == pytest.approx(reading.value, rel=1e-9)
    assert reading.value > 0.05


@pytest.mark.real
def test_promtool_accepts_the_rules_and_passes_their_unit_tests():
    checked = promtool("check", "rules", str(RULES))
    assert f"SUCCESS: {len(RECORDED)} rules found" in checked.stdout
    tested = promtool("test", "rules", str(RULES.with_name("tocsin.recording.test.yml")))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_metric_that_a_rule_reads_is_exported():
    raw = {name for expr in RECORDED.values() for name in re.findall(r"(?<![:\w])tocsin_\w+(?!\w*:)", expr)}
    assert raw
    assert raw <= set(LABELS)


def test_what_a_rule_reads_of_another_is_recorded_before_it():
    seen: set[str] = set()
    for name, expr in RECORDED.items():
        assert set(re.findall(r"model\w*:tocsin_\w+:\w+", expr)) <= seen
        seen.add(name)


@pytest.mark.parametrize("column", ["output", "score", "feature"])
def test_bins_are_summed_over_replicas_and_never_over_profiles_or_features(column):
    kept = LABELS[f"tocsin_{column}_bin_rows_total"] | {"job"}
    for name, expr in RECORDED.items():
        for by in re.findall(r"by \(([^)]*)\)", expr) if f"_{column}_" in name else ():
            assert set(by.split(", ")) in (kept, kept - {bin_label(column)})


def test_names_say_level_metric_and_operation():
    assert all(re.fullmatch(r"model(_bin)?:tocsin_[a-z_]+:[a-z0-9]+", name) for name in RECORDED)


# ---------------------------------------------------------------- a real Prometheus over a real listener

REFERENCE, LIVE = (400, 300, 200, 100), (90_000, 60_000, 10_000, 20_000)


@pytest.fixture(scope="module")
def page():
    clock = WallClock()
    return Page(clock, Collector(), 60.0, {"loop": clock.monotonic})


@pytest.fixture(scope="module")
def server(page, tmp_path_factory):
    """Prometheus with our rules, evaluated ten times a second instead of every five minutes."""
    rules = tmp_path_factory.mktemp("rules") / "fast.yml"
    rules.write_text(RULES.read_text().replace("interval: 5m", "interval: 100ms"))
    listener = Listener(page, lambda: (True, "ready"), WallClock())
    listener.start()
    target = {"job_name": "tocsin", "scrape_interval": "100ms", "scrape_timeout": "100ms"}
    target["static_configs"] = [{"targets": [f"127.0.0.1:{listener.port}"]}]
    with prometheus({"scrape_configs": [target], "rule_files": [str(rules)]}) as url:
        yield url
    listener.stop()


def drawn(rows):
    view = BinsView(Drawn.OUTPUT, "", ("a", "b", "c", "d"), rows, REFERENCE)
    return snapshot(pictures=Pictures("p1", (view,)))


@pytest.mark.real
def test_a_prometheus_that_scrapes_the_page_records_the_distances(page, server):
    page.render(drawn((0, 0, 0, 0)))
    wait_for(lambda: query(server, "tocsin_output_bin_rows_total == 0"), "the counters at zero")
    page.render(drawn(LIVE))
    known, live = (Histogram("output", False, bins) for bins in (REFERENCE, LIVE))
    [moved] = wait_for(lambda: query(server, "model:tocsin_output_total_variation:1d"), "the distance")
    assert float(moved["value"][1]) == pytest.approx(TotalVariation().read(known, live).value, rel=1e-9)
    [psi] = wait_for(lambda: query(server, "model:tocsin_output_psi:1d"), "the index")
    assert math.isclose(float(psi["value"][1]), Psi().read(known, live).value, rel_tol=1e-3)  # see `increase`
