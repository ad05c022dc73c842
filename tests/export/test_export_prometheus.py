"""A real Prometheus scrapes a real listener; one for all tests, as its first scrape takes it five seconds."""

import pytest
from servers import prometheus, query, wait_for
from snapshots import full, snapshot, wide

from monitor.clock import WallClock
from monitor.export.collector import Collector
from monitor.export.listener import Listener
from monitor.export.page import Page

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def page():
    clock = WallClock()
    return Page(clock, Collector(), 60.0, {"loop": clock.monotonic})


@pytest.fixture(scope="module")
def server(page):
    listener = Listener(page, lambda: (True, "ready"), WallClock())
    listener.start()
    job = {
        "job_name": "tocsin",
        "scrape_interval": "100ms",
        "scrape_timeout": "100ms",
        "sample_limit": 2_050,
        "static_configs": [{"targets": [f"127.0.0.1:{listener.port}"]}],
    }
    with prometheus({"scrape_configs": [job]}) as url:
        yield url
    listener.stop()


def answer(server, promql):
    return wait_for(lambda: query(server, promql), f"an answer to {promql}")


def test_prometheus_scrapes_the_page_and_answers_about_it(page, server):
    page.render(full())
    [psi] = answer(server, 'tocsin_feature_psi{feature="hour"} == 0.3')
    assert float(psi["value"][1]) == 0.3
    [up] = query(server, 'up{job="tocsin"}')
    assert up["value"][1] == "1"


def test_every_metric_on_the_page_arrives(page, server):
    page.render(full())
    answer(server, "tocsin_paired_error_difference_ratio")
    arrived = {series["metric"]["__name__"] for series in query(server, '{__name__=~"tocsin_.+"}')}
    lines = [line for line in page.answer().body.decode().splitlines() if not line.startswith("#")]
    assert arrived == {line.partition(" ")[0].partition("{")[0] for line in lines}


def test_three_thousand_features_stay_below_a_sample_limit(page, server):
    page.render(snapshot(*wide(3_000)))
    [pooled] = answer(server, 'tocsin_feature_psi{feature="__other__"}')
    assert float(pooled["value"][1]) > 0.1
    [dropped] = query(server, "tocsin_series_dropped_total")
    assert float(dropped["value"][1]) > 1_000
    [scraped] = query(server, "scrape_samples_scraped")
    assert float(scraped["value"][1]) <= 2_050
