"""A fold counts every row once, in the pane of its epoch, and every label in the pane of its prediction."""

import asyncio
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs
from world import MODEL, bundle, label, open_store, prediction, reference, submission, timeline, watched

from monitor.errors import Corrupt, Transient
from monitor.facts import BundleStatus, Outcomes, Subject
from monitor.ingest.accept import Setting
from monitor.panes.layout import Layout
from monitor.panes.window import sum_panes
from monitor.settings.document import parse_document
from monitor.settings.structure import draft
from monitor.store.protocol import Change
from monitor.turns import fold as module
from monitor.turns.bounds import limits_of, wheel_bounds
from monitor.turns.counting import FoldSettings
from monitor.turns.fold import Fold
from monitor.turns.opinion import Opinion, silent

NOW = 1_000 * 86_400.0
SETTINGS = FoldSettings(rows_max=100_000, pane_s=60, grace_s=0.0, horizon_s=86_400.0, replica="0")


class World:
    """One model whose v1 serves from time 0, a store, and a fold over both."""

    def __init__(self, directory, ask=None, proofs=((0.0, "v1"),)):
        self.v1, self.v2 = Layout.of(reference()), Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
        bundles = (bundle("v1", self.v1), bundle("v2", self.v2, BundleStatus.CANDIDATE, 2.0))
        self.watched = watched(bundles, (self.v1, self.v2), timeline(bundles, *proofs))
        self.directory, self.ask = directory, ask
        self.open()

    def open(self):
        self.store = open_store(self.directory)
        self.fold = Fold(self.store, {MODEL: self.watched}, self.ask, SETTINGS)

    def send(self, *batches):
        async def run():
            for rows in batches:
                await self.store.append(submission(list(rows)))

        asyncio.run(run())

    def run(self, now=1000.0):
        """Fold all that waits; how many folds that took."""
        folds = itertools.count()
        asyncio.run(self.fold.run(self.store.last_seq(), now, lambda: next(folds)))
        return next(folds)

    def pane(self, epoch=2, layout=None, start=0, end=1 << 40):
        layout = layout or self.v1
        bodies = [body for _, body in self.store.panes(MODEL, epoch, "", layout.digest, start, end)]
        return sum_panes(bodies, layout.digest, layout.size)

    def outcomes(self, epoch=2):
        view = self.v1.view(self.pane(epoch), Subject.OUTCOMES)
        assert isinstance(view, Outcomes)
        return view


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "state")
    yield made
    made.store.close()


def rows(n, start=0.0, prefix="p"):
    return [prediction(f"{prefix}{i}", start + i, i % 2, 0.25, x=i / n, c="a") for i in range(n)]


def test_every_row_is_counted_in_the_pane_of_its_time(world):
    world.send(rows(180))
    world.run()
    assert [world.pane(start=s, end=s + 60).counts[0] for s in (0, 60, 120)] == [60, 60, 60]


def test_a_repeated_id_counts_once_in_one_fold_and_over_folds(world):
    world.send(rows(10), rows(10))
    world.run()
    world.send(rows(12))
    world.run()
    assert (world.pane().counts[0], world.watched.totals.duplicates) == (12, 20)


@pytest.mark.parametrize("horizon", ["1h", "2d", "14d", "60d"])
@pytest.mark.parametrize("behind", ["", "time: {behind_max: 30m}\n"])
def test_the_oldest_row_that_intake_takes_is_known_when_it_comes_again(world, horizon, behind):
    text = f"models: {{m: {{release: {{index: r, trust: [k]}}, rules: r}}}}\npanes: {{horizon: {horizon}}}\n{behind}"
    read = draft(parse_document(text.encode(), "tocsin.yaml"), Path()).settings
    oldest = Setting.of({}, "gw", NOW, limits_of(read)).earliest
    world.store.commit(Change(horizon=NOW - wheel_bounds(read).horizon_s, now=NOW))  # as a look does
    for _ in range(3):
        world.send(rows(10, start=oldest))
        world.run(NOW)
    assert (world.pane().counts[0], world.watched.totals.duplicates) == (10, 20)


def test_a_repeated_id_is_counted_as_such_in_the_pane_of_its_own_time(world):
    world.send(rows(90), rows(10, start=60.0))
    world.run()
    world.send(rows(5, start=120.0))
    world.run()
    repeated = [int(world.pane(start=s, end=s + 60).counts[world.v1.repeated][0]) for s in (0, 60, 120)]
    assert repeated == [0, 10, 5]
    assert (world.pane().counts[0], world.watched.totals.duplicates) == (90, 15)


def test_a_fold_holds_fewer_rows_of_wide_models(world, monkeypatch):
    monkeypatch.setattr(module, "CELLS_MAX", 5 * len(world.watched.schema.features))
    world.send(*([prediction(f"p{part}-{i}", 60.0) for i in range(4)] for part in range(3)))
    assert (world.run(), world.pane().counts[0]) == (3, 12)


@pytest.fixture
def small(world, monkeypatch):
    """A world whose folds take one record each."""
    monkeypatch.setattr(module, "CELLS_MAX", 1)
    return world


def read_before_commit(world, monkeypatch):
    """Let every commit wait until the records after it were read ahead: the store does not tell of its ids then."""
    commit, read, ahead = world.store.commit, Fold._read, threading.Semaphore(0)

    def reading(fold, upto, after=0):
        found = read(fold, upto, after)
        if after:
            ahead.release()
        return found

    def committing(change):
        assert change.cursor == world.store.last_seq() or ahead.acquire(timeout=30)
        commit(change)

    monkeypatch.setattr(Fold, "_read", reading)
    monkeypatch.setattr(world.store, "commit", committing)


def test_ids_of_the_fold_that_is_just_being_committed_are_known_to_what_was_read_ahead(small, monkeypatch):
    small.send(rows(4), rows(6), rows(5), rows(8, prefix="q"))
    read_before_commit(small, monkeypatch)
    assert (small.run(), small.pane().counts[0], small.watched.totals.duplicates) == (4, 14, 9)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_was_read_ahead_of_a_commit_that_fails_is_read_again(small, monkeypatch, at):
    small.send(rows(4), rows(6), rows(5, prefix="q"))
    commit, calls = small.store.commit, itertools.count()

    def full(change):
        if next(calls) == at:
            raise Transient("the disk is full", 1.0)
        commit(change)

    monkeypatch.setattr(small.store, "commit", full)
    with pytest.raises(Transient):
        small.run()
    assert (small.watched.totals.predictions, small.store.health().journal_rows) == ((0, 15), (4, 11), (6, 5))[at]
    assert (small.run(), small.pane().counts[0], small.watched.totals.duplicates) == (3 - at, 11, 4)


def test_a_fold_is_done_and_told_before_damage_that_was_met_ahead_of_it(small, monkeypatch):
    small.send(rows(4), rows(4, prefix="q"))
    decode = module.decode_predictions
    bodies = itertools.count()
    monkeypatch.setattr(
        module, "decode_predictions", lambda body: decode(body if next(bodies) == 0 else bytes(body)[:99])
    )
    with pytest.raises(Corrupt):
        small.run()
    assert (small.watched.totals.predictions, small.pane().counts[0], small.store.health().journal_rows) == (4, 4, 4)


def test_the_first_of_two_predictions_with_one_id_wins(world):
    world.send([prediction("p", 1.0, 0), prediction("p", 2.0, 1)])
    world.run()
    assert world.v1.view(world.pane(), Subject.OUTPUT).bins == (1, 0, 0)


def test_a_label_is_counted_in_the_pane_of_its_prediction_however_late(world):
    world.send(rows(120))
    world.run()
    world.send([label("p5", 1, time=5000.0)])
    world.run()
    first = world.v1.view(world.pane(end=60), Subject.OUTCOMES)
    assert (first.labelled, first.wrong, world.outcomes().labelled) == (1, 0, 1)


def test_a_label_that_comes_before_its_prediction_waits_for_it(world):
    world.send([label("p0", 1)])
    world.run()
    assert world.outcomes().labelled == 0
    world.send(rows(1))
    world.run()
    assert (world.outcomes().labelled, world.outcomes().wrong) == (1, 1)


def test_a_corrected_label_takes_the_old_one_back_exactly(world):
    world.send(rows(1), [label("p0", 1)])
    world.run()
    world.send([label("p0", 0)])
    world.run()
    never = world.outcomes()
    assert (never.labelled, never.wrong, world.watched.totals.labels_corrected) == (1, 0, 1)
    assert never.squared_error == round(0.25**2 * 2**32)


def test_an_untrusted_label_moves_no_error(world):
    world.send(rows(2), [label("p0", 1, source="crowd/1")])
    world.run()
    assert world.outcomes().labelled == 0
    assert world.pane().counts[world.v1.agreement].tolist() == [0, 1]


def test_rows_between_two_proofs_go_to_the_transition(tmp_path):
    world = World(tmp_path / "state", proofs=((0.0, "v1"), (60.0, "v1"), (120.0, "v2")))
    world.send(rows(180))
    world.run()
    assert [world.pane(epoch).counts[0] for epoch in (2, 3, 4)] == [60, 60, 60]
    assert world.watched.totals.unattributed == 60
    world.store.close()


def test_a_bundle_that_is_not_known_good_is_counted_in_the_judges_bins_and_in_its_own(tmp_path):
    world = World(tmp_path / "state", proofs=((0.0, "v2"),))
    world.send(rows(10))
    world.run()
    judged, own = world.pane(2, world.v1), world.pane(2, world.v2)
    assert (judged.counts[0], own.counts[0]) == (10, 10)
    assert world.v2.view(own, Subject.OUTCOMES).labelled == 0
    world.store.close()


def test_pairs_say_how_often_each_of_the_two_models_was_wrong(tmp_path):
    async def ask(watched, rows, keys):
        return Opinion(np.zeros(rows.n, np.uint8), asked=rows.n)  # the known-good says "no" to everything

    world = World(tmp_path / "state", ask)
    world.send(rows(4), [label(f"p{i}", 0) for i in range(4)])  # served: no, yes, no, yes; truth: no
    world.run()
    pairs = world.v1.view(world.pane(), Subject.PAIRS)
    assert (pairs.asked, pairs.differ) == (4, 2)
    assert (pairs.both_right, pairs.only_serving_wrong, pairs.only_known_good_wrong) == (2, 2, 0)
    world.store.close()


def test_a_wrong_claim_of_a_bundle_is_counted_and_decides_nothing(world):
    world.send([prediction("a", 1.0, claimed="v2"), prediction("b", 2.0, claimed="v1"), prediction("c", 3.0)])
    world.run()
    assert (world.watched.totals.claims_wrong, world.pane().counts[0]) == (1, 3)


def test_rows_of_a_model_that_the_settings_no_longer_name_hold_up_nobody(world):
    gone = [prediction(f"g{i}", 1.0) for i in range(3)]
    with capture_logs() as logs:
        world.send(rows(10))
        asyncio.run(append_as("gone", world.store, gone))
        world.send(rows(12))
        world.run()
    assert (world.pane().counts[0], world.store.health().journal_rows) == (12, 0)
    assert [(event["event"], event["model"], event["rows"]) for event in logs] == [("fold.model_gone", "gone", 3)]


async def append_as(model, store, rows):
    await store.append(replace(submission(rows), model=model))


class Killed(BaseException):
    """A stand-in for kill -9 between two steps."""


@pytest.mark.parametrize("step", ["_read", "_sort", "_opinion", "_counted"])
def test_a_fold_that_dies_before_its_commit_counts_nothing_and_is_done_again(tmp_path, step, monkeypatch):
    world = World(tmp_path / "state")
    world.send(rows(50), [label("p1", 1)])

    def die(*_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Fold, step, die)
        with pytest.raises(Killed):
            world.run()
    assert world.pane().counts[0] == 0
    world.store.close()
    world.open()
    world.run()
    assert (world.pane().counts[0], world.outcomes().labelled) == (50, 1)
    world.store.close()


def test_a_fold_that_dies_after_its_commit_is_not_done_again(tmp_path, monkeypatch):
    world = World(tmp_path / "state")
    world.send(rows(50))
    commit = world.store.commit

    def commit_and_die(change):
        commit(change)
        raise Killed

    monkeypatch.setattr(world.store, "commit", commit_and_die)
    with pytest.raises(Killed):
        world.run()
    world.store.close()
    world.open()
    world.run()
    assert world.pane().counts[0] == 50
    world.store.close()


def trust(world, *sources):
    labels = world.watched.settings.labels.model_copy(update={"trusted_sources": sources})
    world.watched.settings = world.watched.settings.model_copy(update={"labels": labels})


@pytest.mark.parametrize("apart", [False, True])
def test_of_two_trusted_labels_that_wait_the_first_that_came_is_the_truth(world, apart):
    trust(world, "ops", "audit")
    world.send([label("p0", 0, 20.0, "ops")])
    if apart:
        world.run()
    world.send([label("p0", 1, 30.0, "audit")])
    world.run()
    world.send([prediction("p0", 10.0, 0, x=0.5)])
    world.run()
    assert (world.outcomes().labelled, world.outcomes().wrong) == (1, 0)


EVENTS = st.lists(
    st.one_of(
        st.builds(lambda i, o: ("p", i, o), st.integers(0, 2), st.integers(0, 2)),
        st.builds(
            lambda i, v, s: ("l", i, v, s),
            st.integers(0, 2),
            st.integers(0, 1),
            st.sampled_from(["ops", "audit", "x/1"]),
        ),
    ),
    max_size=25,
)


@settings(max_examples=50, deadline=None)
@given(EVENTS, st.sets(st.integers(0, 25), max_size=4))
def test_any_split_of_the_same_arrivals_into_folds_gives_the_same_panes(tmp_path_factory, events, cuts):
    def counted(cuts):
        world = World(tmp_path_factory.mktemp("split") / "state")
        trust(world, "ops", "audit")
        for place, event in enumerate(events):
            kind, ident, *rest = event
            row = (
                prediction(f"p{ident}", 10.0, rest[0], x=0.5)
                if kind == "p"
                else label(f"p{ident}", rest[0], 10.0 + 4.0**place, rest[1])  # each as late as no other
            )
            world.send([row])
            if place in cuts:
                world.run()
        world.run()
        found = world.pane().counts.tolist()
        world.store.close()
        return found

    assert counted(cuts) == counted(set())
    assert silent(0).said.size == 0
