"""Segments: rows and labels of each part of the traffic, which add up to the whole, however they came."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from world import (
    COLOURS,
    NUMBERS,
    SCHEMA,
    Killed,
    Turns,
    alive,
    answers,
    label,
    prediction,
    profile,
    reference,
    tapped,
    truth,
)

from monitor.facts import Bundle, BundleStatus, Feature, FeatureKind, Subject
from monitor.panes.layout import Layout
from monitor.panes.reference import NumericBins
from monitor.settings import SegmentColumn
from monitor.turns.parting import Segmentation

BY = {"c": SegmentColumn(values=("a",)), "device": SegmentColumn(values=("ios", "android"))}
NAMES = {
    "c": ("c=a", "c=__other__"),
    "device": ("device=ios", "device=android", "device=__other__"),
}


def world(directory, by=None, **rest):
    made = Turns(directory / "state", settings={"segments": BY if by is None else by}, **rest)
    made.serve((0.0, "v1"))
    return made


@pytest.fixture
def turns(tmp_path):
    yield from alive(world(tmp_path))


def row(ident, time=10.0, c="a", device=None, output=0):
    return prediction(ident, time, output, 0.25, x=0.5, c=c, segment=device and {"device": device})


def counted(turns, column):
    """Rows and labelled rows of each segment of a column."""
    views = [turns.view(Subject.OUTCOMES, segment) for segment in NAMES[column]]
    return [(view.rows, view.labelled) for view in views]


def test_repeated_ids_of_segments_add_up_to_those_of_the_whole(turns):
    some = [row(f"p{i}", 10.0 + 20 * i, "ab"[i % 2], device=("ios", None)[i % 2]) for i in range(6)]
    turns.count(some)
    turns.count(some[:3])
    cell = turns.v1.repeated.start
    found = {name: int(turns.pane(name).counts[cell]) for column in NAMES.values() for name in column}
    assert turns.pane().counts[cell] == 3
    assert (found["c=a"], found["c=__other__"]) == (2, 1)
    assert (found["device=ios"], found["device=android"], found["device=__other__"]) == (2, 0, 1)


def panes(turns):
    """Every pane that is kept, by its key."""
    return {key: turns.pane(key.segment, key.epoch, start=key.start, end=key.start + 60) for key, _ in touched(turns)}


def touched(turns):
    return [(key, fold) for key, fold in turns.store.touched(0) if key.reference == turns.v1.digest]


# ---------------------------------------------------------------- which rows


def test_rows_are_parted_by_a_feature_and_by_what_the_sender_wrote(turns):
    turns.count([row("1", c="a", device="ios"), row("2", c="b", device="tv"), row("3", c=None), row("4", c="new")])
    assert counted(turns, "c") == [(1, 0), (3, 0)]
    assert counted(turns, "device") == [(1, 0), (0, 0), (3, 0)]


def test_a_label_moves_the_segments_of_its_prediction_however_late(turns):
    turns.count([row("1", c="a", device="ios"), row("2", c="b", device="android")])
    turns.count([row("3", device="ios")])
    turns.count([label("2", 1, time=9000.0), label("1", 0, time=9000.0)])
    assert counted(turns, "c") == [(2, 1), (1, 1)]
    assert counted(turns, "device") == [(2, 1), (1, 1), (0, 0)]


def test_a_corrected_label_is_taken_back_in_its_segments(turns):
    turns.count([row("1", c="b", device="ios")], [label("1", 1)])
    turns.count([label("1", 0)])
    for segment in ("", "c=__other__", "device=ios"):
        outcomes = turns.view(Subject.OUTCOMES, segment)
        assert (outcomes.labelled, outcomes.wrong) == (1, 0)


def test_nothing_is_parted_where_the_settings_say_nothing(tmp_path):
    turns = world(tmp_path, by={})
    turns.count([row("1", device="ios")], [label("1", 1)])
    assert {key.segment for key, _ in touched(turns)} == {""}
    turns.close()


def test_no_sender_can_make_a_segment(turns):
    turns.count([row(str(i), c=f"new{i}", device=f"x{i}") for i in range(50)])
    assert {key.segment for key, _ in touched(turns)} == {"", "c=__other__", "device=__other__"}


# ---------------------------------------------------------------- any arrivals


def event(kind, ident, value, place):
    if kind == "row":
        return row(f"p{ident}", *place, value)
    return label(f"p{ident}", value, source=kind)


EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from(["row", "row", "ops", "x/1"]),
        st.integers(0, 7),
        st.integers(0, 1),
        st.tuples(
            st.sampled_from([10.0, 70.0]),
            st.sampled_from(["a", "b", "new", None]),
            st.sampled_from(["ios", "android", "tv", None]),
        ),
    ),
    max_size=25,
)


def arrived(directory, events, cuts):
    turns = world(directory)
    tapped(turns, off=1)
    turns.serve((0.0, "v1"))
    for place, event in enumerate(events):
        turns.send([event])
        if place in cuts:
            turns.count()
    turns.count()
    found = panes(turns)
    turns.close()
    return found


@settings(max_examples=25)
@given(EVENTS, st.sets(st.integers(0, 25), max_size=4))
def test_any_split_of_the_same_arrivals_gives_the_same_panes_of_every_segment(tmp_path_factory, events, cuts):
    split, once = (arrived(tmp_path_factory.mktemp("split"), events, each) for each in (cuts, set()))
    assert {key for key in split if split[key].counts.any()} == {key for key in once if once[key].counts.any()}
    assert all(split[key] == once[key] for key in split.keys() & once.keys())


@settings(max_examples=25)
@given(EVENTS, st.sets(st.integers(0, 25), max_size=4))
def test_the_segments_of_a_column_add_up_to_the_whole(tmp_path_factory, events, cuts):
    found = arrived(tmp_path_factory.mktemp("sum"), events, cuts)
    for whole in [key for key in found if not key.segment]:
        for names in NAMES.values():
            parts = [found[key] for key in found if key.start == whole.start and key.segment in names]
            assert (
                sum((part.counts for part in parts), 0 * found[whole].counts).tolist() == found[whole].counts.tolist()
            )


@pytest.mark.parametrize("schema", [NUMBERS, COLOURS], ids=["numbers", "colours"])
def test_segments_add_up_in_every_task(tmp_path, schema):
    turns = world(tmp_path, {"c": SegmentColumn(values=("a",))}, layouts=(profile(schema), profile(schema, seed=8)))
    rows = answers(schema, 120)
    turns.count(rows)
    turns.count([label(each.id, truth(schema, each, i)) for i, each in enumerate(rows)])
    parts = turns.pane("c=a") + turns.pane("c=__other__")
    assert parts == turns.pane()
    turns.close()


# ---------------------------------------------------------------- settings that change


def test_labels_of_rows_from_before_a_change_of_segments_move_the_whole_alone(turns):
    turns.count([row("1", 10.0, device="ios")])
    turns.settings["segments"] = {"device": SegmentColumn(values=("android", "ios"))}
    turns.restart()
    turns.serve((0.0, "v1"))
    turns.count([row("2", 20.0, device="ios")])
    turns.count([label("1", 1), label("2", 1)])
    assert counted(turns, "device") == [(2, 1), (0, 0), (0, 0)]
    assert turns.view(Subject.OUTCOMES).labelled == 2


def test_when_segments_changed_is_kept_and_an_unchanged_restart_changes_nothing(turns):
    turns.count([row("1", 10.0, device="ios")])
    before = turns.store.facts(Segmentation)
    turns.restart()
    turns.serve((0.0, "v1"))
    assert turns.watched.segmentation == before["m"]
    turns.count([label("1", 1)])
    assert (counted(turns, "device")[0], turns.store.facts(Segmentation)) == ((1, 1), before)


def test_a_fold_that_dies_forgets_that_segments_changed(turns):
    turns.count([row("1", 10.0)])
    turns.settings["segments"] = {}
    turns.restart()
    turns.serve((0.0, "v1"))
    before = turns.watched.segmentation
    turns.dies("before", lambda put: isinstance(put, Segmentation))
    with pytest.raises(Killed):
        turns.count([row("2", 20.0)])
    assert turns.watched.segmentation == before


# ---------------------------------------------------------------- profiles without the column


def older(columns):
    """The profile of an earlier release: `columns` of the schema's features have become others."""
    found = reference()
    schema = replace(SCHEMA, features=(Feature("x", FeatureKind.NUMERIC), *columns))
    bins = tuple(NumericBins(feature.name, (0.0, 1.0)) for feature in schema.features)
    draft = replace(found, schema=schema, columns=bins, counts=())
    return Layout.of(replace(draft, counts=(0,) * Layout.draft(draft).size))


@pytest.mark.parametrize("columns", [(), (Feature("c", FeatureKind.NUMERIC),)], ids=["gone", "a number then"])
def test_an_older_profile_without_the_column_stops_no_fold_and_has_no_segments(tmp_path, columns):
    turns = Turns(
        tmp_path / "state",
        layouts=(older(columns), Layout.of(reference())),
        settings={"segments": {"c": SegmentColumn(values_max=1)}},
    )
    turns.bundles = (turns.bundles[0], approved(turns.bundles[1]))
    turns.watched.bundles = turns.bundles
    turns.serve((0.0, "v1"), (60.0, "v1"), (60.0, "v2"))
    turns.watched.epochs = tuple(
        replace(each, judge=turns.v1.digest) if each.number < 3 else each for each in turns.watched.epochs
    )
    turns.count([row("1", 10.0), row("2", 70.0), row("3", 70.0, c="b")], [label("1", 1), label("2", 1), label("3", 1)])
    found = {(key.epoch, key.segment) for key, _ in turns.store.touched(0)}
    assert found == {(2, ""), (3, ""), (3, "c=a"), (3, "c=__other__")}
    turns.close()


def approved(found: Bundle) -> Bundle:
    return replace(found, status=BundleStatus.KNOWN_GOOD)


def test_a_judge_of_fewer_features_is_read_in_its_own_cells(tmp_path):
    turns = Turns(tmp_path / "state", layouts=(wider(), Layout.of(reference())), settings={"segments": BY})
    turns.serve((0.0, "v1"))
    turns.count([row("1", c="b", device="ios"), row("2", c="a")])
    turns.count([label("1", 1), label("2", 1)])
    assert counted(turns, "c") == [(1, 1), (1, 1)]
    turns.close()


def wider():
    """A profile with a feature before the others."""
    found = reference()
    schema = replace(SCHEMA, features=(Feature("first", FeatureKind.NUMERIC), *SCHEMA.features))
    draft = replace(found, schema=schema, columns=(NumericBins("first", (0.0, 1.0)), *found.columns), counts=())
    return Layout.of(replace(draft, counts=(0,) * Layout.draft(draft).size))
