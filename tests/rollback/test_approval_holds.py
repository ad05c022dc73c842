"""aside <= serial <= serial of the index: one serial off on either side, and an approval holds no more."""

import pytest

from monitor.rollback.release.approval import Given


@pytest.mark.parametrize(
    ("approved", "said"),
    [(4, "that approval is spent"), (5, ""), (6, ""), (7, ""), (8, "which is later than this index")],
)
def test_it_holds_from_the_serial_it_was_set_aside_at_to_that_of_the_index(approved, said):
    problem = Given(approved, ("ann",)).problem(aside=5, serial=7)
    assert problem.endswith(said)
    assert bool(problem) is bool(said)
