"""Rows of regressions, rankings and models of several classes, row by row and as lines by column."""

import json
import math

import numpy as np
import pytest
from ingest_service import DIGITS, NOW

from monitor.facts import Feature, FeatureKind, ModelName, RejectReason, RowKind, Schema, Task
from monitor.ingest.accept import Known, Setting
from monitor.ingest.columns import read_clean
from monitor.ingest.counters import Claim
from monitor.ingest.decode import decode_lines
from monitor.ingest.intake import judge
from monitor.ingest.limits import Limits
from monitor.panes.batch import encode_columns, encode_predictions
from monitor.panes.decode import decode_predictions
from monitor.panes.ranking import score_gains, score_place

LIMITS = Limits()
PRICES = Schema(ModelName("prices"), (Feature("hour", FeatureKind.NUMERIC),), task=Task.REGRESSION)
SEARCH = Schema(ModelName("search"), (), task=Task.RANKING)
MISSING, INVALID = RejectReason.PREDICTION_MISSING, RejectReason.PREDICTION_INVALID
NO_NUMBER = ['"5"', "true", "[]", "[1]", "{}"]


def alone(schema):
    return Setting.of({schema.model: Known.of(schema)}, "gw", NOW, LIMITS)


def predicted(schema, *values, **rest):
    """What was kept of rows with these predictions, as JSON text, and the tally; fails if columns say otherwise."""
    more = "".join(f", {json.dumps(name)}: {value}" for name, value in rest.items())
    body = "\n".join(f'{{"id": "a", "prediction": {value}{more}}}' for value in values).encode()
    rows, tally = judge(RowKind.PREDICTIONS, body, decode_lines, alone(schema), LIMITS)
    kept = rows.get(schema.model, [])
    clean = read_clean(body, alone(schema), LIMITS)
    if clean is not None:
        assert encode_columns(clean.columns, schema) == encode_predictions(kept, schema)
        assert clean.tally == tally
    return decode_predictions(encode_predictions(kept, schema)), tally


def labels(schema, *values):
    body = "\n".join(f'{{"id": "a", "label": {value}}}' for value in values).encode()
    rows, tally = judge(RowKind.LABELS, body, decode_lines, alone(schema), LIMITS)
    return [row.label for row in rows.get(schema.model, [])], tally.rejected


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5.0), ("-0.25", -0.25), ("1e400", math.inf), ("9" * 400, math.inf), ("-Infinity", -math.inf)],
)
def test_a_number_is_kept_as_the_double_it_is(text, value):
    rows, tally = predicted(PRICES, text, text)
    assert (rows.values.tolist(), rows.outputs.tolist(), tally.rejected) == ([value] * 2, [0, 0], {})


def test_nan_is_kept_and_is_not_missing():
    rows, tally = predicted(PRICES, "NaN")
    assert np.isnan(rows.values).all()
    assert (rows.n, tally.rejected) == (1, {})


@pytest.mark.parametrize(("text", "reason"), [("null", MISSING), *[(text, INVALID) for text in NO_NUMBER]])
def test_what_is_no_number_is_refused(text, reason):
    rows, tally = predicted(PRICES, text, "1.5")
    assert (rows.values.tolist(), tally.rejected) == ([1.5], {reason: 1})


def test_a_regression_has_no_scores():
    rows, tally = predicted(PRICES, "1.5", "2.5", scores="0.5")
    assert np.isnan(rows.scores).all()
    assert tally.dropped == {Claim.SCORES: 2}


@pytest.mark.parametrize(("text", "length"), [('["a", "b", 3]', 3.0), ("[]", 0.0), ("20", 20.0), ("20.0", 20.0)])
def test_of_a_ranked_list_its_length_is_kept(text, length):
    rows, _ = predicted(SEARCH, text, text)
    assert rows.values.tolist() == [length] * 2


@pytest.mark.parametrize("text", ["-1", "1.5", "true", "NaN", "1e30", "{}", '"3"', "9" * 400])
def test_what_is_no_length_is_refused(text):
    _, tally = predicted(SEARCH, text, "3")
    assert tally.rejected == {INVALID: 1}


def test_a_label_of_a_regression_is_a_finite_number():
    found, rejected = labels(PRICES, "1", "-2.5", "NaN", "1e400", "true", '"1"', "null", "[1]")
    assert found == [1.0, -2.5]
    assert rejected == {RejectReason.LABEL_INVALID: 5, RejectReason.LABEL_MISSING: 1}


def test_a_label_of_a_ranking_is_gains_or_a_place():
    found, rejected = labels(SEARCH, "[0, 0, 1]", "3", "0", "[]", "300", "-1", "[-1]", '["a"]', "1.5", "null", "[NaN]")
    assert found == [score_gains([0, 0, 1]), score_place(3), score_place(0), score_gains([]), score_place(300)]
    assert found[0] == found[1]
    assert rejected == {RejectReason.LABEL_INVALID: 5, RejectReason.LABEL_MISSING: 1}


@pytest.mark.parametrize(
    "scores", ["[0.1, 0.2, 0.7]", '{"0": 0.1, "1": 0.2, "2": 0.7}', '{"2": 0.7, "1": 0.2, "0": 0.1}']
)
def test_all_probabilities_are_kept_where_all_were_sent(scores):
    rows, _ = predicted(DIGITS, '"2"', '"0"', scores=scores)
    assert np.array_equal(rows.probabilities, np.float32([[0.1, 0.2, 0.7]] * 2))
    assert rows.scores.tolist() == [0.7, 0.1]


@pytest.mark.parametrize(
    "scores", ['{"2": 0.7}', "0.7", '{"0": 0.1, "1": 7, "2": 0.7}', '{"0": 0.1, "1": null, "2": 0.7}']
)
def test_of_some_probabilities_only_the_top_one_is_kept(scores):
    rows, tally = predicted(DIGITS, '"2"', scores=scores)
    assert (rows.probabilities, rows.scores.tolist(), tally.dropped) == (None, [0.7], {})


def test_of_two_classes_the_score_says_it_all():
    two = Schema(ModelName("two"), (), ("no", "yes"), "yes")
    assert predicted(two, '"yes"', scores="[0.3, 0.7]")[0].probabilities is None
