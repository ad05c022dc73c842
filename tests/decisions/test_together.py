"""Windows of which no N of M breach by themselves, and what they say together."""

import numpy as np
import pytest
from judged import DAY, V1, V2, make_case, make_epoch, make_slot, make_state, make_terms
from msgspec.structs import replace
from scipy.stats import binom

from monitor.decisions.case import Signal, held, solid
from monitor.decisions.judge import judge
from monitor.decisions.policy import decide
from monitor.decisions.together import Z_ERRORS, Z_PAIRED, together
from monitor.detectors.error import Error
from monitor.detectors.intervals import Z95, mean
from monitor.detectors.mean_absolute_error import MeanAbsoluteError
from monitor.detectors.paired_error import PairedError
from monitor.facts import Family, Outcomes, Pairs, Reading, Ruling, Verdict

NO_PAIRS = Pairs(0, 0, 0, 0, 0, 0, 0)
LEANING = (0.08, 0.08, 0.08)  # each 1.9 standard errors above .03: no breach; together 3.2


def window(day, value, *, rule="paired_error", limit=0.03, error=0.027, n=400, epoch=2):
    """A day that tells a value with this standard error."""
    low, high = value - Z95 * error, value + Z95 * error
    verdict = Verdict.BREACH if low > limit else Verdict.OK
    return make_slot(rule, epoch, day, verdict, Reading(verdict, n, value, limit, low, high, "share"))


def windows(*values, **about):
    return tuple(window(day, value, **about) for day, value in enumerate(values, start=1))


def pairs_signal(*values, **about):
    return Signal("paired_error", Family.PAIRED, True, 2, 3, windows(*values, **about))  # better


def error_signal(*values):
    """Errors of the served model where .15 is allowed."""
    slots = windows(*values, rule="error", limit=0.15, error=0.02)
    return Signal("error", Family.LABELS, False, 2, 3, slots, mean_error=True)  # not better


def case(*signals):
    return replace(make_case(), signals=signals)


def gates(case):
    return {gate.name: gate for gate in decide(case).gates}


def pairs(counts):
    right, served, good, both = (int(each) for each in counts)
    n = right + served + good + both
    return PairedError(0.03).read(NO_PAIRS, Pairs(n, n, served + good, right, served, good, both))


def test_three_windows_of_which_none_breaches_are_evidence_together():
    asked = case(pairs_signal(*LEANING), error_signal(0.18, 0.18, 0.18))
    assert not any(slot.reading.verdict is Verdict.BREACH for signal in asked.signals for slot in signal.slots)
    assert decide(asked).ruling is Ruling.ACT
    assert gates(asked)["held"].why.startswith("paired_error 0 of 3 (needs 2), 3 together 0.08, at least 0.03")
    assert gates(asked)["rows"].why.startswith("paired_error 1200 rows")


def test_either_of_the_two_alone_does_not_act():
    assert decide(case(pairs_signal(*LEANING), error_signal(0.1, 0.1, 0.1))).ruling is Ruling.DENY
    assert decide(case(pairs_signal(0.0, 0.0, 0.0), error_signal(0.18, 0.18, 0.18))).ruling is Ruling.DENY


@pytest.mark.parametrize("others", [(0.0, 0.0), (0.05, 0.05)])
def test_one_window_says_nothing_without_another_however_extreme(others):
    assert together(windows(0.9, *others), 2, Z_PAIRED) is None
    assert together(windows(0.9, 0.06, 0.06), 2, Z_PAIRED) is not None


def test_windows_that_do_not_breach_count_with_all_their_rows():
    assert together(windows(0.07, 0.07, -0.2), 2, Z_ERRORS) is None
    held_by = together(windows(-0.2, 0.11, 0.11), 2, Z_PAIRED)
    assert held_by is not None
    assert [slot.end / DAY for slot in held_by.slots] == [2, 3], "the newest two hold where all three do not"


def test_a_long_hold_is_looked_at_no_oftener():
    """Of five windows the newest two and all of them: what three or four would say is not asked."""
    some = windows(-0.3, -0.1, 0.1, 0.1, 0.03, error=0.02)
    assert together(some[2:], 2, Z_PAIRED) is not None
    assert together(some, 2, Z_PAIRED) is None


def test_a_window_of_more_rows_weighs_more():
    slots = (window(1, 0.08, n=1200, error=0.027 / 3**0.5), window(2, 0.12))
    found = together(slots, 2, Z_ERRORS)
    assert found is not None
    assert found.value == pytest.approx((3 * 0.08 + 0.12) / 4)


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.BROKEN])
def test_what_could_not_be_told_is_no_part_of_it(verdict):
    lost = make_slot("paired_error", 2, 2, verdict)
    signal = replace(pairs_signal(*LEANING), slots=(window(1, 0.08), lost, window(3, 0.08)))
    assert not held(signal, case(signal))
    assert held(replace(signal, slots=(lost,) * 3), case(signal)) is None


def test_what_is_unknown_is_no_part_of_it_whatever_numbers_it_shows():
    first, second, third = windows(*LEANING)
    shown = replace(second, reading=replace(second.reading, verdict=Verdict.UNKNOWN))
    assert together((first, second, third), 2, Z_PAIRED) is not None
    assert together((first, shown, replace(third, reading=shown.reading)), 2, Z_PAIRED) is None


def test_windows_without_rows_say_nothing():
    empty = windows(*LEANING, n=0)
    assert together(empty, 2, Z_PAIRED) is None
    assert together((*empty[:1], *windows(*LEANING)), 2, Z_PAIRED).value == pytest.approx(0.08)


def test_windows_of_another_epoch_are_no_part_of_it():
    signal = replace(pairs_signal(*LEANING), slots=windows(*LEANING, epoch=1))
    assert held(signal, case(signal)) is not True


def test_pairs_are_asked_for_more_than_errors_are():
    slots = windows(0.07, 0.07, 0.07)
    assert together(slots, 2, Z_PAIRED) is None
    assert together(slots, 2, Z_ERRORS) is not None
    as_errors = replace(error_signal(), slots=slots)
    assert held(as_errors, case(as_errors))
    assert not held(pairs_signal(0.07, 0.07, 0.07), case())


def test_only_means_over_rows_are_pooled():
    auc = replace(error_signal(0.18, 0.18, 0.18), mean_error=False)
    assert held(auc, case(auc)) is False


def test_too_few_rows_are_too_few_together():
    few = pairs_signal(*LEANING, n=60)
    assert solid(case(few)) == ()


def test_the_largest_limit_is_the_one_to_exceed():
    assert together((*windows(*LEANING[:2]), window(3, 0.08, limit=0.07)), 2, Z_ERRORS) is None


@pytest.mark.parametrize("reader", [pairs, lambda c: Error(0.1).read(*[outcomes(c)] * 2)])
def test_what_is_pooled_is_what_all_rows_would_say(reader):
    days = np.array([[330, 40, 15, 15], [320, 50, 20, 10], [310, 60, 15, 15]])
    slots = [make_slot("r", 2, day, Verdict.OK, reader(counts)) for day, counts in enumerate(days)]
    found, whole = together(slots, 2, Z95), reader(days.sum(axis=0))
    assert found is not None
    assert (found.value, found.low) == pytest.approx((whole.value, whole.low), rel=0.02)


def outcomes(counts):
    right, served, good, both = (int(each) for each in counts)
    wrong = served + both
    return Outcomes(right + good + wrong, ((right + good, 0), (wrong, 0)), 0, 0, (right + good + wrong,))


def test_at_the_limit_itself_pairs_hold_together_less_often_than_two_breaches_of_three():
    looks, rng = 4_000, np.random.default_rng(3)
    laws = rng.multinomial(400, (0.6, 0.165, 0.135, 0.1), (looks, 3))  # on three rows in ten one alone errs
    alone = joined = 0
    for days in laws:
        slots = [make_slot("r", 2, day, (read := pairs(counts)).verdict, read) for day, counts in enumerate(days)]
        alone += sum(slot.reading.verdict is Verdict.BREACH for slot in slots) >= 2
        joined += together(slots, 2, Z_PAIRED) is not None
    assert joined <= binom.ppf(0.999, looks, 2 / 1000), "two looks, one in 1,000 each"
    assert alone <= binom.ppf(0.999, looks, 3 * 0.025**2)


def test_labels_by_which_the_known_good_fails_too_are_not_believed_in_windows_that_hold_together():
    asked = case(pairs_signal(*LEANING), error_signal(0.4, 0.4, 0.4))
    assert gates(asked)["better"].held
    assert gates(asked)["plausible"].held is False


def test_the_policy_is_asked_when_the_pairs_hold_without_an_alert_of_their_own():
    """An incident is open for another reason; neither rule of labels fires."""
    state = make_state(epoch=make_epoch(2, V2))
    drift = [make_slot("drift", 2, day, Verdict.BREACH) for day in (1, 2, 3)]
    slots = {
        ("drift", ""): drift,
        ("paired_error", ""): pairs_signal(*LEANING).slots,
        ("error", ""): error_signal(0.18, 0.18, 0.18).slots,
    }
    begun = judge(state, make_terms(), slots, 3 * DAY).state.rollback
    assert begun is not None
    assert begun.target == V1
    quiet = slots | {("paired_error", ""): pairs_signal(0.0, 0.0, 0.0).slots}
    assert judge(state, make_terms(), quiet, 3 * DAY).state.rollback is None


def loss(day, errors):
    """A day of absolute errors, judged against a reference of about .8 and at most .2 more."""
    detector, n, total, squares = MeanAbsoluteError(limit=1.0), len(errors), sum(errors), sum(e * e for e in errors)
    low, high = mean(total, squares, n)
    cut = max(0.0, low)
    verdict = Verdict.BREACH if cut > detector.limit else Verdict.OK
    return make_slot("mae", 2, day, verdict, Reading(verdict, n, total / n, detector.limit, cut, high, ""))


def test_one_absurd_error_in_each_of_two_windows_is_not_sure():
    usual = [0.7, 0.8, 0.9, 0.6] * 100
    absurd = [3000.0, *usual[1:]]
    days = [loss(1, usual), loss(2, absurd), loss(3, absurd)]
    assert together(days, 2, Z_ERRORS) is None
    assert together([loss(day, [each + 1.0 for each in usual]) for day in (1, 2, 3)], 2, Z_ERRORS) is not None
