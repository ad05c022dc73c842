"""Numbers, lists and many classes, end to end: rows in, readings out, and numpy on the same rows says the same."""

import asyncio
import math

import numpy as np
import pytest
from msgspec.structs import replace
from sklearn.metrics import confusion_matrix, log_loss
from world import (
    COLOURS,
    LISTS,
    NUMBERS,
    SCHEMA,
    Spy,
    Turns,
    alive,
    answers,
    bundle,
    label,
    prediction,
    profile,
    rule,
    submission,
    tapped,
    truth,
)

from monitor.decisions.rules import RulePack
from monitor.detectors import DETECTORS
from monitor.facts import BundleStatus, Subject, Task, Verdict
from monitor.panes.count import NOT_ASKED
from monitor.turns.joining import dtype_of

N = 600
SCHEMAS = {schema.task.value if len(schema.classes) < 3 else "colours": schema for schema in (NUMBERS, LISTS, COLOURS)}


def world(directory, schema, *rules, **rest):
    layouts = profile(schema), profile(schema, seed=8)
    made = Turns(directory / "state", *rules, layouts=layouts, **rest)
    made.serve((0.0, "v1"))
    return made


@pytest.fixture(params=[*SCHEMAS.values(), SCHEMA], ids=[*SCHEMAS, "two classes"])
def turns(request, tmp_path):
    yield from alive(world(tmp_path, request.param))


def schema_of(turns):
    return turns.v1.reference.schema


def told(turns, rows):
    """The labels of these rows, all at one time."""
    return [label(row.id, truth(schema_of(turns), row, i), time=5000.0) for i, row in enumerate(rows)]


def test_labels_are_counted_in_the_slices_of_their_rows_also_when_they_come_later(turns):
    rows = answers(schema_of(turns), 200)
    turns.count(rows)
    turns.count(told(turns, rows))
    slices = turns.v1.reference.slices
    counted = turns.pane().counts[turns.v1.slices].reshape(-1, 2).sum(axis=1)
    numbers = [each.feature == slices[0].feature for each in slices]  # a number: its fifths hold every row that has it
    missing = turns.v1.view(turns.pane(), Subject.FEATURES, schema_of(turns).features[slices[0].feature].name).missing
    assert counted[numbers].sum() == 200 - missing
    assert counted.sum() > 200


# ---------------------------------------------------------------- numpy on the same rows


def losses(share):
    return lambda p, y: np.maximum(share * (y - p), (share - 1) * (y - p)).mean()


READINGS = {
    "mean_absolute_error": lambda p, y: np.abs(p - y).mean(),
    "root_mean_squared_error": lambda p, y: math.sqrt(((p - y) ** 2).mean()),
    "bias": lambda p, y: abs((p - y).mean()),
    "r_squared": lambda p, y: 1 - ((p - y) ** 2).sum() / ((y - y.mean()) ** 2).sum(),
    "quantile_loss": losses(0.5),
}


@pytest.mark.parametrize("detector", READINGS)
def test_errors_of_a_regression_are_those_of_numpy(tmp_path, detector):
    turns = world(tmp_path, NUMBERS, rule("r", Subject.OUTCOMES, DETECTORS[detector](), 3600.0))
    rows = answers(NUMBERS, N)
    labels = told(turns, rows)
    turns.count(rows, labels[::-1])
    [slot] = turns.slots("r", 3600.0)
    found = READINGS[detector](np.array([row.value for row in rows]), np.array([each.label for each in labels]))
    assert (slot.reading.n, abs(slot.reading.value)) == (N, pytest.approx(found, abs=1e-5))
    turns.close()


def test_a_share_of_hits_and_the_places_of_a_ranking_are_those_of_numpy(tmp_path):
    names = ("hit_rate", "reciprocal_rank", "ndcg")
    turns = world(tmp_path, LISTS, *(rule(name, Subject.OUTCOMES, DETECTORS[name](), 3600.0) for name in names))
    rows = answers(LISTS, N)
    turns.count(rows, told(turns, rows))
    found = turns.looked(3600.0).slots
    places = np.arange(N) % 13
    served = np.maximum(places, 1)
    gains = np.where((places > 0) & (places <= 10), 1 / np.log2(served + 1), 0)
    wanted = (((places > 0) & (places <= 5)).mean(), (1 / served[places > 0]).sum() / N, gains.mean())
    assert [found[name, ""][0].reading.value for name in names] == pytest.approx(wanted, abs=1e-8)
    turns.close()


def test_confusion_and_log_loss_of_three_classes_are_those_of_scikit_learn(tmp_path):
    turns = world(tmp_path, COLOURS, rule("r", Subject.OUTCOMES, DETECTORS["log_loss"](), 3600.0))
    rows = answers(COLOURS, N)
    labels = told(turns, rows)
    turns.count(rows, labels)
    said, true = [row.output for row in rows], [int(each.label) for each in labels]
    outcomes = turns.view(Subject.OUTCOMES)
    assert np.array(outcomes.confusion)[:3, :3].T.tolist() == confusion_matrix(true, said).tolist()
    found = log_loss(true, np.array([row.probabilities for row in rows]), labels=[0, 1, 2])
    [slot] = turns.slots("r", 3600.0)
    assert (slot.reading.n, slot.reading.value) == (N, pytest.approx(found, rel=2e-3))
    turns.close()


def test_rows_without_all_probabilities_are_in_no_log_loss(tmp_path):
    turns = world(tmp_path, COLOURS)
    full = answers(COLOURS, 10)
    bare = [replace(row, id=f"b{row.id}", probabilities=None) for row in full]
    turns.count(full, bare, told(turns, [*full, *bare]))
    outcomes = turns.view(Subject.OUTCOMES)
    assert (outcomes.labelled, outcomes.likely, [curve.n for curve in outcomes.curves]) == (20, 10, [20, 10, 10, 10])
    turns.close()


# ---------------------------------------------------------------- late, corrected, untrusted


def test_labels_that_come_late_in_pieces_and_corrected_count_as_those_that_came_right_at_once(turns, tmp_path):
    rows = answers(schema_of(turns), 90)
    right = told(turns, rows)
    wrong = [replace(each, label=right[(i + 1) % 90].label) for i, each in enumerate(right)]
    turns.count(wrong[:30])
    turns.count(rows[:50])
    turns.count(rows[50:], wrong[30:60])
    turns.count(right[::-1])
    late, totals = turns.pane(), turns.watched.totals
    other = world(tmp_path / "other", schema_of(turns))
    other.count(rows, right)
    assert late == other.pane()
    assert (totals.labels, other.watched.totals.labels) == (90, 90)
    other.close()


def test_what_nobody_trusts_moves_no_outcome_of_any_task(turns):
    rows = answers(schema_of(turns), 30)
    turns.count(rows)
    before = turns.view(Subject.OUTCOMES)
    turns.count([replace(each, source="crowd/1") for each in told(turns, rows)])
    assert turns.view(Subject.OUTCOMES) == before
    assert turns.pane().counts[turns.v1.agreement].sum() == turns.watched.totals.labels_untrusted == 30


def test_rows_and_labels_of_any_task_survive_a_restart(turns):
    rows = answers(schema_of(turns), 30)
    turns.count(rows)
    turns.restart()
    turns.serve((0.0, "v1"))
    turns.count(told(turns, rows))
    assert turns.view(Subject.OUTCOMES).labelled == 30


# ---------------------------------------------------------------- what is shown


def test_what_is_answered_drifts_in_every_task(turns):
    turns.watched.pack = RulePack(1, (rule("r", Subject.OUTPUT, DETECTORS["psi"](), 3600.0),))
    turns.count(answers(schema_of(turns), N))
    [slot] = turns.slots("r", 3600.0)
    assert slot.reading.verdict is Verdict.OK


def test_only_classes_are_shown_as_counts_of_classes(turns):
    turns.watched.pack = RulePack(1, (rule("r", Subject.OUTPUT, Spy(), 3600.0),))
    turns.count(answers(schema_of(turns), 30))
    turns.looked(3600.0)
    classes = len(schema_of(turns).classes)
    assert len(turns.watched.outputs.outputs) == (classes + 1 if classes else 0)


# ---------------------------------------------------------------- the known-good answers too


def test_how_far_two_regressions_lie_apart_is_what_numpy_says(tmp_path):
    turns = world(tmp_path, NUMBERS)
    tapped(turns, share=0.5, off=3.0)
    turns.serve((0.0, "v1"))
    rows = answers(NUMBERS, N)
    labels = told(turns, rows)
    turns.count(rows)
    turns.count(labels)
    pairs = turns.view(Subject.PAIRS)
    asked = turns.watched.totals.pairs
    assert N / 3 < asked < 2 * N / 3
    assert (pairs.asked, pairs.labelled, pairs.apart) == (asked, asked, pytest.approx(3.0 * asked, abs=1e-4))
    turns.close()


def test_what_the_other_model_would_have_got_wrong_is_what_numpy_says(tmp_path):
    turns = world(tmp_path, NUMBERS)
    tapped(turns, off=3.0)
    turns.serve((0.0, "v1"))
    rows = answers(NUMBERS, N)
    labels = told(turns, rows)
    turns.count(rows)
    turns.count(labels)
    error = np.array([row.value for row in rows]) - np.array([each.label for each in labels])
    worse = np.abs(error) - np.abs(error + 3.0)
    pairs = turns.view(Subject.PAIRS)
    assert (pairs.worse, pairs.worse_squared) == pytest.approx((worse.sum(), (worse**2).sum()), rel=1e-5)
    turns.close()


def test_nobody_is_paired_with_a_known_good_that_was_not_asked(turns):
    rows = answers(schema_of(turns), 30)
    turns.count(rows)
    turns.count(told(turns, rows))
    assert not turns.pane().counts[turns.v1.pairs].any()


def test_requests_with_and_without_scores_of_classes_that_share_a_record_are_counted(tmp_path):
    turns = world(tmp_path, COLOURS)
    rows = answers(COLOURS, 20)
    bare = [replace(row, score=math.nan, probabilities=None) for row in rows[10:]]

    async def at_once():  # so that the writer joins them
        await asyncio.gather(*(turns.store.append(submission(some)) for some in (rows[:10], bare)))

    turns.runner.run(at_once())
    assert turns.store.last_seq() == 1
    turns.count()
    turns.count(told(turns, rows))
    outcomes = turns.view(Subject.OUTCOMES)
    assert (outcomes.rows, outcomes.labelled, outcomes.likely, outcomes.scored) == (20, 20, 10, 10)
    turns.close()


# ---------------------------------------------------------------- profiles that are not alike


def approve(turns, at=300.0):
    """From `at` on v2 is known-good and served, and rows are read by its schema."""
    turns.bundles = (turns.bundles[0], bundle("v2", turns.v2, BundleStatus.KNOWN_GOOD, 2.0))
    turns.watched.bundles = turns.bundles
    turns.serve((0.0, "v1"), (at, "v1"), (at, "v2"))


def read_of(turns):
    """What is read of receipts for labels of all that answered."""
    return dtype_of(turns.watched, turns.watched.epochs, turns.watched.parting)


@pytest.fixture
def promoted(tmp_path):
    """Three classes until 300, then four."""
    four = replace(COLOURS, classes=("red", "green", "blue", "grey"))
    made = Turns(tmp_path / "state", layouts=(profile(COLOURS), profile(four)))
    made.serve((0.0, "v1"))
    yield from alive(made)


def test_a_label_is_counted_in_the_classes_of_the_epoch_that_answered(promoted):
    rows = answers(COLOURS, 30)
    promoted.count(rows)
    approve(promoted)
    assert read_of(promoted)["probabilities"].shape == (4,)
    promoted.count(told(promoted, rows))
    outcomes = promoted.view(Subject.OUTCOMES)
    assert (outcomes.labelled, outcomes.likely, outcomes.wrong) == (30, 30, 10)


def test_probabilities_of_other_classes_than_the_judges_are_not_known(promoted):
    approve(promoted)
    rows = answers(promoted.watched.schema, 30, every_s=20.0)  # half of them answered by a judge of three classes
    promoted.count(rows)
    promoted.count(told(promoted, rows))
    likely = [promoted.v1.view(promoted.pane(epoch=2), Subject.OUTCOMES).likely]
    likely.append(promoted.v2.view(promoted.pane(epoch=3, layout=promoted.v2), Subject.OUTCOMES).likely)
    assert likely == [0, 15]


@pytest.fixture(params=[(SCHEMA, NUMBERS), (NUMBERS, SCHEMA), (NUMBERS, LISTS), (LISTS, COLOURS)], ids=str)
def other_task(request, tmp_path):
    """A model whose task changes at 300, which nobody should do and which must not stop a fold."""
    first, second = request.param
    made = Turns(tmp_path / "state", layouts=(profile(first), profile(second)))
    made.serve((0.0, "v1"))
    yield from alive(made)


def test_rows_and_labels_around_a_change_of_task_stop_no_fold_and_make_nothing_up(other_task):
    first, second = (layout.reference.schema for layout in (other_task.v1, other_task.v2))
    early = answers(first, 30)
    other_task.count(early)
    approve(other_task)
    other_task.count(answers(second, 30, prefix="late"), told(other_task, early))
    moved = other_task.view(Subject.OUTCOMES)
    assert (moved.rows, moved.labelled) == (60, 0)
    assert other_task.pane().counts[other_task.v1.rows].tolist() == [60]


def test_a_row_of_another_task_is_of_no_class(tmp_path):
    turns = Turns(tmp_path / "state", layouts=(profile(SCHEMA), profile(NUMBERS)))
    approve(turns)
    turns.count([prediction("a", 10.0, 0, math.nan, value=7.0, x=0.5, c="a")])
    assert turns.view(Subject.OUTPUT).bins == (0, 0, 1)
    turns.close()


def test_what_a_receipt_of_another_task_lacks_is_no_answer(tmp_path):
    turns = Turns(tmp_path / "state", layouts=(profile(NUMBERS), profile(COLOURS)))
    turns.serve((0.0, "v1"))
    rows = answers(NUMBERS, 3)
    turns.count(rows)
    receipts = turns.commits[-1].receipts[0]
    approve(turns)
    _, found = turns.store.find_receipts("m", receipts.hashes, read_of(turns))
    assert (found["known_good_output"] == NOT_ASKED).all()
    assert np.isnan(found["score"]).all()
    assert np.isnan(found["probabilities"]).all()
    assert np.isnan(found["known_good_value"]).all()
    assert found["value"].tolist() == receipts.records["value"].tolist()
    assert turns.v1.task is Task.REGRESSION
    turns.close()
