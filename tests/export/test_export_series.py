from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import BROKEN, UNKNOWN, breach, full, model, ok, rule, snapshot, view, wide

from monitor.export.collector import Collector
from monitor.export.series import OTHER, Series
from monitor.export.snapshot import Snapshot
from monitor.facts import Severity

NAMES = ("tocsin_feature_psi", "tocsin_reading_verdict")


def samples(collector, found):
    return [sample for family in collector.collect(found).collect() for sample in family.samples]


def values(found, series_max):
    """{feature: value} of the one distance, under a cap."""
    lines = samples(Collector(series_max), found)
    return {line.labels["feature"]: line.value for line in lines if line.name == "tocsin_feature_psi"}


def dropped(lines):
    [value] = [line.value for line in lines if line.name == "tocsin_series_dropped_total"]
    return value


def test_three_thousand_features_fit_under_the_cap():
    lines = samples(Collector(2_000), snapshot(*wide(3_000)))
    assert 1_990 < len(lines) <= 2_000


def test_the_worst_features_are_kept():
    kept = values(snapshot(*wide(3_000)), 2_000)
    names = sorted(set(kept) - {OTHER})
    assert names == [f"f{i:05}" for i in range(3_000 - len(names), 3_000)]
    assert len(names) > 400


def test_the_rest_is_pooled_under_its_maximum():
    kept = values(snapshot(*wide(3_000)), 2_000)
    assert kept[OTHER] == pytest.approx(0.1 + (3_000 - len(kept)) / 100_000)


def test_dropped_series_are_counted_render_by_render():
    collector, found = Collector(2_000), snapshot(*wide(3_000))
    first = dropped(samples(collector, found))
    assert first == 4 * (3_000 - (len(values(found, 2_000)) - 1))
    assert dropped(samples(collector, found)) == 2 * first


def test_nothing_is_dropped_while_everything_fits():
    lines = samples(Collector(2_000), snapshot(*wide(20)))
    assert dropped(lines) == 0
    assert len([line for line in lines if line.name == "tocsin_feature_psi"]) == 20


def test_a_breach_outranks_a_larger_value():
    readings = [*wide(200), view(breach(0.01), "quiet-breach")]
    assert "quiet-breach" in values(snapshot(*readings), 200)


def test_a_critical_breach_outranks_a_warning():
    critical = view(breach(0.21), "critical", rule=rule(severity=Severity.CRITICAL))
    readings = [*wide(200, breach), critical]
    assert "critical" in values(snapshot(*readings), 200)


def test_a_broken_reading_outranks_one_that_is_well():
    readings = [*wide(200), view(BROKEN, "cracked"), view(UNKNOWN, "thin")]
    lines = samples(Collector(200), snapshot(*readings))
    named = {line.labels["feature"] for line in lines if line.name == "tocsin_reading_verdict"}
    assert "cracked" in named
    assert "thin" not in named


def test_pooled_features_still_count_by_verdict():
    lines = samples(Collector(200), snapshot(*wide(300, breach)))
    [count] = [x.value for x in lines if x.name == "tocsin_readings" and x.labels["verdict"] == "breach"]
    assert count == 300


def test_all_readings_of_one_feature_stay_together():
    rules = [rule(detector) for detector in ("psi", "jensen_shannon", "kolmogorov_smirnov")]
    readings = [replace(reading, rule=each) for reading in wide(200) for each in rules]
    lines = samples(Collector(500), snapshot(*readings))
    per_feature = {}
    for line in lines:
        if "verdict" in line.labels and "feature" in line.labels:
            per_feature.setdefault(line.labels["feature"], []).append(line.labels["rule"])
    assert {len(found) for found in per_feature.values()} == {3}


def test_segments_are_pooled_as_well():
    names = tuple(f"s{i}" for i in range(100))
    readings = [view(ok(), "", segment=name, rule=rule("foreign")) for name in names]
    lines = samples(Collector(650), snapshot(*readings, segments=names))
    assert OTHER in {line.labels.get("segment") for line in lines}


def test_features_of_two_models_are_pooled_apart():
    base = snapshot(*wide(300))
    both = Snapshot(0.0, (*base.models, model(*wide(300), model="credit")), base.daemon)
    pools = {x.labels["model"] for x in samples(Collector(300), both) if x.labels.get("feature") == OTHER}
    assert pools == {"delays", "credit"}


@given(series_max=st.integers(1, 400), features=st.integers(0, 60))
@settings(derandomize=True, max_examples=60, deadline=None)
def test_the_cap_holds_whatever_is_handed_in(series_max, features):
    busy = full()
    found = replace(busy, models=(*busy.models, model(*wide(features), model="wide")))
    lines = samples(Collector(series_max), found)
    assert len(lines) <= series_max
    assert (dropped(lines) > 0) == (len(samples(Collector(10_000), found)) > series_max)


def test_the_daemon_comes_before_the_models_when_there_is_no_room():
    names = {line.name for line in samples(Collector(60), full())}
    assert "tocsin_journal_lag_rows" in names
    assert "tocsin_feature_psi" not in names


def test_a_series_is_added_once():
    series = Series(10)
    series.add("tocsin_labels_waiting", 1)
    series.add("tocsin_labels_waiting", 2)
    assert [sample.value for sample in series.samples] == [1]
    assert series.dropped == 1


def test_a_label_that_the_table_does_not_know_is_a_bug():
    with pytest.raises(AssertionError):
        Series(10).add("tocsin_labels_waiting", 1, source="someone")
