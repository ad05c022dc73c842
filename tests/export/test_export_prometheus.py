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
        "scrape_interval": "1s",
        "scrape_timeout": "1s",  # a page takes milliseconds; a scrape that is late leaves no series behind
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
    assert answer(server, 'up{job="tocsin"} == 1')


def test_every_metric_on_the_page_arrives(page, server):
    page.render(full())
    lines = [line for line in page.answer().body.decode().splitlines() if not line.startswith("#")]
    names = {line.partition(" ")[0].partition("{")[0] for line in lines}

    def arrived():
        return {series["metric"]["__name__"] for series in query(server, '{__name__=~"tocsin_.+"}')}

    wait_for(lambda: arrived() == names, f"a scrape with all of {sorted(names)} and nothing else")


def test_three_thousand_features_stay_below_a_sample_limit(page, server):
    page.render(snapshot(*wide(3_000)))
    [pooled] = answer(server, 'tocsin_feature_psi{feature="__other__"}')
    assert float(pooled["value"][1]) > 0.1
    assert answer(server, "tocsin_series_dropped_total > 1000")
    assert answer(server, "0 < scrape_samples_scraped <= 2050")
