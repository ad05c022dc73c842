"""Histograms on the page: whole or not at all, in a stable order, with the reference's shares under the same labels."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from snapshots import bins, model, ok, pictures, rule, snapshot, view, wide

from monitor.export.collector import Collector
from monitor.export.pictures import Drawn, Pictures, SpreadView
from monitor.export.readings import Sample
from monitor.export.series import SERIES_MAX, fit_whole, groups, room_for_pictures
from monitor.export.snapshot import Snapshot
from monitor.facts import Subject

ROWS, SHARE = "tocsin_feature_bin_rows_total", "tocsin_reference_feature_bin_ratio"


def samples(found, series_max=SERIES_MAX):
    return [line for family in Collector(series_max).collect(found).collect() for line in family.samples]


def drawn(*views, spreads=()):
    return snapshot(pictures=Pictures("0123456789ab", views, spreads))


def lines(found, name, series_max=SERIES_MAX):
    return [(line.labels, line.value) for line in samples(found, series_max) if line.name == name]


def dropped(found, series_max):
    [(_, value)] = lines(found, "tocsin_series_dropped_total", series_max)
    return value


def test_a_bin_has_its_rows_and_the_share_of_the_reference_under_the_same_labels():
    found = drawn(bins(rows=(5, 3), reference=(60, 40)))
    labels = {"model": "delays", "profile": "0123456789ab", "feature": "hour"}
    assert lines(found, ROWS) == [(labels | {"bin": "00"}, 5), (labels | {"bin": "01"}, 3)]
    assert lines(found, SHARE) == [(labels | {"bin": "00"}, 0.6), (labels | {"bin": "01"}, 0.4)]
    assert lines(found, "tocsin_reference_feature_rows") == [(labels, 100)]


@pytest.mark.parametrize(("what", "label"), [(Drawn.OUTPUT, "bin"), (Drawn.SCORE, "le"), (Drawn.FEATURE, "bin")])
def test_output_score_and_features_have_a_family_each(what, label):
    [(labels, _), _] = lines(drawn(bins(what)), f"tocsin_{what.value}_bin_rows_total")
    assert labels[label] == "00"
    assert ("feature" in labels) == (what is Drawn.FEATURE)


def test_a_reference_without_rows_has_no_shares():
    found = drawn(bins(reference=(0, 0)))
    assert lines(found, SHARE) == []
    assert [value for _, value in lines(found, "tocsin_reference_feature_rows")] == [0]


def test_quantiles_and_mean_of_window_and_reference_have_names_of_their_own():
    live = SpreadView("hour", of_reference=False, quantiles=((0.05, 1.0), (0.5, 7.0)), mean=6.5)
    found = drawn(spreads=(live, replace(live, of_reference=True, mean=None)))
    labels = {"model": "delays", "feature": "hour"}
    assert lines(found, "tocsin_feature_quantile")[1] == (labels | {"quantile": "0.5"}, 7.0)
    assert lines(found, "tocsin_reference_feature_quantile")[0] == (labels | {"quantile": "0.05"}, 1.0)
    assert lines(found, "tocsin_feature_mean") == [(labels, 6.5)]
    assert lines(found, "tocsin_reference_feature_mean") == []


@given(
    features=st.integers(0, 40),
    bins_each=st.integers(1, 30),
    series_max=st.integers(1, 900),
    wide_by=st.integers(0, 60),
)
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_histogram_is_shown_whole_or_not_at_all(features, bins_each, series_max, wide_by):
    found = snapshot(*wide(wide_by), pictures=pictures(features, bins_each))
    shown = {}
    for labels, _ in [*lines(found, ROWS, series_max), *lines(found, SHARE, series_max)]:
        shown[labels["feature"]] = shown.get(labels["feature"], 0) + 1
    assert set(shown.values()) <= {2 * bins_each}
    assert list(shown) == [f"f{i:05}" for i in range(len(shown))]


def test_what_is_not_drawn_is_counted():
    found = snapshot(pictures=pictures(100, 22))
    everything = len(samples(found, 100_000))
    assert dropped(found, 1_000) == everything - len(samples(found, 1_000)) > 1_000


def test_pictures_never_push_a_reading_of_the_whole_model_out():
    whole = [view(ok(), "", rule=rule("psi", Subject.OUTPUT))]
    base = snapshot(*whole)
    crowded = snapshot(*whole, pictures=pictures(500, 30))
    enough = len(samples(base))
    assert {line.name for line in samples(base)} <= {line.name for line in samples(crowded, enough)}


def test_features_keep_half_of_the_room_beside_pictures():
    found = snapshot(*wide(500), pictures=pictures(500, 20))
    readings = [labels for labels, _ in lines(found, "tocsin_feature_psi")]
    assert len(readings) > 150
    assert len({labels["feature"] for labels, _ in lines(found, ROWS)}) > 15


def test_pictures_take_what_the_features_do_not_need():
    candidates = groups("delays", wide(5))
    assert room_for_pictures(candidates, 1_000) == 1_000 - sum(len(group.lines) for group in candidates)
    assert room_for_pictures(candidates, 10) == 5


def test_a_smaller_picture_may_fit_where_a_larger_one_does_not():
    large, small = [Sample("a", {}, 1)] * 9, [Sample("b", {}, 1)] * 2
    assert fit_whole([large, small], 4) == (small, 9)


def test_models_take_turns():
    base = snapshot(pictures=pictures(50, 20))
    both = Snapshot(0.0, (*base.models, model(model="credit", pictures=pictures(50, 20))), base.daemon)
    shown = [labels["model"] for labels, _ in lines(both, "tocsin_reference_feature_rows", 1_000)]
    assert abs(shown.count("delays") - shown.count("credit")) <= 1
    assert len(shown) > 10


def test_bins_of_another_profile_are_other_series():
    before, after = (snapshot(pictures=replace(pictures(), profile=name)) for name in ("aaaa", "bbbb"))
    assert {labels["profile"] for labels, _ in lines(before, ROWS)} == {"aaaa"}
    assert {labels["profile"] for labels, _ in lines(after, ROWS)} == {"bbbb"}
