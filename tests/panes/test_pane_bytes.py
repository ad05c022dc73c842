"""Stored panes: what is written is read, sums are exact in any order, and damage is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import Corrupt
from monitor.facts import Pane
from monitor.panes.stored import decode_pane, encode_pane
from monitor.panes.window import sum_bodies, sum_panes

counts = st.one_of(st.integers(0, 9), st.integers(-300, 300), st.integers(-(2**62), 2**62), st.just(0))
vectors = st.lists(counts, max_size=40).map(lambda values: np.array(values, np.int64))


def pane(values, reference="r") -> Pane:
    return Pane(reference, np.array(values, np.int64))


@given(vectors)
@settings(max_examples=300)
def test_a_pane_is_read_back_as_it_was(values):
    assert decode_pane("r", encode_pane(pane(values))) == pane(values)


@given(st.lists(st.lists(counts.filter(lambda n: abs(n) < 2**50), min_size=7, max_size=7), min_size=1, max_size=9))
@settings(max_examples=200)
def test_a_window_is_the_exact_sum_of_its_panes_in_any_order(vectors):
    bodies = [encode_pane(pane(values)) for values in vectors]
    expected = pane([sum(cell) for cell in zip(*vectors, strict=True)])
    assert sum_panes(bodies, "r", 7) == expected == sum_panes(bodies[::-1], "r", 7)
    assert decode_pane("r", sum_bodies(bodies)) == expected


@given(st.lists(st.lists(counts.filter(lambda n: abs(n) < 2**50), min_size=3, max_size=3), min_size=2, max_size=6))
def test_rolling_up_first_changes_nothing(vectors):
    bodies = [encode_pane(pane(values)) for values in vectors]
    rolled = [sum_bodies(bodies[:2]), *bodies[2:]]
    assert sum_panes(rolled, "r", 3) == sum_panes(bodies, "r", 3)


def test_no_panes_add_up_to_the_empty_one():
    assert sum_panes([], "r", 4) == pane([0, 0, 0, 0])


@pytest.mark.parametrize("edge", [127, -128, 128, -129, 2**15 - 1, 2**15, 2**31 - 1, 2**31, 2**63 - 1, -(2**63)])
def test_counts_at_the_edge_of_a_width_survive(edge):
    values = [edge, 0, 1] + [5] * 30
    assert decode_pane("r", encode_pane(pane(values))) == pane(values)


def test_small_counts_take_a_byte_and_one_large_one_takes_twelve_more():
    assert len(encode_pane(pane([3] * 1000))) == 10 + 1000
    assert len(encode_pane(pane([3] * 999 + [2**40]))) == 10 + 1000 + 12


def test_the_form_on_disk_is_what_it_was_in_the_first_release():
    body = encode_pane(pane([1, -2, 2**40] + [0] * 13))
    header = b"\x01\x01" + (16).to_bytes(4, "little") + (1).to_bytes(4, "little")
    assert body == header + b"\x01\xfe" + bytes(14) + (2).to_bytes(4, "little") + (2**40).to_bytes(8, "little")


def damaged():
    body = encode_pane(pane([1, 2, 2**40] + [0] * 13))
    yield from (b"", body[:5], body[:-1], body + b"\0", b"\x02" + body[1:], b"\x01\x03" + body[2:])
    yield body[:2] + (2**31).to_bytes(4, "little") + body[6:]
    yield body[:-12] + (16).to_bytes(4, "little") + body[-8:]


@pytest.mark.parametrize("body", list(damaged()))
def test_a_damaged_pane_is_told_and_not_counted(body):
    with pytest.raises(Corrupt):
        decode_pane("r", body)
    with pytest.raises(Corrupt):
        sum_panes([body], "r", 16)


def test_a_pane_of_another_size_is_not_summed():
    with pytest.raises(Corrupt, match="cells"):
        sum_panes([encode_pane(pane([1, 2])), encode_pane(pane([1]))], "r", 2)


def test_a_window_is_read_only():
    with pytest.raises(ValueError, match="read-only"):
        sum_panes([], "r", 2).counts[0] = 1


def test_panes_of_other_bins_do_not_add():
    with pytest.raises(ValueError, match="do not add"):
        pane([1], "r") + pane([1], "s")


@pytest.mark.parametrize("count", [127, -128, 32_767, -32_768, 1 << 31, -(1 << 62) // 300])
def test_no_number_of_panes_overflows_what_they_are_added_up_in(count):
    found = sum_panes([encode_pane(pane([count, 0, 1]))] * 300, "r", 3)
    assert found == pane([300 * count, 0, 300])


def test_panes_of_different_widths_add_up():
    bodies = [encode_pane(pane([count] * 40)) for count in (1, 1_000, 100_000, 1 << 40)]
    assert [body[1] for body in bodies] == [1, 2, 4, 8]
    assert sum_panes(bodies * 3, "r", 40) == pane([3 * (101_001 + (1 << 40))] * 40)
