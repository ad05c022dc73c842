"""A real Prometheus that watched a real daemon through a rollback, with segments, evidence and an Alertmanager."""

import sys
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from boards import BOARDS
from servers import alertmanager, prometheus, query, wait_for

from grafana.ask import Look, Prometheus, Span
from grafana.tasks import playing

sys.path.append(str(Path(__file__).parents[1] / "loop"))  # loopworld starts the daemon of the loop's tests

RULES = Path(__file__).with_name("rules.yaml").read_text()
NDJSON = {"content-type": "application/x-ndjson"}
NOBODY = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
SIDES = ("left", "right")
MODEL = {  # what is added to the loop's settings of its model
    "segments": {"side": {"values": list(SIDES)}},
    "samples": {"share": 1.0},
    "probes": {"file": "./probes.json", "trust": ["./ann.pub"], "every": "10m", "timeout": "60s"},
    "evidence": {"metrics_every": "10m", "metrics": {"x_drift": {"metric": "ValueDrift", "column": "x"}}},
}


STEP_S = 0.5  # between the points of a range


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """(Prometheus, span): it scraped a daemon every half second while v2 came, was caught and was rolled back."""
    import probe_sets
    from loopworld import committed, poisoned
    from probed import record

    loop = sided(tmp_path_factory.mktemp("watched"))
    target = {"targets": [f"127.0.0.1:{loop.metrics_port}"], "labels": {"instance": "m-0"}}
    job = {"job_name": "tocsin", "scrape_interval": "500ms", "scrape_timeout": "500ms", "static_configs": [target]}
    with closing(loop), alertmanager(NOBODY) as told, prometheus({"scrape_configs": [job]}) as url:
        record(loop.server_url, loop.directory / "probes.json")
        probe_sets.public_key(loop.directory / "ann.pub")
        settle(loop, told)
        loop.start()
        poisoned(loop)
        wait_for(lambda: query(url, "tocsin_incidents_open"), "the first scrape")
        start = _last_scrape(url)
        loop.until(lambda status: _scraped(url, loop.now, 2 * STEP_S) or committed(status))
        loop.call("POST", "/v1/predictions", "gateway", content="no row\n", headers=NDJSON)
        loop.call("POST", "/v1/predictions", "person", content="{}\n", headers=NDJSON)  # may not send predictions
        loop.live(3)
        wait_for(lambda: query(url, "tocsin_evidence_value"), "the evidence worker's first values", 120)
        wait_for(lambda: query(url, "tocsin_alertmanager_firing_alerts"), "Alertmanager is told")
        _scraped(url, loop.now)
        yield Prometheus(url), Span(start, _last_scrape(url), STEP_S, 0.5)


def sided(directory):
    """The miniature loop, each row of which came from one side or the other; its receiver listens, nothing else yet."""
    from loopworld import Loop

    class Sided(Loop):
        def rows(self, *arguments, **named):
            lines = super().rows(*arguments, **named)
            return [line | {"segment": {"side": SIDES[i % 2]}} for i, line in enumerate(lines)]

    loop = Sided(directory)
    (directory / "rules.yaml").write_text(RULES)
    loop.start_receiver()
    loop.write_settings()
    return loop


def settle(loop, told):
    """Write the settings of `loop` once more: with segments, samples, evidence, and an Alertmanager at `told`."""
    file = loop.directory / "tocsin.yaml"
    document = yaml.safe_load(file.read_text())
    document["models"]["m"] |= MODEL
    document["models"]["m"]["rollback"]["contact_within"] = "1h"
    document["alertmanagers"] = [{"name": "main", "url": told, "allow_networks": ["127.0.0.0/8"], "resend": "10s"}]
    file.write_text(yaml.safe_dump(document))


def _last_scrape(url):
    """When Prometheus had the page last; after a scrape that came too late there is no such time until the next."""
    [found] = wait_for(lambda: query(url, "max(timestamp(tocsin_incidents_open))"), "a scrape")
    return float(found["value"][1])


def _scraped(url, now, for_s=1.0):
    """Wait until Prometheus has seen the page of the last step for so long: every point of a range then falls on it."""
    wait_for(lambda: query(url, f"tocsin_clock_timestamp_seconds >= {now}"), "a scrape after the last step")
    seen = _last_scrape(url)
    wait_for(lambda: _last_scrape(url) > seen + for_s, "scrapes of the same page")


@pytest.fixture(scope="module")
def looks(watched):
    """The dashboards of the loop's model looked at, once their variables are filled."""
    return {name: Look(BOARDS[name], *watched) for name in ("fleet", "model-classification", "safety")}


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """(what examples/tasks/README.md came to, the Prometheus that watched it, span): a model of each task."""
    directory = tmp_path_factory.mktemp("tasks")
    with playing(directory) as page:
        target = {"targets": [f"127.0.0.1:{page.metrics_port}"], "labels": {"instance": "t-0"}}
        job = {"job_name": "tocsin", "scrape_interval": "500ms", "scrape_timeout": "500ms", "static_configs": [target]}
        with prometheus({"scrape_configs": [job]}) as url:
            wait_for(lambda: query(url, "tocsin_incidents_open"), "the first scrape", 240)
            start = _last_scrape(url)
            wait_for(page.over, "twelve days of flights", 400)
            yield page, Prometheus(url), Span(start, _last_scrape(url), 1.0, 0.5)
