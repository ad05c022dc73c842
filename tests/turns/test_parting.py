"""Segments that change under a running daemon: nothing is counted into a wrong one, and old panes stay."""

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from world import MODEL, Spy, Turns, alive, label, prediction, rule

from monitor.facts import AlertState, Severity, Subject, Verdict
from monitor.settings import SegmentColumn
from monitor.turns import show
from monitor.turns.opinion import silent
from monitor.turns.parting import Parting, Segmentation

PHONES = SegmentColumn(values=("ios", "android"))
SWAPPED = SegmentColumn(values=("android", "ios"))
IOS = SegmentColumn(values=("ios",))
C = SegmentColumn(values=("a",))


def world(directory, *rules, by=None):
    made = Turns(directory / "state", *rules, settings={"segments": {"device": PHONES} if by is None else by})
    made.serve((0.0, "v1"))
    return made


@pytest.fixture
def turns(tmp_path):
    yield from alive(world(tmp_path))


def reload(turns, **by):
    """What the daemon does with new settings that can be used."""
    turns.watched.settings = turns.watched.settings.model_copy(update={"segments": by})


def row(ident, time=10.0, device=None, c="a"):
    return prediction(ident, time, 0, 0.25, x=0.5, c=c, segment=device and {"device": device})


def rows(turns, segment):
    return turns.view(Subject.OUTCOMES, segment).rows


def labelled(turns, segment):
    return turns.view(Subject.OUTCOMES, segment).labelled


# ---------------------------------------------------------------- counting


def test_new_segments_are_counted_from_the_next_fold_on(turns):
    turns.count([row("1", 10.0, "ios", c="a")])
    reload(turns, c=C)
    turns.count([row("2", 20.0, "ios", c="a"), row("3", 20.0, c="b")])
    assert (rows(turns, "c=a"), rows(turns, "c=__other__"), rows(turns, "")) == (1, 1, 3)


def test_old_panes_keep_their_segments(turns):
    turns.count([row("1", 10.0, "ios")])
    before = turns.pane("device=ios")
    reload(turns, c=C)
    turns.count([row("2", 20.0, "ios")])
    assert turns.pane("device=ios") == before


def test_a_fold_under_way_ends_with_the_segments_it_began_with(turns):
    async def ask(watched, found, _keys):
        reload(turns, c=C)
        return silent(found.n, watched.schema.task)

    turns.wheel_of["ask"] = ask
    turns.restart()
    turns.serve((0.0, "v1"))
    turns.count([row("1", 10.0, "ios")])
    assert (rows(turns, "device=ios"), rows(turns, "c=a")) == (1, 0)


# ---------------------------------------------------------------- late labels


@pytest.mark.parametrize("by", [{"device": SWAPPED}, {"device": IOS}, {"tv": PHONES, "device": PHONES}, {"c": C}, {}])
def test_a_late_label_of_an_old_receipt_moves_the_whole_and_no_segment(turns, by):
    turns.count([row("1", 10.0, "ios")])
    reload(turns, **by)
    turns.count([row("2", 20.0, "ios")], [label("1", 1)])
    names = turns.watched.segments(turns.v1.digest).names
    assert (labelled(turns, ""), [labelled(turns, name) for name in names]) == (1, [0] * len(names))


def test_a_label_that_comes_with_the_change_moves_the_segments_of_new_rows(turns):
    turns.count([row("1", 10.0, "ios")])
    reload(turns, device=SWAPPED)
    turns.count([row("2", 20.0, "ios")], [label("2", 1), label("1", 1)])
    assert (labelled(turns, "device=ios"), labelled(turns, "device=android"), labelled(turns, "")) == (1, 0, 2)


BY = st.sampled_from([{"device": PHONES}, {"device": SWAPPED}, {"device": IOS, "c": C}, {"c": C, "device": IOS}, {}])


@examples(max_examples=30)
@given(st.lists(st.tuples(BY, st.sampled_from(["ios", "android", "tv"]), st.booleans()), min_size=1, max_size=6))
def test_no_label_is_ever_counted_into_a_segment_that_its_row_is_not_in(tmp_path_factory, steps):
    turns = world(tmp_path_factory.mktemp("any"), by={})
    for place, (by, device, restart) in enumerate(steps):
        reload(turns, **by)
        if restart:
            turns.settings["segments"] = by
            turns.restart()
            turns.serve((0.0, "v1"))
        turns.count([row(f"p{place}", 10.0 + 60 * place, device)])
    turns.count([label(f"p{place}", 1) for place in range(len(steps))])
    for place, (_, device, _) in enumerate(steps):
        for name in ("ios", "android"):
            pane = turns.pane(f"device={name}", start=60 * place, end=60 * (place + 1))
            assert turns.v1.view(pane, Subject.OUTCOMES).labelled <= int(name == device)
    turns.close()


# ---------------------------------------------------------------- what a rule reads


def by_device(verdict=Verdict.OK, **more):
    return rule("output", detector=Spy(verdict), by="device", **more)


def test_a_rule_reads_no_window_that_holds_rows_that_were_parted_otherwise(tmp_path):
    turns = world(tmp_path, by_device())
    turns.count([row("1", 10.0, "ios"), row("2", 70.0, "android")])
    reload(turns, device=IOS)
    turns.count([row("3", 80.0, "tv"), row("4", 130.0, "android")])
    found = turns.slots("output", 180.0, "device=__other__")
    assert [(slot.start, slot.reading.value) for slot in found] == [(120.0, 1.0)]
    turns.close()


def test_a_column_that_was_left_as_it_is_loses_no_window(tmp_path):
    turns = world(tmp_path, by_device())
    turns.count([row("1", 10.0, "ios"), row("2", 70.0, "ios")])
    reload(turns, c=C, device=PHONES)
    turns.count([row("3", 130.0, "ios")])
    assert [slot.start for slot in turns.slots("output", 180.0, "device=ios")] == [0.0, 60.0, 120.0]
    turns.close()


def test_a_segment_that_is_gone_is_in_no_gauge_and_its_alert_ends(tmp_path):
    turns = world(tmp_path, by_device(Verdict.BREACH, severity=Severity.WARNING))
    turns.send([row("1", 10.0, "ios")])
    turns.turn(60.0)
    assert ("output", "device=android") in {(each.rule, each.segment) for each in turns.watched.state.alerts}
    reload(turns, device=IOS)
    turns.settle(180.0)
    assert "device=android" not in show.model_view(turns.watched).segments
    firing = {each.segment for each in turns.watched.state.alerts if each.state is AlertState.FIRING}
    assert "device=android" not in firing | {each.segment for each in turns.watched.shown.values()}
    turns.close()


# ---------------------------------------------------------------- since when


def test_settings_that_come_back_unfolded_change_nothing(turns):
    turns.count([row("1", 10.0, "ios")])
    reload(turns)
    reload(turns, device=PHONES)
    turns.count([label("1", 1)])
    assert labelled(turns, "device=ios") == 1


def test_since_when_is_kept_of_each_column_and_survives_a_restart(turns):
    turns.count([row("1", 10.0, "ios")])
    reload(turns, device=PHONES, c=C)
    turns.count([row("2", 20.0, "ios")])
    kept = turns.store.facts(Segmentation)[MODEL]
    assert (kept.since, kept.of("device"), kept.of("c")) == (10.0, None, 10.0)
    turns.settings["segments"] = {"device": PHONES, "c": C}
    turns.restart()
    assert turns.watched.segmentation == kept


def test_what_an_earlier_version_kept_speaks_of_every_column():
    found = Segmentation('{"device":[["ios"],8]}', 5.0)
    assert (found.of("device"), found.whole("device", 5.0), found.whole("device", 6.0)) == (5.0, False, True)


def test_the_order_of_columns_is_another_parting_because_receipts_are_packed_by_it():
    parting = Parting({"a": PHONES, "b": IOS})
    assert parting.by({"a": PHONES, "b": IOS}) is parting
    assert parting.by({"b": IOS, "a": PHONES}) is not parting
