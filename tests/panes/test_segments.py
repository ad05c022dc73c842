"""Segments: each row in exactly one of every column, named before the first row, the same from its receipt."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import SettingsError
from monitor.facts import Subject
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.reference import CategoryBins, NumericBins
from monitor.panes.rows import Coded
from monitor.panes.segments import OTHER, Chosen, Segments

X, C = NumericBins("x", (0.0, 1.0)), CategoryBins("c", ("red", "blue", "grey"), ("green",))
DEVICES = Chosen(values=("ios", "android"))


@pytest.fixture(scope="session")
def layout(layout_of):
    return layout_of(X, C)


@pytest.fixture(scope="session")
def cut(layout):
    """By colour, by device, and by plan."""
    chosen = {"device": DEVICES, "c": Chosen(values_max=2), "plan": Chosen(values=("free",))}
    return Segments.of(chosen, layout)


def make(rows, colours, maps):
    import dataclasses

    some = rows({"x": [0.5] * len(colours), "c": colours}, outputs=[i % 3 for i in range(len(colours))])
    return dataclasses.replace(some, segments=Coded.of(maps))


def found(cut, layout, some):
    binned = bin_rows(layout, some)
    return {name: part.tolist() for name, part in cut.rows(binned.cells, cut.pack(some))}


def test_segments_are_named_by_column_and_value(cut):
    assert cut.names == (
        *("device=ios", "device=android", f"device={OTHER}", "c=red", "c=blue", f"c={OTHER}"),
        *("plan=free", f"plan={OTHER}"),
    )


def test_rows_are_cut_by_feature_and_by_what_the_sender_wrote(cut, layout, rows):
    maps = [{"device": "ios"}, {"device": "android", "plan": "free"}, {"device": "telnet"}, None]
    assert found(cut, layout, make(rows, ["red", "grey", "pink", "blue"], maps)) == {
        "device=ios": [0],
        "device=android": [1],
        f"device={OTHER}": [2, 3],
        "c=red": [0],
        "c=blue": [3],
        f"c={OTHER}": [1, 2],
        "plan=free": [1],
        f"plan={OTHER}": [0, 2, 3],
    }


def test_a_missing_and_an_invalid_value_are_pooled(cut, layout, rows):
    assert found(cut, layout, make(rows, [None, "<bad>", "green"], [None] * 3))[f"c={OTHER}"] == [0, 1, 2]


def test_named_values_of_a_feature_are_the_segments(layout, rows):
    cut = Segments.of({"c": Chosen(values=("grey", "nobody"))}, layout)
    some = make(rows, ["grey", "red"], [None] * 2)
    assert found(cut, layout, some) == {"c=grey": [0], f"c={OTHER}": [1]}


row_lists = st.lists(
    st.tuples(
        st.sampled_from(["red", "blue", "grey", "green", "pink", None]),
        st.one_of(
            st.none(),
            st.dictionaries(st.sampled_from(["device", "plan", "x"]), st.sampled_from(["ios", "android", "free", ""])),
        ),
    ),
    min_size=1,
    max_size=30,
)


@given(row_lists)
@settings(max_examples=100)
def test_the_segments_of_a_column_add_up_to_the_whole(cut, layout, rows, made):
    some = make(rows, *map(list, zip(*made, strict=True)))
    binned = bin_rows(layout, some)
    whole, sums = count_rows(layout, binned), {}
    for name, part in cut.rows(binned.cells, cut.pack(some)):
        column = name.partition("=")[0]
        sums[column] = sums.get(column, layout.empty()) + count_rows(layout, binned, part)
    assert sums == dict.fromkeys(("device", "c", "plan"), whole)


@given(row_lists)
@settings(max_examples=60)
def test_a_receipt_tells_the_same_segments_as_its_row(cut, layout, rows, receipts_of, made):
    some = make(rows, *map(list, zip(*made, strict=True)))
    receipts = receipts_of(layout, some, segments=cut.pack(some))
    by_row = list(cut.codes(bin_rows(layout, some).cells, cut.pack(some)))
    by_receipt = list(cut.codes(receipts["bins"], receipts["segment"]))
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(by_row, by_receipt, strict=True))


def test_no_columns_make_no_segments(layout, rows):
    cut, some = Segments.of({}, layout), make(rows, ["red"], [{"device": "ios"}])
    assert (cut.names, found(cut, layout, some), cut.pack(some).tolist()) == ((), {}, [0])


def test_no_rows_have_no_segments(cut, layout, rows):
    assert found(cut, layout, make(rows, [], [])) == {}


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"x": Chosen()}, "is a number"),
        ({"device": Chosen()}, "are missing"),
        ({"device": Chosen(values=("a", "a"))}, "twice"),
        ({"device": Chosen(values=(OTHER,))}, "pooled"),
        ({"device": Chosen(values=tuple(map(str, range(256))))}, "too many"),
        ({name: Chosen(values=tuple(map(str, range(99)))) for name in "abd"}, "too many to keep"),
    ],
)
def test_a_column_that_cannot_be_cut_by_is_told(layout, chosen, words):
    with pytest.raises(SettingsError, match=words):
        Segments.of(chosen, layout)


def test_nothing_is_called_by_the_values_of_a_sensitive_feature(layout):
    schema = layout.reference.schema
    hidden = tuple(msgspec.structs.replace(each, sensitive=True) for each in schema.features)
    secret = msgspec.structs.replace(layout.reference, schema=msgspec.structs.replace(schema, features=hidden))
    with pytest.raises(SettingsError, match="is a sensitive feature"):
        Segments.of({"c": Chosen(values=("red",))}, Layout.draft(secret))
    assert Segments.fitting({"c": Chosen()}, Layout.draft(secret)).names == ()


def test_fairness_reads_a_segments_pane(layout, rows):
    some = make(rows, ["red"] * 3, [None] * 3)
    group = layout.group(count_rows(layout, bin_rows(layout, some)), "c=red")
    assert (group.segment, group.rows, group.outputs, group.outcomes.labelled) == ("c=red", 3, (1, 1, 1), 0)
    assert group.outcomes == layout.view(count_rows(layout, bin_rows(layout, some)), Subject.OUTCOMES)


def test_an_older_profile_is_cut_by_the_columns_that_it_has(layout, layout_of):
    chosen = {"c": Chosen(values_max=1), "x": Chosen(), "device": DEVICES, "gone": Chosen()}
    assert Segments.fitting(chosen, layout).names == (
        "c=red",
        "c=__other__",
        *Segments.of({"device": DEVICES}, layout).names,
    )
    assert Segments.fitting({"c": Chosen(values_max=1)}, layout_of(X)).names == ()


def test_columns_that_are_no_features_of_an_older_profile_and_too_many_to_pack_are_left_out(layout):
    many = Chosen(values=tuple(f"v{i}" for i in range(50)))
    chosen = {"c": Chosen(values_max=1), **dict.fromkeys(("p", "q", "r"), many)}
    with pytest.raises(SettingsError):
        Segments.of(chosen, layout)
    assert Segments.fitting(chosen, layout).names == ("c=red", "c=__other__")


@pytest.mark.parametrize("chosen", [{"c": Chosen(values_max=2)}, {"device": DEVICES}])
def test_what_can_be_cut_is_cut_alike_however_it_is_asked_for(layout, chosen):
    assert Segments.fitting(chosen, layout).names == Segments.of(chosen, layout).names
