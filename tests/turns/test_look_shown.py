"""What a look makes of detectors that fail and columns that compete, and what it shows beside the slots."""

import pytest
from world import Covered, Faulty, Spy, Turns, alive, label, looking, many, rule, shown

from monitor.facts import Subject, Verdict
from monitor.turns.reading import WORST_MAX


@pytest.fixture
def turns(tmp_path):
    yield from alive(looking(tmp_path))


# ---------------------------------------------------------------- detectors that fail, columns that compete


def test_a_detector_that_raises_is_broken_and_its_neighbours_are_read(tmp_path):
    turns = Turns(tmp_path / "state", rule("before"), rule("faulty", detector=Faulty("canary")), rule("after"))
    turns.serve((0.0, "v1"))
    turns.count(many(60))
    found = turns.looked(60.0).slots
    said = {name: slots[0].reading.verdict for (name, _), slots in found.items()}
    assert said == {"before": Verdict.OK, "faulty": Verdict.BROKEN, "after": Verdict.OK}
    assert found["faulty", ""][0].reading.why == "the detector failed: ZeroDivisionError"
    turns.close()


class ByColumn(Spy):
    """Breaches where the values say so: the column's missing cells are the value."""

    def read(self, reference, current):
        reading = super().read(reference, current)
        verdict = Verdict.BREACH if current.missing > 5 else Verdict.OK
        return reading.__class__(verdict, reading.n, float(current.missing), 5.0)


def test_of_features_the_worst_column_stands_in_the_slot(tmp_path):
    turns = Turns(tmp_path / "state", rule("columns", Subject.FEATURES, ByColumn()))
    turns.serve((0.0, "v1"))
    turns.count(many(10, x=None), many(8, 20.0, "q", c=None))
    [slot] = turns.slots("columns", 60.0)
    assert (slot.reading.value, slot.worst) == (10.0, ("x", "c"))
    assert {column: each.reading.value for (_, column, *_), each in turns.watched.shown.items()} == {"x": 10, "c": 8}
    assert len(slot.worst) <= WORST_MAX
    turns.close()


def test_a_broken_column_is_worse_than_a_good_one_and_better_than_a_breach(tmp_path):
    class Half(ByColumn):
        def read(self, reference, current):
            if current.column == "c":
                raise ValueError
            return super().read(reference, current)

    turns = Turns(tmp_path / "state", rule("columns", Subject.FEATURES, Half()))
    turns.serve((0.0, "v1"))
    turns.count(many(10), many(10, 60.0, "q", x=None))
    verdicts = [(slot.reading.verdict, slot.worst) for slot in turns.slots("columns", 120.0)]
    assert verdicts == [(Verdict.BROKEN, ()), (Verdict.BREACH, ("x",))]
    turns.close()


# ---------------------------------------------------------------- what is shown beside the slots


def test_readings_against_the_bundles_own_reference_are_shown_and_never_in_a_slot(turns):
    turns.serve((0.0, "v2"))
    turns.count(many(60))
    [slot] = turns.slots("output", 60.0)
    assert shown(turns) == [60, 60]
    assert set(turns.watched.shown) == {("output", "", "", False), ("output", "", "", True)}
    turns.watched.pack.rules[0].detector.shown.clear()
    assert turns.slots("output", 61.0) == (slot,)


def test_what_stays_of_late_labels_is_the_newest_reading_that_could_be_told(tmp_path):
    turns = Turns(tmp_path / "state", rule("error", Subject.OUTCOMES, Spy(rows_min=2)))
    turns.serve((0.0, "v1"))
    turns.count(many(180))
    newest = lambda: turns.watched.shown["error", "", "", False]  # noqa: E731  # read after each step
    turns.looked(60.0)
    assert newest().reading.verdict is Verdict.UNKNOWN
    turns.count([label("p5", 1), label("p6", 1)])
    turns.looked(180.0)
    assert (newest().end, newest().reading.value) == (60.0, 2.0)
    assert sum(map(sum, turns.watched.confusion.confusion)) == 2
    turns.count([label(f"p{i}", 1) for i in (70, 71, 72)])
    turns.looked(180.0)
    assert (newest().end, newest().reading.value) == (120.0, 3.0)
    turns.close()


def test_late_rows_may_take_away_what_was_known_of_a_window(tmp_path):
    turns = Turns(tmp_path / "state", rule("error", Subject.OUTCOMES, Covered()))
    turns.serve((0.0, "v1"))
    turns.count(many(9), many(9, 60.0, "q"), [label("p1", 1), label("q1", 0), label("q2", 0)])
    turns.looked(120.0)
    assert turns.watched.shown["error", "", "", False].end == 120.0
    turns.count(many(30, 70.0, "late"))
    turns.looked(120.0)
    assert turns.watched.shown["error", "", "", False].end == 60.0
    assert turns.watched.confusion.confusion[1][1] == 1
    turns.close()


def test_a_reading_that_needs_no_labels_gives_way_to_a_newer_unknown_one(tmp_path):
    turns = Turns(tmp_path / "state", rule("output", detector=Spy(rows_min=1)))
    turns.serve((0.0, "v1"))
    turns.count(many(60))
    turns.looked(120.0)
    assert turns.watched.shown["output", "", "", False].reading.verdict is Verdict.UNKNOWN
    turns.close()
