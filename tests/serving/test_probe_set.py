"""The payload of a set of probes: what is written is read, what cannot be asked is refused, and nothing is quoted."""

import json

import msgspec
import numpy as np
import pytest
from probe_sets import CANARY, WORD, answers, made, rows

from monitor.decisions.probes import Answers
from monitor.errors import Permanent
from monitor.facts import ModelName, Task
from monitor.serving import probe_set
from monitor.serving.tensors import Answer, encode

D1, D2 = ("sha256:" + digit * 64 for digit in "12")
SET = made({D1: answers()})


def edited(**changes):
    return json.dumps(json.loads(probe_set.write(SET)) | changes).encode()


def test_what_is_written_is_read():
    assert probe_set.parse(probe_set.write(SET)) == SET


def test_what_is_asked_is_what_was_recorded_to_the_byte():
    assert json.loads(probe_set.parse(probe_set.write(SET)).body) == json.loads(encode(rows()))


def test_one_more_checkpoint_adds_its_answers():
    more = SET.with_answers(D2, answers(score=0.5), 3.0)
    assert (set(more.recorded), more.recorded[D1], more.created) == ({D1, D2}, answers(), 3.0)


def test_a_set_prints_no_row_and_no_answer():
    assert str(CANARY) not in repr(SET)
    assert WORD not in f"{SET}"
    assert repr(SET) == "ProbeSet(m, 4 rows, 1 checkpoints)"


def test_answers_are_kept_with_their_gaps():
    said = Answer(["a", "b"], [0.5, float("nan")], D1)
    assert probe_set.answers(said) == Answers(("a", "b"), (0.5, None))
    assert probe_set.answers(Answer([], [float("nan")], D1, [3.5])) == Answers(values=(3.5,))


def test_numbers_are_kept_as_numbers():
    numbers = made({D1: Answers(values=(1.0, 2.0, 3.0, 4.5))}, task=Task.REGRESSION)
    assert probe_set.parse(probe_set.write(numbers)) == numbers


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        edited(version=2),
        edited(format="other"),
        edited(extra=1),
        edited(model=""),
        edited(model="a\nb"),
        edited(inputs=[]),
        edited(inputs=[{"name": "x", "shape": [2], "datatype": "FP64", "data": [1.0]}]),
        edited(inputs=[{"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}]),
        edited(recorded={"md5:1": {}}),
        edited(recorded={D1: {"outputs": ["a"], "scores": [None]}}),
        edited(recorded={D1: {"outputs": ["a"] * 4, "scores": [1.5] * 4}}),
        edited(recorded={D1: {"values": [1.0] * 4}}),
    ],
)
def test_what_cannot_be_asked_or_compared_is_refused_unquoted(body):
    with pytest.raises(Permanent) as error:
        probe_set.parse(body)
    assert not any(word in str(error.value) for word in (str(CANARY), WORD, "yes"))


def test_too_many_rows_and_checkpoints_are_refused():
    with pytest.raises(Permanent, match="1 to 1000 rows"):
        made(n=1_001)
    many = {f"sha256:{i:064x}": answers() for i in range(probe_set.CHECKPOINTS_MAX)}
    full = msgspec.structs.replace(SET, recorded=many)
    with pytest.raises(Permanent, match="100 checkpoints"):
        full.with_answers(D2, answers(), 3.0)


def test_a_ranking_is_not_probed():
    with pytest.raises(Permanent, match="ranking"):
        probe_set.make(ModelName("m"), Task.RANKING, rows(), 1.0)


def test_no_rows_are_no_probes():
    with pytest.raises(Permanent, match="rows"):
        probe_set.make(ModelName("m"), Task.CLASSIFICATION, rows().take(np.array([], np.intp)), 1.0)
