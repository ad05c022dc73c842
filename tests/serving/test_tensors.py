import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import Permanent
from monitor.facts import Task
from monitor.serving.tensors import decode, decode_metadata, encode

DIGEST = "sha256:" + "a" * 64


def _tensors(rows):
    return {tensor["name"]: tensor for tensor in json.loads(encode(rows))["inputs"]}


def test_one_tensor_per_feature_in_the_rows_order(rows):
    assert [tensor["name"] for tensor in json.loads(encode(rows))["inputs"]] == ["temp", "wind", "carrier", "origin"]
    assert all(tensor["shape"] == [2] for tensor in _tensors(rows).values())


def test_types_follow_the_kind_of_the_feature(rows):
    assert [tensor["datatype"] for tensor in _tensors(rows).values()] == ["FP64", "FP64", "BYTES", "BYTES"]


def test_what_has_no_value_is_null(rows):
    data = {name: tensor["data"] for name, tensor in _tensors(rows).items()}
    assert data == {"temp": [39.02, None], "wind": [None, 5.0], "carrier": ["UA", None], "origin": [None, "JFK"]}


def test_reads_outputs_scores_and_digest(answer):
    found = decode(answer(), 2)
    assert (found.outputs, found.digest) == (["late", "on_time"], DIGEST)
    assert found.scores[0] == 0.8
    assert math.isnan(found.scores[1])


def test_scores_may_be_left_out(answer):
    document = json.loads(answer())
    del document["outputs"][1]
    assert all(map(math.isnan, decode(json.dumps(document).encode(), 2).scores))


def test_a_column_vector_and_unknown_outputs_are_fine(answer):
    document = json.loads(answer(prediction={"shape": [2, 1]}))
    document["outputs"].append({"name": "extra", "shape": [1], "datatype": "BOOL", "data": [True]})
    assert decode(json.dumps(document).encode(), 2).outputs == ["late", "on_time"]


@pytest.mark.parametrize(
    "changes",
    [
        {"prediction": {"data": ["late"]}},
        {"prediction": {"data": ["late", None]}},
        {"prediction": {"data": ["late", 1]}},
        {"prediction": {"data": [["late", "late"]]}},
        {"prediction": {"data": "late"}},
        {"prediction": {"shape": [1]}},
        {"prediction": {"shape": [2, 2]}},
        {"prediction": {"shape": []}},
        {"prediction": {"datatype": "FP64"}},
        {"prediction": {"name": "output"}},
        {"prediction": {"name": "score"}},
        {"score": {"data": [0.5]}},
        {"score": {"data": [0.5, 1.5]}},
        {"score": {"data": [0.5, -0.1]}},
        {"score": {"data": [0.5, True]}},
        {"score": {"data": [0.5, "0.5"]}},
        {"score": {"datatype": "BYTES"}},
        {"digest": ""},
        {"digest": "a" * 64},
        {"digest": "sha256:" + "A" * 64},
        {"digest": "sha256:" + "a" * 63},
        {"digest": DIGEST + "\n"},
        {"digest": "sha512:" + "a" * 64},
        {"digest": None},
    ],
    ids=str,
)
def test_an_answer_that_breaks_a_rule_is_refused_as_a_whole(changes, answer):
    with pytest.raises(Permanent):
        decode(answer(**changes), 2)


NUMBERS = {"datatype": "FP64", "data": [1.5, -2.0]}


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_a_regression_answers_numbers(answer, datatype):
    found = decode(answer(prediction=NUMBERS | {"datatype": datatype}), 2, Task.REGRESSION)
    assert (found.values, found.outputs, found.digest) == ([1.5, -2.0], [], DIGEST)
    assert all(map(math.isnan, found.scores))


@pytest.mark.parametrize(
    "changes", [{}, {"data": [1.5, None]}, {"data": [1.5, "2"]}, {"data": [1.5]}, {"datatype": "BOOL"}]
)
def test_numbers_that_break_a_rule_are_refused_as_a_whole(answer, changes):
    with pytest.raises(Permanent):
        decode(answer(prediction=NUMBERS | changes if changes else {}), 2, Task.REGRESSION)


@pytest.mark.parametrize("row", [0, 1, 3])
def test_an_answer_for_another_number_of_rows_is_refused(row, answer):
    with pytest.raises(Permanent):
        decode(answer(), row)


HOSTILE = [b"", b"null", b"[]", b"{}", b'{"outputs": 5}', b"NaN", b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe{}"]


@pytest.mark.parametrize("body", HOSTILE, ids=lambda body: repr(body[:12]))
def test_what_is_no_answer_is_refused(body):
    with pytest.raises(Permanent):
        decode(body, 1)
    with pytest.raises(Permanent):
        decode_metadata(body)


@settings(derandomize=True)
@given(st.binary())
def test_no_bytes_raise_anything_else(body):
    for read in (decode_metadata, lambda b: decode(b, 1)):
        with pytest.raises(Permanent):
            read(body)


def test_what_the_server_wrote_is_not_repeated(answer):
    with pytest.raises(Permanent) as error:
        decode(answer(prediction={"data": ["canary", 1]}, digest="canary"), 2)
    assert "canary" not in str(error.value)


def test_reads_the_digest_out_of_metadata_with_more_in_it():
    body = {"name": "delays", "versions": ["1"], "inputs": [], "parameters": {"checkpoint_digest": DIGEST, "x": [1]}}
    assert decode_metadata(json.dumps(body).encode()) == DIGEST
