"""What opens an incident: pages that begin while no other lasts."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from monitor.backtest.answer import incidents
from monitor.backtest.report import Fired


def fired(start, end, tier="page"):
    return Fired(
        rule="r",
        tier=tier,
        family="labels",
        group="g",
        start=start,
        end=end,
        odds=1.0,
        crossings=1,
        moved=None,
        words="",
    )


def test_pages_that_last_together_are_one_incident():
    assert incidents([fired(0.0, 10.0), fired(4.0, 6.0), fired(9.0, 20.0)]) == 1


def test_a_page_after_all_were_calm_is_another():
    assert incidents([fired(11.0, 12.0), fired(0.0, 10.0)]) == 2


def test_a_page_at_the_moment_the_last_one_ends_joins_it():
    assert incidents([fired(0.0, 10.0), fired(10.0, 12.0)]) == 1


def test_what_is_not_over_takes_in_all_that_follows():
    assert incidents([fired(0.0, None), fired(1e9, 2e9)]) == 1


def test_warnings_are_no_pages():
    assert incidents([fired(0.0, 1.0, "warn"), fired(5.0, 6.0, "rollback")]) == 0


spans = st.tuples(st.integers(0, 50), st.one_of(st.none(), st.integers(0, 20))).map(
    lambda span: fired(float(span[0]), None if span[1] is None else float(span[0] + span[1]))
)


@given(st.lists(spans, max_size=20))
def test_it_is_the_number_of_times_that_pages_begin_to_last(pages):
    def lasting(moment):
        return any(each.start <= moment <= (math.inf if each.end is None else each.end) for each in pages)

    halves = [at / 2 for at in range(-1, 200)]
    begins = sum(lasting(now) and not lasting(before) for before, now in itertools.pairwise(halves))
    assert incidents(pages) == begins


def test_the_order_in_which_they_are_listed_does_not_matter():
    pages = [fired(0.0, 3.0), fired(2.0, 5.0), fired(7.0, 8.0)]
    assert {incidents(pages), incidents(pages[::-1])} == {2}
