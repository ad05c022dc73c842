"""What a fold keeps beside counts: chosen rows as they came, honestly weighted, or no trace of them; and its totals."""

import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import MODEL, NUMBERS, Killed, Turns, alive, answers, label, many, prediction, profile, tapped

from monitor.facts import Subject
from monitor.panes.sampling import Flag
from monitor.settings import Samples, SegmentColumn
from monitor.store import Quota
from monitor.store.keeper import Keeper
from monitor.turns.joining import hints
from monitor.turns.labels import Arrived
from monitor.turns.watched import Totals


def world(directory, proofs=((0.0, "v1"),), limits=(), **rest):
    made = Turns(directory / "state", **rest)
    made.limits = dict(limits)
    made.restart()
    made.serve(*proofs)
    return made


@pytest.fixture
def turns(tmp_path):
    """Half of the rows are kept, and ten odd ones of a fold."""
    yield from alive(world(tmp_path, settings={"samples": Samples(share=0.5, flagged_max=10)}))


def kept(turns):
    """Every kept row."""
    files = turns.store.samples(MODEL, -math.inf, math.inf)
    return [row for file in files for row in pq.read_table(file.path).to_pylist()]


def flagged(turns):
    """The times of kept rows by what is odd about them."""
    return {row["time"]: Flag(row["flags"]) for row in kept(turns) if row["flags"]}


# ---------------------------------------------------------------- which rows are kept


def test_kept_rows_are_as_they_came_and_say_how_likely_that_was(turns):
    rows = many(400)
    turns.count(rows)
    found = kept(turns)
    assert 140 < len(found) < 260
    assert {row["inclusion_probability"] for row in found} == {0.5}
    sent = {row.time: row for row in rows}
    assert all((row["f:x"], row["f:c"]) == tuple(sent[row["time"]].features.values()) for row in found)
    assert all(row["score"] == sent[row["time"]].score and row["bundle"] == "v1" for row in found)


def test_weights_estimate_how_many_rows_there_were(turns):
    turns.count(many(2_000), many(50, 3_000.0, "odd", c="new"))
    weights = {
        odd: [1 / row["inclusion_probability"] for row in kept(turns) if bool(row["flags"]) == odd] for odd in (0, 1)
    }
    assert weights[1] == pytest.approx([5.0] * 10)
    assert sum(weights[0]) == pytest.approx(2_000, abs=5 * math.sqrt(2_000))  # the variance of 2,000 kept with 1/2


def test_odd_rows_are_kept_first_and_say_why(turns):
    odd = {
        1.0: ({"c": "new"}, Flag.UNSEEN),
        2.0: ({"x": 7.0}, Flag.OUT_OF_RANGE),
        3.0: ({"x": "text"}, Flag.INVALID),
        4.0: ({"x": None}, Flag.MISSING),
        5.0: ({"x": math.inf}, Flag.NON_FINITE),
    }
    turns.count([prediction(f"o{at}", at, **({"x": 0.5, "c": "a"} | cells)) for at, (cells, _) in odd.items()])
    turns.count([prediction("other", 6.0, 2, x=0.5, c="a")])
    assert flagged(turns) == {at: flag for at, (_, flag) in odd.items()} | {6.0: Flag.OTHER_OUTPUT}


def test_a_row_that_the_known_good_answers_otherwise_is_odd(turns):
    tapped(turns, off=1)
    turns.serve((0.0, "v1"))
    turns.count(many(4))
    assert set(flagged(turns).values()) == {Flag.DISAGREES}
    assert {row["known_good_output"] for row in kept(turns)} == {"no", "yes"}


@pytest.mark.parametrize(("beyond", "odd"), [(0.9, 0), (1.1, 5)])
def test_numbers_disagree_beyond_the_scale_of_the_references_errors(tmp_path, beyond, odd):
    turns = world(
        tmp_path, layouts=(profile(NUMBERS), profile(NUMBERS, seed=8)), settings={"samples": Samples(share=1)}
    )
    tapped(turns, off=beyond * turns.v1.reference.error_scale)
    turns.serve((0.0, "v1"))
    turns.count(answers(NUMBERS, 5))
    found = kept(turns)
    assert sum(bool(row["flags"] & Flag.DISAGREES) for row in found) == odd
    assert all(row["known_good_value"] > row["value"] for row in found)
    turns.close()


def test_late_rows_and_wrong_claims_are_odd_and_counted(turns):
    late = prediction("a", 10.0, x=0.5, c="a", claimed="v2", arrival=90.0)
    turns.count([late, prediction("b", 70.0, x=0.5, c="a", claimed="v1", arrival=90.0)], now=100.0)
    assert flagged(turns) == {10.0: Flag.LATE | Flag.CLAIM}
    totals = turns.watched.totals
    assert (totals.late, totals.claims_wrong, totals.unattributed) == (1, 1, 0)


def test_between_two_proofs_no_claim_is_wrong_because_nobody_knows(tmp_path):
    turns = world(tmp_path, proofs=((0.0, "v1"), (60.0, "v1"), (120.0, "v2")))
    rows = [prediction(str(at), float(at), x=0.5, c="a", claimed="v1") for at in (30, 90, 150)]
    turns.count(rows)
    totals = turns.watched.totals
    assert (totals.claims_wrong, totals.unattributed) == (1, 1)
    turns.close()


def test_rows_before_a_panes_end_and_grace_are_not_late(turns):
    turns.count([prediction("a", 10.0), prediction("b", 59.0, arrival=60.0)], now=60.0)
    assert turns.watched.totals.late == 0


def test_a_fold_that_is_behind_makes_no_row_late(turns):
    turns.count([prediction("a", 10.0, arrival=11.0)], now=9_000.0)
    assert turns.watched.totals.late == 0


# ---------------------------------------------------------------- all or nothing


def test_a_fold_that_dies_after_it_wrote_the_sample_leaves_no_trace_of_it(turns):
    turns.count(many(10))
    before = kept(turns)
    turns.dies("before", lambda put: isinstance(put, Totals))
    turns.send(many(50, 100.0, "q"))
    with pytest.raises(Killed):
        turns.count()
    turns.restart()
    turns.serve((0.0, "v1"))
    assert kept(turns) == before
    turns.count()
    assert len({row["id_hash"] for row in kept(turns)}) == len(kept(turns)) > len(before)


def test_a_file_that_no_commit_names_is_swept_at_the_start(turns):
    turns.count(many(10))
    folder = turns.directory / "samples"
    names = {file.name for file in folder.iterdir()}
    (folder / "0000.parquet").write_bytes(b"left by a crash")
    turns.restart()
    assert {file.name for file in folder.iterdir()} == names


# ---------------------------------------------------------------- labels of rows that were sampled out


@pytest.fixture
def thinned(tmp_path, monkeypatch):
    """A world whose receipts were halved: the predictions of p0 .. p399, seconds apart."""
    monkeypatch.setattr(Keeper, "kick", lambda self: None)
    monkeypatch.setattr(Keeper, "stop", lambda self: (self._stopping.set(), self._kick.set(), self._thread.join()))
    made = world(tmp_path, limits={"quotas": {MODEL: Quota(receipts_bytes_max=400 * 20)}})
    made.count(many(400))
    made.store._keeper.tidy()
    yield from alive(made)


def test_a_label_of_a_prediction_that_was_sampled_out_is_counted_and_does_not_wait(thinned):
    left = thinned.store.health().receipts[MODEL].rows
    assert 0 < left < 400
    thinned.count([label(f"p{i}", 1, at=float(i)) for i in range(400)])
    totals = thinned.watched.totals
    assert (totals.labels, totals.labels_sampled_out) == (left, 400 - left)
    assert thinned.store.health().waiting_labels == 0


def test_without_a_hint_a_label_waits_because_its_prediction_may_still_come(thinned):
    thinned.count([label(f"p{i}", 1) for i in range(400)])
    totals = thinned.watched.totals
    assert totals.labels_sampled_out == 0
    assert thinned.store.health().waiting_labels == 400 - totals.labels


def test_a_prediction_of_this_very_fold_is_not_sampled_out(thinned):
    thinned.count([prediction("new", 399.5), *many(1, 500.0, "r")], [label("new", 1, at=399.5)])
    assert (thinned.watched.totals.labels, thinned.watched.totals.labels_sampled_out) == (1, 0)


# ---------------------------------------------------------------- hints


def test_receipts_are_looked_for_where_the_labels_say(turns, monkeypatch):
    turns.count(many(10))
    asked, find = [], turns.store.find_receipts
    monkeypatch.setattr(turns.store, "find_receipts", lambda *of: (asked.append(of[3:]), find(*of))[1])
    turns.count([label("p3", 1, at=3.0)])
    assert [near.tolist() for (near,) in [each for each in asked if each]] == [[3.0]]


@given(st.lists(st.tuples(st.integers(0, 4), st.one_of(st.just(math.nan), st.floats(0, 9))), max_size=20))
def test_a_hint_counts_whichever_of_a_predictions_labels_has_it(said):
    arrived = [Arrived(key, "ops", 1.0, 1.0, at) for key, at in said]
    wanted, place = np.unique(np.array([key for key, _ in said], np.uint64), return_inverse=True)
    given = {key: [at for other, at in said if other == key and not math.isnan(at)] for key in wanted.tolist()}
    for key, near in zip(wanted.tolist(), hints(arrived, place, len(wanted)).tolist(), strict=True):
        assert near in given[key] if given[key] else math.isnan(near)


# ---------------------------------------------------------------- totals


def test_what_was_counted_since_the_start_is_the_sum_of_all_deltas_of_the_whole(tmp_path):
    by = {"c": SegmentColumn(values=("a",))}
    turns = world(tmp_path, proofs=((0.0, "v2"),), settings={"segments": by})
    for start in (0, 60, 30):
        turns.count(many(80, float(start), f"{start}-"))
    turns.count([label("0-1", 1), label("60-2", 0)], [label("0-1", 0)])
    assert turns.watched.counted.keys() == {turns.v1.digest, turns.v2.digest}
    for layout in (turns.v1, turns.v2):
        assert turns.watched.counted[layout.digest].tolist() == turns.pane(layout=layout).counts.tolist()
    assert turns.view(Subject.OUTCOMES).labelled == 2
    turns.close()


def test_a_fold_that_dies_counts_nothing_in_memory_either(turns):
    turns.count(many(10))
    before, totals = turns.watched.counted[turns.v1.digest].tolist(), turns.watched.totals
    turns.dies("before", lambda put: isinstance(put, Totals))
    with pytest.raises(Killed):
        turns.count(many(5, prefix="q"))
    assert (turns.watched.counted[turns.v1.digest].tolist(), turns.watched.totals) == (before, totals)
