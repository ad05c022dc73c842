"""Segments in the bins of any reference: what one cannot be cut by is pooled, and counting goes on."""

import numpy as np
import pytest
from monitor.turns.parting import parted
from structlog.testing import capture_logs
from world import reference

from monitor.panes.layout import Layout
from monitor.panes.segments import Chosen

LAYOUT = Layout.of(reference())  # of x, a number, and c in {a, b}


def test_what_can_be_cut_is_cut_and_nothing_is_logged():
    with capture_logs() as logs:
        assert parted({"c": Chosen()}, LAYOUT).names == ("c=a", "c=b", "c=__other__")
    assert logs == []


@pytest.mark.parametrize("column", ["x", "gone"])
def test_a_column_that_cannot_be_cut_by_is_pooled_and_told_and_the_others_are_cut(column):
    with capture_logs() as logs:
        found = parted({column: Chosen(), "c": Chosen()}, LAYOUT)
    assert found.names == (f"{column}=__other__", "c=a", "c=b", "c=__other__")
    assert [event["event"] for event in logs] == ["segments.pooled"]


def test_every_row_is_in_the_pooled_segment():
    found = parted({"gone": Chosen()}, LAYOUT)
    [(name, rows)] = found.rows(np.zeros((5, 2), np.uint8), np.zeros(5, np.uint16))
    assert (name, rows.tolist()) == ("gone=__other__", [0, 1, 2, 3, 4])


def test_more_combinations_than_a_receipt_holds_are_pooled():
    many = {f"k{i}": Chosen(tuple(map(str, range(50)))) for i in range(3)}
    assert parted(many | {"c": Chosen()}, LAYOUT).names[:4] == ("k0=__other__", "k1=__other__", "k2=__other__", "c=a")
