import math

import pytest
from ingest_service import DELAYS, DIGITS, NOW

from monitor.facts import ModelName, RejectReason
from monitor.ingest.accept import EXPLAINED, Known, Setting, accept_labels, accept_predictions
from monitor.ingest.counters import UNKNOWN_NAMES_MAX, Claim
from monitor.ingest.decode import LabelRow, PredictionRow
from monitor.ingest.limits import Limits

LIMITS = Limits(ahead_max_s=300, behind_max_s=86_400, rejections_max=3)
ROW = {"id": "f-1", "prediction": "late"}
TRUTH = {"id": "f-1", "label": "late"}


def setting(*schemas, bound="gateway-1"):
    return Setting.of({schema.model: Known.of(schema) for schema in schemas or (DELAYS,)}, bound, NOW, LIMITS)


def predict(row, *schemas, bound="gateway-1"):
    accepted, tally = accept_predictions([PredictionRow(**row)], setting(*schemas, bound=bound))
    (fact,) = next(iter(accepted.values()), [None])
    return fact, tally


def label(row, bound="ops"):
    accepted, tally = accept_labels([LabelRow(**row)], setting(bound=bound))
    (fact,) = next(iter(accepted.values()), [None])
    return fact, tally


def reason(tally):
    (found,) = tally.rejected.elements()
    assert tally.rejections[0].reason is found
    return found.value


def test_every_reason_has_words():
    assert set(EXPLAINED) == set(RejectReason)


def test_a_bare_row_is_enough():
    fact, tally = predict(ROW)
    assert (fact.id, fact.output, fact.source, fact.features) == ("f-1", 0, "gateway-1", {})
    assert (fact.time, fact.arrival, fact.segment, fact.claimed_bundle) == (NOW, NOW, None, "")
    assert math.isnan(fact.score)
    assert not tally.rejected
    assert not tally.dropped


def test_a_full_row_is_kept_whole():
    features = {"hour": 5, "temp": None, "carrier": "UA"}
    fact, tally = predict(
        ROW | {"time": NOW - 1, "model": "delays", "bundle": "sha256:1", "features": features, "scores": 0.75}
        | {"segment": {"origin": "EWR"}, "source": "gateway-1"}
    )  # fmt: skip
    assert (fact.time, fact.claimed_bundle, fact.score) == (NOW - 1, "sha256:1", 0.75)
    assert (fact.features, fact.segment) == (features, {"origin": "EWR"})
    assert not tally.dropped


@pytest.mark.parametrize("given", ["a", "é" * 256, "\x00", 0, -5, 2**70])
def test_takes_text_and_integers_as_ids(given):
    assert predict(ROW | {"id": given})[0].id == label(TRUTH | {"id": given})[0].id == str(given)


@pytest.mark.parametrize("given", ["", "x" * 257, "\ud800", True, 1.0, math.inf, [], {}, 10**300])
def test_refuses_other_ids(given):
    assert reason(predict(ROW | {"id": given})[1]) == reason(label(TRUTH | {"id": given})[1]) == "id_invalid"


def test_refuses_a_row_without_id():
    assert reason(predict({"prediction": "late"})[1]) == reason(label({"label": "late"})[1]) == "id_missing"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (NOW + 300.5, "time_in_future"),
        (10**400, "time_invalid"),
        (1e300, "time_in_future"),
        (NOW - 86_400.5, "time_too_old"),
        (-1e300, "time_too_old"),
        ("2013-03-01T10:15:00", "time_invalid"),
        (math.nan, "time_invalid"),
        (True, "time_invalid"),
        ([], "time_invalid"),
    ],
)
def test_refuses_times_that_are_none_or_far_away(time, expected):
    assert reason(predict(ROW | {"time": time})[1]) == reason(label(TRUTH | {"time": time})[1]) == expected


@pytest.mark.parametrize("time", [NOW + 300, NOW - 86_400, "2013-03-01T10:15:00Z", "2013-03-01T05:15:00-05:00"])
def test_takes_times_at_the_bounds_of_our_clock(time):
    assert predict(ROW | {"time": time})[0].time == (NOW if isinstance(time, str) else time)


@pytest.mark.parametrize("value", ["late", "on_time", "other", "", "\ud800", 5, True])
def test_a_class_is_its_index_and_any_other_comes_last(value):
    index = {"late": 0, "on_time": 1}.get(value, 2)
    assert predict(ROW | {"prediction": value})[0].output == label(TRUTH | {"label": value})[0].label == index


@pytest.mark.parametrize(("value", "index"), [("1", 1), (1, 1), (1.0, 1), (2, 2), (3, 3), (True, 3)])
def test_a_class_may_be_named_by_its_json_text(value, index):
    assert predict(ROW | {"prediction": value}, DIGITS)[0].output == index


@pytest.mark.parametrize("value", [1.5, math.nan, math.inf, [], {}])
def test_refuses_what_is_no_class(value):
    assert reason(predict(ROW | {"prediction": value})[1]) == "prediction_invalid"
    assert reason(label(TRUTH | {"label": value})[1]) == "label_invalid"


def test_refuses_a_row_without_its_outcome():
    assert reason(predict({"id": "x"})[1]) == "prediction_missing"
    assert reason(label({"id": "x"})[1]) == "label_missing"


@pytest.mark.parametrize(
    ("scores", "score"),
    [({"late": 0.81, "on_time": 0.19}, 0.81), ([0.7, 0.3], 0.7), (0.6, 0.6), (1, 1.0), (0, 0.0), ({"late": 1}, 1.0)],
)
def test_with_two_classes_the_score_is_the_positive_ones(scores, score):
    for prediction in ("late", "on_time", "other"):
        assert predict(ROW | {"prediction": prediction, "scores": scores})[0].score == score


@pytest.mark.parametrize(("scores", "score"), [({"1": 0.5}, 0.5), ([0.1, 0.7, 0.2], 0.7), (0.9, 0.9)])
def test_with_more_classes_the_score_is_the_predicted_ones(scores, score):
    assert predict(ROW | {"prediction": "1", "scores": scores}, DIGITS)[0].score == score


@pytest.mark.parametrize("scores", [{"0": 0.5}, [0.5, 0.5], [0.1, 0.1, 0.1, 0.7]])
def test_with_more_classes_there_is_no_score_for_another_class(scores):
    fact, tally = predict(ROW | {"prediction": "9", "scores": scores}, DIGITS)
    assert math.isnan(fact.score)
    assert tally.dropped == {Claim.SCORES: 1}


@pytest.mark.parametrize(
    "scores",
    [-0.1, 1.1, math.nan, 10**400, True, "0.5", [0.5], [0.1] * 3, [None, 1], {}, {"on_time": 0.5}, {"late": "x"}],
)
def test_what_is_no_probability_is_no_score_and_counted(scores):
    fact, tally = predict(ROW | {"scores": scores})
    assert math.isnan(fact.score)
    assert tally.dropped == {Claim.SCORES: 1}


@pytest.mark.parametrize("cell", [[], {}, "text", True, math.nan, 10**400])
def test_a_cell_never_refuses_its_row(cell):
    fact, tally = predict(ROW | {"features": {"hour": cell}})
    assert fact.features["hour"] is cell
    assert not tally.rejected


@pytest.mark.parametrize("features", [[], "x", 5, True])
def test_features_are_an_object(features):
    assert reason(predict(ROW | {"features": features})[1]) == "features_invalid"


def test_unknown_features_are_kept_as_hashes_once_each():
    _, tally = predict(ROW | {"features": {"hour": 1, "salary": 2, "age": 3}})
    assert tally.unknown == {"delays": {hash("salary"), hash("age")}}


def test_unknown_features_are_bounded():
    rows = [PredictionRow(id=i, prediction="late", features={f"x{i}-{k}": 1 for k in range(300)}) for i in range(20)]
    _, tally = accept_predictions(rows, setting())
    assert UNKNOWN_NAMES_MAX <= len(tally.unknown["delays"]) < UNKNOWN_NAMES_MAX + 300


def test_one_model_needs_no_name_and_two_need_one():
    assert predict(ROW)[0] is not None
    assert reason(predict(ROW, DELAYS, DIGITS)[1]) == "model_missing"


@pytest.mark.parametrize("model", ["other", "", 5, [], {}, "\ud800"])
def test_refuses_models_that_are_not_monitored(model):
    assert reason(predict(ROW | {"model": model})[1]) == "model_unknown"


def test_rows_of_two_models_are_kept_apart_in_order():
    rows = [PredictionRow(id=i, prediction=1, model=("delays", "digits")[i % 2]) for i in range(4)]
    accepted, _ = accept_predictions(rows, setting(DELAYS, DIGITS))
    assert {model: [row.id for row in rows] for model, rows in accepted.items()} == {
        "delays": ["0", "2"],
        "digits": ["1", "3"],
    }


@pytest.mark.parametrize("claim", ["ops", "gateway-10", "gateway-1/x", "", 5, [], "\ud800"])
def test_another_source_is_a_claim_that_is_counted_and_decides_nothing(claim):
    fact, tally = predict(ROW | {"source": claim})
    assert (fact.source, tally.dropped) == ("gateway-1", {Claim.SOURCE: 1})


@pytest.mark.parametrize("claim", ["crowd/alice", "crowd/a b", "crowd/a/b", "crowd/é"])
def test_a_prefix_lets_the_row_name_its_source(claim):
    assert label(TRUTH | {"source": claim}, bound="crowd/*")[0].source == claim


@pytest.mark.parametrize(
    "claim",
    [
        None,
        "crowd",
        "crowd/",
        "ops",
        "crowds/a",
        "xcrowd/a",
        "crowd/" + "x" * 251,
        "crowd/\n",
        "crowd/\ud800",
        5,
        ["crowd/a"],
    ],
)
def test_a_prefix_refuses_rows_that_name_none_below_it(claim):
    assert reason(label(TRUTH | {"source": claim}, bound="crowd/*")[1]) == "source_forbidden"
    assert reason(predict(ROW | {"source": claim}, bound="crowd/*")[1]) == "source_forbidden"


@pytest.mark.parametrize("segment", [{"a": "b"}, {str(i): "x" * 128 for i in range(8)}])
def test_keeps_a_usable_segment(segment):
    assert predict(ROW | {"segment": segment})[0].segment == segment


@pytest.mark.parametrize(
    "segment",
    [
        5,
        "EWR",
        [],
        {"a": 1},
        {"a": None},
        {"a": "x" * 129},
        {"x" * 129: "a"},
        {"a": "\ud800"},
        {"\ud800": "a"},
        {str(i): "" for i in range(9)},
    ],
)
def test_drops_and_counts_an_unusable_segment(segment):
    fact, tally = predict(ROW | {"segment": segment})
    assert (fact.segment, tally.dropped) == (None, {Claim.SEGMENT: 1})


@pytest.mark.parametrize("bundle", [5, [], "x" * 257, "\ud800"])
def test_drops_and_counts_an_unusable_bundle(bundle):
    fact, tally = predict(ROW | {"bundle": bundle})
    assert (fact.claimed_bundle, tally.dropped) == ("", {Claim.BUNDLE: 1})


@pytest.mark.parametrize("hint", ["yesterday", [], True, math.nan])
def test_drops_and_counts_an_unusable_hint(hint):
    fact, tally = label(TRUTH | {"prediction_time": hint})
    assert (fact.prediction_time, tally.dropped) == (None, {Claim.PREDICTION_TIME: 1})


def test_keeps_a_usable_hint():
    assert label(TRUTH | {"prediction_time": "2013-03-01T10:15:00Z"})[0].prediction_time == NOW


def test_the_list_of_rejections_is_capped_and_its_count_is_not():
    rows = [RejectReason.MALFORMED, PredictionRow(**ROW), *[PredictionRow(prediction=1)] * 5]
    accepted, tally = accept_predictions(rows, setting())
    assert len(accepted[ModelName("delays")]) == 1
    assert [(r.index, r.reason) for r in tally.rejections] == [
        (0, RejectReason.MALFORMED),
        (2, RejectReason.ID_MISSING),
        (3, RejectReason.ID_MISSING),
    ]
    assert tally.rejected == {RejectReason.MALFORMED: 1, RejectReason.ID_MISSING: 5}


def test_a_refused_row_leaves_no_model_behind():
    accepted, _ = accept_predictions([PredictionRow(id="x")], setting())
    assert accepted == {}
