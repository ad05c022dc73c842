"""When labels are too few to speak for a window: the floor that every reading of labels has.

Labels that come late rarely come at random: cancelled flights never get one, defaults come before repayments. So an
error over the half that is labelled says nothing of the window, however many rows that half has.
"""

from typing import Final

from monitor.detectors.parameters import demand_rows, demand_share_or_zero

COVERAGE_MIN: Final = 0.9  # of the rows; the rest could move an error by at most .1


def demand_floors(rows_min: int, coverage_min: float) -> None:
    """`rows_min` at least 1, `coverage_min` in [0, 1]; ValueError."""
    demand_rows("rows_min", rows_min)
    demand_share_or_zero("coverage_min", coverage_min)


def lacking(labelled: int, rows: int, rows_min: int, coverage_min: float) -> str:
    """Why `labelled` of `rows` are too few, or nothing if they suffice."""
    if labelled < rows_min:
        return f"fewer than {rows_min} labelled rows"
    if labelled < coverage_min * rows:
        return f"{labelled} of {rows} rows are labelled, below the floor of {coverage_min}"
    return ""
