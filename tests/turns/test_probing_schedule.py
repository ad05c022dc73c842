"""When golden probes are asked and what follows: of what serves, at each activation and then on time."""

from pathlib import Path

import probe_sets
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from world import DIGESTS, MODEL, Turns

from monitor.clock import ManualClock
from monitor.errors import Transient
from monitor.facts import AlertState, Verdict
from monitor.rollback.signing import Signer
from monitor.serving.probe_set import answers as kept
from monitor.serving.tensors import Answer
from monitor.settings.model_sections import Probes
from monitor.turns import show
from monitor.turns.probing import Probing

EVERY_S = 300.0


class Model:
    """Answers probes as it is told; `at` is who answers and how sure it is, None: nobody does."""

    def __init__(self, name="v1", score=0.75):
        self.at, self.asked, self.meanwhile = (name, score), 0, lambda: None

    async def infer_body(self, body, n, task):
        self.asked += 1
        self.meanwhile()
        if self.at is None:
            raise Transient("no answer")
        name, score = self.at
        said = probe_sets.answers(n, score)
        return Answer(list(said.outputs), list(said.scores), DIGESTS[name])


class Scene:
    """A model that is served, its probes on disk, and a clock."""

    def __init__(self, folder, **settings):
        self.set = folder / "probes.json"
        self.record("v1")
        trust = (probe_sets.public_key(folder / "k.pub"),)
        self.probes = Probes.model_construct(file=self.set, trust=trust, every=EVERY_S, connections=2, **settings)
        self.turns = Turns(folder / "state", settings={"probes": self.probes})
        self.clock, self.model = ManualClock(0.0), Model()
        self.turns.clock = self.clock
        self.probing = Probing({MODEL: self.turns.watched}, {MODEL: self.model}, self.clock, self.turns.wheel.decide)

    def record(self, *names):
        found = {DIGESTS[name]: probe_sets.answers() for name in names}
        return probe_sets.write(self.set, probe_sets.made(found))

    def at(self, now):
        """What is due at `now`; the verdict of the last round."""
        self.clock.step(now)
        self.turns.runner.run(self.probing.due())
        last = self.turns.watched.probes.last
        return last and last.reading.verdict

    @property
    def pages(self):
        return [(alert.rule, alert.state) for alert in self.turns.watched.state.alerts]


@pytest.fixture
def scene(tmp_path):
    made = Scene(tmp_path)
    made.turns.settle(0.0)
    yield made
    made.turns.close()


def test_nothing_is_asked_before_anything_is_served(tmp_path):
    scene = Scene(tmp_path)
    assert (scene.at(10.0), scene.model.asked) == (None, 0)
    scene.turns.close()


def test_a_checkpoint_that_answers_as_recorded_is_ok(scene):
    assert scene.at(1.0) is Verdict.OK
    assert (scene.model.asked, scene.pages) == (2, [])


def test_it_is_asked_at_its_activation_and_then_every_so_often(scene):
    asked = []
    for now in range(0, 1_000, 50):
        scene.at(float(now))
        asked.append(scene.model.asked // 2)
    assert asked == [1 + now // 300 for now in range(0, 1_000, 50)]


def test_a_clock_that_is_set_back_asks_again_and_does_not_wait(scene):
    scene.at(10_000.0)
    scene.at(100.0)
    assert scene.model.asked == 4


def test_a_new_activation_is_asked_at_once(scene):
    scene.at(1.0)
    scene.turns.server.name = "v2"
    scene.turns.settle(2.0)
    assert scene.at(3.0) is Verdict.UNKNOWN
    assert "no answers of this checkpoint" in scene.turns.watched.probes.last.reading.why


def test_a_model_that_answers_otherwise_is_a_page_within_one_interval_and_without_a_row(scene):
    scene.at(1.0)
    scene.model.at = ("v1", 0.7501)
    assert scene.at(EVERY_S) is Verdict.OK
    assert scene.at(1.0 + EVERY_S) is Verdict.BREACH
    assert scene.pages == [("probe_mismatch", AlertState.FIRING)]
    assert (scene.turns.watched.totals.predictions, len(scene.turns.outbox.every())) == (0, 1)


def test_a_page_survives_a_restart(scene):
    scene.model.at = ("v1", 0.1)
    scene.at(1.0)
    scene.turns.restart()
    assert [alert.rule for alert in scene.turns.watched.state.alerts] == ["probe_mismatch"]


@pytest.mark.parametrize("said", [None, ("v2", 0.75)])
def test_a_server_that_does_not_answer_is_unknown_and_pages_nobody(scene, said):
    scene.model.at = said
    assert (scene.at(1.0), scene.pages) == (Verdict.UNKNOWN, [])


def test_silence_does_not_end_a_page(scene):
    scene.model.at = ("v1", 0.1)
    scene.at(1.0)
    scene.model.at = None
    for now in (400.0, 800.0, 5_000.0):
        scene.at(now)
        scene.turns.settle(now)
    assert scene.pages == [("probe_mismatch", AlertState.FIRING)]


def test_right_answers_end_a_page(scene):
    scene.model.at = ("v1", 0.1)
    scene.at(1.0)
    scene.model.at = ("v1", 0.75)
    scene.at(400.0)
    scene.turns.settle(400.0)
    assert scene.turns.watched.state.incident is None


def test_a_round_whose_activation_ended_meanwhile_counts_for_nobody(scene):
    def switch():
        scene.turns.watched.epochs = (*scene.turns.watched.epochs, scene.turns.watched.epoch.__class__(
            9, MODEL, scene.turns.watched.epoch.bundle, DIGESTS["v2"], 1.0, 1.0))  # fmt: skip

    scene.model.at, scene.model.meanwhile = ("v1", 0.1), switch
    scene.at(1.0)
    assert (scene.turns.watched.probes.last, scene.pages) == (None, [])


def test_answers_that_are_recorded_later_need_no_restart(scene):
    scene.turns.server.name = "v2"
    scene.turns.settle(1.0)
    scene.model.at = ("v2", 0.75)
    assert scene.at(2.0) is Verdict.UNKNOWN
    scene.record("v1", "v2")
    assert scene.at(400.0) is Verdict.OK


def stranger(path):
    probe_sets.write(path, probe_sets.made(), Signer(Ed25519PrivateKey.from_private_bytes(b"s" * 32)))


@pytest.mark.parametrize(
    "harm",
    [
        Path.unlink,
        stranger,
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_bytes(path.read_bytes()[:-9]),
    ],
)
def test_a_set_that_cannot_be_believed_is_unknown_and_nobody_is_asked(scene, harm):
    harm(scene.set)
    assert (scene.at(1.0), scene.model.asked, scene.pages) == (Verdict.UNKNOWN, 0, [])


def test_the_probes_of_another_model_are_not_asked(scene):
    probe_sets.write(scene.set, probe_sets.made(model="other"))
    assert (scene.at(1.0), scene.model.asked) == (Verdict.UNKNOWN, 0)


def test_what_is_shown_is_how_it_went_and_never_what_was_asked(scene, capsys):
    scene.model.at = ("v1", 0.5)
    scene.at(1.0)
    view = show.model_view(scene.turns.watched).probes
    assert (view.verdict, view.mismatches, view.flips, view.difference) == (Verdict.BREACH, 4, 0, 0.25)
    told = str((view, show.probed(scene.turns.watched), scene.turns.watched.state, scene.turns.outbox.every()))
    told += "".join(capsys.readouterr())
    assert not any(secret in told for secret in (str(probe_sets.CANARY), probe_sets.WORD, "0.75"))


def test_a_model_without_probes_shows_none(scene):
    scene.turns.watched.settings = scene.turns.watched.settings.model_copy(update={"probes": None})
    scene.at(1.0)
    assert show.model_view(scene.turns.watched).probes is show.probed(scene.turns.watched) is None


def test_the_recorded_answers_are_those_of_the_protocol():
    said = probe_sets.answers()
    assert kept(Answer(list(said.outputs), list(said.scores), DIGESTS["v1"])) == said
