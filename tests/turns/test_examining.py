"""Golden probes around a switch: what each answer means before it, and what it means after it."""

import asyncio

import probe_sets
import pytest
from world import DIGESTS, MODEL

from monitor.errors import Transient
from monitor.facts import Verdict
from monitor.serving.tensors import Answer
from monitor.settings.model_sections import Probes
from monitor.turns.examining import Examiner

RIGHT, WRONG, SILENT, OTHER = ("v1", 0.75), ("v1", 0.7), None, ("v2", 0.75)


class Model:
    def __init__(self, says):
        self.says = says

    async def infer_body(self, body, n, task):
        if self.says is None:
            raise Transient("no answer")
        name, score = self.says
        said = probe_sets.answers(n, score)
        return Answer(list(said.outputs), list(said.scores), DIGESTS[name])


@pytest.fixture
def examiner(tmp_path):
    probe_sets.write(tmp_path / "probes.json", probe_sets.made({DIGESTS["v1"]: probe_sets.answers()}))
    trust = (probe_sets.public_key(tmp_path / "k.pub"),)
    probes = Probes.model_construct(file=tmp_path / "probes.json", trust=trust, connections=2)

    def made(says, second_opinion=...):
        second = None if second_opinion is ... else Model(second_opinion)
        return Examiner(MODEL, probes, Model(says), second)

    return made


def served(examiner, name="v1"):
    return asyncio.run(examiner.served(DIGESTS[name]))


def candidate(examiner, name="v1"):
    return asyncio.run(examiner.candidate(DIGESTS[name]))


@pytest.mark.parametrize(
    ("says", "verdict"),
    [(RIGHT, Verdict.OK), (WRONG, Verdict.BREACH), (SILENT, Verdict.UNKNOWN), (OTHER, Verdict.UNKNOWN)],
)
def test_what_serves_has_to_answer_and_rightly(examiner, says, verdict):
    assert served(examiner(says)) is verdict


def test_of_a_checkpoint_without_recorded_answers_nothing_is_asked(examiner):
    assert served(examiner(WRONG), "v2") is None


@pytest.mark.parametrize("says", [SILENT, OTHER])
def test_a_second_opinion_that_cannot_tell_holds_no_switch_up(examiner, says):
    assert candidate(examiner(RIGHT, says)) is None


@pytest.mark.parametrize(("says", "verdict"), [(RIGHT, Verdict.OK), (WRONG, Verdict.BREACH)])
def test_a_second_opinion_that_serves_the_candidate_speaks_for_it(examiner, says, verdict):
    assert candidate(examiner(SILENT, says)) is verdict


def test_without_a_second_opinion_no_candidate_is_asked(examiner):
    assert candidate(examiner(RIGHT)) is None


@pytest.mark.parametrize("body", [b"", b"garbage"])
def test_a_set_that_cannot_be_believed_proves_nothing(examiner, body, tmp_path):
    made = examiner(RIGHT)
    (tmp_path / "probes.json").write_bytes(body)
    assert served(made) is Verdict.UNKNOWN
