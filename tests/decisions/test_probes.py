"""What golden probes say: the same answers are ok, others are a breach, and none are unknown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from scipy.special import rel_entr

from monitor.decisions.probes import EPSILON, Answers, Probed, Tolerance, compare, known, read
from monitor.facts import Reading, Verdict

EXACT = Tolerance(0.0)
scores = st.none() | st.floats(0, 1)
row = st.tuples(st.sampled_from(["a", "b", "c"]), scores)
tables = st.lists(row, min_size=1, max_size=30)
numbers = st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30)


def classes(table):
    return Answers(tuple(output for output, _ in table), tuple(score for _, score in table))


A = classes([("a", 0.9), ("b", 0.2), ("a", None), ("c", 0.5)])


def answered(place, output, score):
    table = list(zip(A.outputs, A.scores, strict=True))
    table[place] = (output, score)
    return classes(table)


@given(tables.map(classes) | numbers.map(lambda values: Answers(values=tuple(values))))
def test_the_same_answers_are_no_mismatch_at_all(recorded):
    found = compare(recorded, recorded, EXACT)
    assert (found.mismatches, found.flips, found.exact) == (0, 0, 1.0)
    assert (found.difference or 0.0, found.divergence or 0.0) == (0.0, 0.0)


@given(tables, st.data())
def test_one_row_of_another_class_is_one_mismatch(table, data):
    place = data.draw(st.integers(0, len(table) - 1))
    other = [*table[:place], ("z", table[place][1]), *table[place + 1 :]]
    found = compare(classes(table), classes(other), EXACT)
    assert (found.mismatches, found.flips, found.exact) == (1, 1, (len(table) - 1) / len(table))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_the_divergence_is_that_of_kullback_and_leibler(pairs):
    recorded, given_ = (classes([("a", pair[side]) for pair in pairs]) for side in (0, 1))
    clipped = [[min(max(p, EPSILON), 1 - EPSILON) for p in pair] for pair in pairs]
    expected = sum(rel_entr(p, q) + rel_entr(1 - p, 1 - q) for p, q in clipped) / len(pairs)
    assert compare(recorded, given_, EXACT).divergence == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(tables, tables, st.floats(0, 1))
def test_more_tolerance_is_never_more_mismatches(one, two, difference):
    n = min(len(one), len(two))
    a, b = classes(one[:n]), classes(two[:n])
    assert compare(a, b, Tolerance(difference)).mismatches <= compare(a, b, EXACT).mismatches


@pytest.mark.parametrize(("score", "mismatches"), [(0.9, 0), (0.9 + 1e-7, 0), (0.9 + 1e-5, 1), (None, 1)])
def test_a_score_may_differ_by_the_tolerance_and_must_not_be_left_out(score, mismatches):
    assert compare(A, answered(0, "a", score), Tolerance(1e-6)).mismatches == mismatches


def test_a_score_where_there_was_none_is_a_mismatch():
    assert compare(A, answered(2, "a", 0.5), Tolerance(0.5)).mismatches == 1


def test_numbers_are_compared_with_the_largest_recorded():
    recorded, given_ = Answers(values=(200.0, -400.0)), Answers(values=(200.0, -398.0))
    found = compare(recorded, given_, Tolerance(0.01))
    assert (found.difference, found.mismatches, found.divergence) == (0.005, 0, None)
    assert compare(recorded, given_, Tolerance(0.004)).mismatches == 1


def test_answers_to_other_rows_are_a_bug_and_not_a_reading():
    with pytest.raises(ValueError, match=r"shorter|longer"):
        compare(A, Answers(("a",), (0.5,)), EXACT)


def test_the_worst_answer_decides():
    reading, worst = read(A, [A, answered(1, "a", 0.2), A], Tolerance())
    assert (reading.verdict, reading.value, reading.n, worst.flips) == (Verdict.BREACH, 0.25, 12, 1)


def test_a_breach_stays_one_though_others_did_not_answer():
    assert read(A, [answered(1, "a", 0.2)], Tolerance(), silent=2)[0].verdict is Verdict.BREACH


def test_so_many_rows_may_differ():
    bad = answered(1, "a", 0.2)
    assert read(A, [bad], Tolerance(mismatches_max=1))[0] == Reading(Verdict.OK, 4, 0.25, 0.25, unit="share")


@pytest.mark.parametrize(
    ("recorded", "given_", "missing"),
    [(None, [A], {}), (A, [], {"silent": 3}), (A, [A], {"silent": 1}), (A, [A], {"others": 1}), (A, [], {})],
)
def test_what_is_not_known_is_unknown(recorded, given_, missing):
    reading, _ = read(recorded, given_, Tolerance(), **missing)
    assert (reading.verdict, reading.value) == (Verdict.UNKNOWN, None)
    assert reading.why


def probed(verdict, at, epoch=1):
    return Probed(Reading(verdict, 4, why="x"), at, epoch)


def test_a_round_that_tells_nothing_takes_nothing_back():
    bad = known(None, probed(Verdict.BREACH, 1.0))
    assert known(bad, probed(Verdict.UNKNOWN, 2.0)) == bad
    assert known(bad, probed(Verdict.UNKNOWN, 2.0, epoch=2)) is None


def test_when_the_last_breach_was_is_remembered_within_its_activation():
    bad = known(None, probed(Verdict.BREACH, 1.0))
    good = probed(Verdict.OK, 2.0)
    assert known(bad, good) == replace(good, breached=1.0)
    assert known(bad, replace(good, epoch=2)).breached is None
