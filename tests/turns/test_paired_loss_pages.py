"""A regression beside its known-good on the same rows: what errs more is paged and rolls back, else nothing."""

import numpy as np
import pytest
from labelworld import FEED, HOUR, WATCH
from tickworld import armed, banded, latched
from world import NUMBERS, Turns, answer, label, profile, tapped

PAGES, ROLLS_BACK = ("paired_page", "paired"), ("paired_rollback", "")
SCALE = 4.0  # of the errors 1, -4 and 3


def hours(turns, many, error):
    """Rows whose served prediction is off by `error(i)`, their labels, and a look each hour; what the last found."""
    rng = np.random.default_rng(5)
    for at in range(many):
        rows = [answer(NUMBERS, rng, f"{at}-{i}", HOUR * at + i) for i in range(120)]
        turns.count(rows, [label(row.id, row.value - error(i), row.time + 600.0) for i, row in enumerate(rows)])
        found = turns.looked(HOUR * (at + 1) + 60.0)
    return found


@pytest.fixture
def beside(tmp_path):
    """A world in which the known-good predicts `off` more than the served model."""
    made = []

    def make(off):
        layouts = banded(profile(NUMBERS, rows=3000)), banded(profile(NUMBERS, seed=8, rows=3000))
        turns = Turns(tmp_path / "state", watch=WATCH, layouts=layouts, settings={"labels": FEED})
        tapped(turns, off=off)
        turns.serve((0.0, "v1"))
        assert turns.v1.reference.error_scale == SCALE
        made.append(turns)
        return turns

    yield make
    for turns in made:
        turns.close()


def test_a_model_that_errs_more_than_the_known_good_is_paged_and_supports_a_rollback(beside):
    turns = beside(-2.0)
    found = latched(hours(turns, 6, lambda i: 2.0))
    assert {PAGES, ROLLS_BACK} <= set(found)


def test_the_page_says_how_much_more_in_how_many_rows(beside):
    [slot] = hours(beside(-2.0), 6, lambda i: 2.0).slots[PAGES]
    assert slot.reading.why.startswith("error of the served model beside the known-good's on the same rows")
    assert "larger by 4 and more), rose to 0.75" in slot.reading.why


def test_what_is_hard_for_both_is_no_alarm_of_this_kind(beside):
    """The world changed: both are off by 40, to either side of the truth."""
    turns = beside(-80.0)
    found = [key for key in latched(hours(turns, 8, lambda i: 40.0)) if key[0].startswith("paired")]
    assert (found, armed(turns).rows["paired"]) == ([], 8 * 120)


def test_a_known_good_that_errs_more_is_no_alarm(beside):
    assert not [key for key in latched(hours(beside(-6.0), 8, lambda i: 1.0)) if key[0].startswith("paired")]
