import gzip
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from servers import binary
from snapshots import NOW, full, ok, snapshot, view, wide

from monitor.clock import ManualClock
from monitor.export.collector import Collector
from monitor.export.page import Body, Page, accepted, gzipped, wants_open_metrics

OPEN_METRICS = "application/openmetrics-text;version=1.0.0"
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
RENDER_EVERY_S = 5.0


@pytest.fixture
def clock():
    return ManualClock(100.0)


@pytest.fixture
def page(clock):
    return Page(clock, Collector(), RENDER_EVERY_S, {"loop": clock.monotonic, "writer": lambda: 100.0})


def values(text):
    return {sample.name: sample.value for family in parse_text(text) for sample in family.samples}


def names(families):
    return {sample.name for family in families for sample in family.samples}


def test_the_text_format_parses(page):
    page.render(full())
    answer = page.answer("text/plain")
    found = names(parse_text(answer.body.decode()))
    assert {"tocsin_feature_psi", "tocsin_rows_accepted_total", "tocsin_render_age_seconds"} <= found
    assert ("Content-Type", "text/plain; version=0.0.4; charset=utf-8") in answer.headers


def test_open_metrics_parses_and_ends_as_it_must(page):
    page.render(full())
    body = page.answer(OPEN_METRICS).body.decode()
    assert names(parse_open_metrics(body)) == names(parse_text(page.answer().body.decode()))
    assert body.endswith("# EOF\n")
    assert body.count("# EOF") == 1


def test_open_metrics_says_the_units(page):
    page.render(full())
    units = {family.name: family.unit for family in parse_open_metrics(page.answer(OPEN_METRICS).body.decode())}
    assert units["tocsin_error_ratio"] == "ratio"
    assert units["tocsin_fold_seconds"] == "seconds"


@pytest.mark.real
def test_promtool_has_nothing_to_say_about_the_page_but_that_pictures_use_the_labels_of_histograms(page):
    page.render(full())
    checked = subprocess.run(
        [binary("promtool", "prometheus"), "check", "metrics"],
        input=page.answer().body,
        capture_output=True,
        check=False,
    )
    drawn = re.compile(
        r"tocsin_(reference_)?(score_bin_\w+|(feature|output)_quantile) "
        r"non-\w+ metrics should not have \"(le|quantile)\" label"
    )
    said = checked.stderr.decode().splitlines()
    assert ([line for line in said if not drawn.fullmatch(line)], checked.stdout) == ([], b"")


@pytest.mark.parametrize("accept", ["text/plain", OPEN_METRICS])
def test_the_gzip_variant_is_the_same_page(page, accept):
    page.render(full())
    zipped = page.answer(accept, "gzip, deflate")
    assert ("Content-Encoding", "gzip") in zipped.headers
    assert gzip.decompress(zipped.body) == page.answer(accept).body
    assert len(zipped.body) < len(page.answer(accept).body) / 4


@pytest.mark.parametrize("encoding", ["", "identity", "br", "gzip;q=0", "gzip; q=0.0"])
def test_gzip_is_sent_only_to_those_who_take_it(page, encoding):
    assert dict(page.answer("", encoding).headers).get("Content-Encoding") is None


@pytest.mark.parametrize(
    ("accept", "open_metrics"),
    [
        (PROMETHEUS_2, True),
        ("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;q=0.3", True),
        ("", False),
        ("*/*", False),
        ("text/html,*/*;q=0.8", False),
        ("text/plain;version=0.0.4", False),
        ("text/plain, application/openmetrics-text;q=0.5", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=many", False),
        (";;,,;q=", False),
    ],
)
def test_the_client_s_preference_decides_the_format(accept, open_metrics):
    assert wants_open_metrics(accept) == open_metrics


@given(st.text(max_size=40))
@settings(derandomize=True)
def test_any_accept_header_is_survived(header):
    assert all(name == name.strip() for name in accepted(header))


@given(st.binary(max_size=500), st.binary(max_size=50))
@settings(derandomize=True)
def test_body_and_tail_are_one_gzip_member(plain, tail):
    from monitor.export.page import _body

    stream = gzipped(_body(plain), tail)
    assert gzip.decompress(stream) == plain + tail


def test_an_empty_body_is_one_gzip_member_too():
    assert gzip.decompress(gzipped(Body(), b"tail")) == b"tail"


def test_before_the_first_render_only_its_absence_is_told(page, clock):
    clock.step(103.0)
    assert values(page.answer().body.decode())["tocsin_render_age_seconds"] == 3.0
    assert "tocsin_build_info" not in page.answer().body.decode()


def test_the_age_of_the_render_is_live(page, clock):
    page.render(full())
    clock.step(107.0)
    found = values(page.answer().body.decode())
    assert found["tocsin_render_age_seconds"] == 7.0
    assert found["tocsin_render_timestamp_seconds"] == NOW


def test_after_three_missed_renders_no_old_value_is_served(page, clock):
    page.render(full())
    clock.step(100.0 + 3 * RENDER_EVERY_S)
    assert values(page.answer().body.decode())["tocsin_render_stale"] == 0
    clock.step(100.0 + 3 * RENDER_EVERY_S + 0.1)
    stale = values(page.answer().body.decode())
    assert set(stale) == {"tocsin_render_stale", "tocsin_render_age_seconds", "tocsin_heartbeat_age_seconds"}
    assert stale["tocsin_render_stale"] == 1


@pytest.mark.parametrize("accept", ["", OPEN_METRICS])
def test_the_stale_page_parses_in_both_formats_and_compressed(page, clock, accept):
    page.render(full())
    clock.step(500.0)
    body = gzip.decompress(page.answer(accept, "gzip").body).decode()
    parse = parse_open_metrics if accept else parse_text
    assert "tocsin_render_stale" in names(parse(body))


def test_a_new_render_brings_the_values_back(page, clock):
    page.render(full())
    clock.step(500.0)
    page.render(full())
    assert "tocsin_feature_psi" in page.answer().body.decode()


def test_a_render_replaces_the_one_before(page):
    page.render(snapshot(view(ok(0.125))))
    page.render(snapshot(view(ok(0.25))))
    assert b"0.25" in page.answer().body
    assert b"0.125" not in page.answer().body


@pytest.mark.parametrize(("age_s", "held"), [(0.0, True), (30.0, True), (30.5, False)])
def test_health_needs_every_heartbeat_within_thirty_seconds(page, clock, age_s, held):
    clock.step(100.0 + age_s)  # the loop moves with the clock, the writer stays at 100
    assert page.healthy(clock.monotonic())[0] is held


def test_the_answer_names_the_part_that_stopped(page, clock):
    clock.step(200.0)
    assert page.healthy(200.0) == (False, "the writer has not moved for 100 s")


def test_each_heartbeat_has_its_age_on_the_page(page, clock):
    clock.step(110.0)
    [family] = [f for f in parse_text(page.answer().body.decode()) if f.name == "tocsin_heartbeat_age_seconds"]
    assert {s.labels["part"]: s.value for s in family.samples} == {"loop": 0.0, "writer": 10.0}


def test_a_page_of_three_thousand_features_stays_under_the_cap(page):
    page.render(snapshot(*wide(3_000)))
    lines = [line for line in page.answer().body.decode().splitlines() if not line.startswith("#")]
    live = 4  # render age, stale, two heartbeats
    assert len(lines) <= 2_000 + live
