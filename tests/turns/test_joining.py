"""What is read of receipts for labels: no more than the model's own epochs need, and never too many at once."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import SCHEMA, Turns, alive, answers, label, profile

from monitor.facts import Feature, FeatureKind, ModelName, Schema, Subject
from monitor.panes.layout import Layout
from monitor.panes.reference import FORMAT, NumericBins, Reference
from monitor.settings import SegmentColumn
from monitor.turns import joining
from monitor.turns.joining import Scope
from monitor.turns.labels import Arrived
from monitor.turns.parting import Parting

BY = {"c": SegmentColumn(values=("a",))}  # segments follow from cells, so receipts are read with all of them
ROWS = answers(SCHEMA, 200)
TOLD = [label(row.id, float(i % 2), 5000.0) for i, row in enumerate(ROWS)]


@pytest.fixture
def turns(tmp_path):
    made = Turns(tmp_path / "state", layouts=(profile(SCHEMA), profile(SCHEMA, seed=8)), settings={"segments": BY})
    made.serve((0.0, "v1"))
    yield from alive(made)


def wide(features=2_000):
    """The layout of another model."""
    names = [f"w{i}" for i in range(features)]
    schema = Schema(ModelName("other"), tuple(Feature(name, FeatureKind.NUMERIC) for name in names), ("no", "yes"))
    columns = tuple(NumericBins(name, (0.0, 0.5, 1.0)) for name in names)
    return Layout.draft(Reference(FORMAT, schema, columns, 10, 0.0, 3600.0, False, ()))


def seen(turns, monkeypatch):
    """Bytes of receipts that are asked for from now on, by question for labels."""
    find, asked = turns.store.find_receipts, []

    def finding(model, hashes, dtype, near=None):
        if "epoch" in dtype.names:
            asked.append(len(hashes) * dtype.itemsize)
        return find(model, hashes, dtype, near)

    monkeypatch.setattr(turns.store, "find_receipts", finding)
    return asked


def outcomes(turns):
    return [turns.view(Subject.OUTCOMES, segment) for segment in ("", "c=a", "c=__other__")]


def test_the_width_of_another_model_costs_the_labels_of_this_one_nothing(turns, monkeypatch):
    turns.count(ROWS)
    asked = seen(turns, monkeypatch)
    turns.count(TOLD[:100])
    turns.watched.layouts["sha256:other"] = wide()  # models share one shelf
    turns.count(TOLD[100:])
    before, after = [each for each in asked if each]
    assert before == after < 100 * 50


def test_labels_of_a_wide_model_are_joined_in_portions_that_count_the_same(turns, tmp_path, monkeypatch):
    corrected = [label(each.id, 1.0 - each.label, 6000.0) for each in TOLD[:50]]
    turns.count(ROWS, TOLD, corrected)
    monkeypatch.setattr(joining, "RECEIPTS_BYTES", 1_000)
    other = Turns(tmp_path / "other", layouts=(turns.v1, turns.v2), settings={"segments": BY})
    other.serve((0.0, "v1"))
    other.count(ROWS[:100])
    asked = seen(other, monkeypatch)
    other.count(ROWS[100:], TOLD, corrected)
    assert outcomes(other) == outcomes(turns)
    assert other.watched.totals == turns.watched.totals
    assert len(asked) > 3
    assert max(asked) <= 1_000
    other.close()


LABELS = st.lists(st.builds(Arrived, st.integers(0, 6), st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 9)))


@given(LABELS, st.integers(1, 4))
def test_labels_of_one_prediction_stay_in_one_portion_in_the_order_they_came(arrived, many):
    scope = Scope(None, (), Parting({}), np.dtype(("V", joining.RECEIPTS_BYTES // many)))
    found = scope.portions(arrived)
    together = [{each.key for each in part} for part in found]
    assert all(keys <= many for keys in map(len, together))
    assert max(Counter(key for keys in together for key in keys).values(), default=0) <= 1
    for key in range(7):
        assert [one for part in found for one in part if one.key == key] == [one for one in arrived if one.key == key]


def test_nothing_but_what_all_receipts_have_is_read_while_nothing_ever_answered(turns):
    scope = Scope.of(turns.watched, (), turns.watched.parting)
    assert {"time", "epoch"} <= set(scope.dtype.names)
