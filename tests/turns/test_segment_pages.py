"""Errors of segments over the real store: a group each, windows of their own, on a share of the budget of their own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelworld import FEED, HOUR, STEPS, WATCH, change_settings, cut_off, hour, hours, labelling, live_through
from msgspec.structs import replace
from tickworld import armed, latched
from world import alive, budget

from monitor.decisions.budget import Watch
from monitor.panes.segment_errors import NO_LABELS, SAID
from monitor.settings import SegmentColumn

BY_C = {"segments": {"c": SegmentColumn()}}
OF_B, OF_A, WHOLE = ("labels_page", "error@c=b"), ("labels_page", "error@c=a"), ("labels_page", "error")


def parted(directory, **more):
    return labelling(directory, **({"settings": BY_C} | more))


@pytest.fixture
def turns(tmp_path):
    yield from alive(parted(tmp_path / "state"))


def swapped(i, row):
    """As many wrong answers as ever, one in three, but all of them where c is b."""
    return row.features["c"] == "b" and i % 3 < 2


def lookout_of(turns, now):
    return turns.looked(now).ticked.lookout


def test_errors_as_in_the_reference_page_no_segment(turns):
    assert [key for key in latched(hours(turns, 0, 24)) if key[0].startswith("labels")] == []
    assert armed(turns).segments["c=b"].rows + armed(turns).segments["c=a"].rows == 24 * 120


def test_a_segment_that_moved_is_paged_while_the_whole_stays_quiet(turns):
    hours(turns, 0, 4)
    found = latched(hours(turns, 4, 10, wrong=swapped))
    assert OF_B in found
    assert OF_A not in found
    assert WHOLE not in found


def test_the_page_says_of_which_segment_from_what_to_what_and_in_how_many_rows(turns):
    hours(turns, 0, 4)
    [slot] = hours(turns, 4, 10, wrong=swapped).slots[OF_B]
    assert slot.reading.why.startswith("error of c=b rose to 0.")
    assert "usual 0.3" in slot.reading.why
    assert "band 0." in slot.reading.why
    assert 0 < slot.reading.n <= armed(turns).segments["c=b"].rows < armed(turns).rows["labels"]
    assert slot.worst == ("c",)


def test_the_whole_says_from_what_to_what_as_well(turns):
    hours(turns, 0, 4)
    [slot] = hours(turns, 4, 7, wrong=lambda i, row: i % 3 != 0).slots[WHOLE]
    assert slot.reading.why.startswith("share of errors rose to 0.")


def test_a_segment_whose_labels_come_late_closes_its_windows_by_itself(turns):
    for at in range(2):
        rows, said = hour(at)
        late = {row.id for row in rows if row.features["c"] == "b"}
        turns.count(rows, [each for each in said if each.id not in late])
        turns.looked(HOUR * (at + 1) + 60)
    segments = armed(turns).segments
    assert (segments["c=a"].closing.by_coverage, segments["c=b"].closing.by_coverage) == (2, 0)
    assert segments["c=b"].rows == 0
    turns.looked(2 * HOUR + FEED.deadline)
    assert armed(turns).segments["c=b"].closing.by_deadline == 2


def test_where_no_segment_has_a_band_nothing_is_set_apart(tmp_path):
    by = {"segments": {"plant": SegmentColumn(values=("p", "q"))}}
    plain, said = labelling(tmp_path / "plain"), labelling(tmp_path / "said", settings=by)
    weights = [lookout_of(each, 60.0).plan for each in (plain, said)]
    of = [{g: w for g, w in zip(p.groups, p.group_weight.tolist(), strict=True) if "@" not in g} for p in weights]
    assert of[0] == of[1]
    assert lookout_of(said, 120.0).part("labels/error@plant=p").band.why == SAID
    plain.close()
    said.close()


def test_the_share_is_divided_by_the_segments_that_can_be_bet_on_and_no_other_pays_more(turns):
    plan = lookout_of(turns, 60.0).plan
    weight = dict(zip(plan.groups, plan.group_weight.tolist(), strict=True))
    mine = {group: each for group, each in weight.items() if "@" in group}
    pooled = "labels/error@c=__other__"
    assert mine == {"labels/error@c=a": 0.05, "labels/error@c=b": 0.05, pooled: 0.0}
    assert sum(weight.values()) <= 1
    assert lookout_of(turns, 120.0).part(pooled).band.why == NO_LABELS


def test_segments_beyond_the_number_are_not_watched_the_known_and_frequent_ones_are(tmp_path):
    turns = parted(tmp_path / "state", watch=Watch(WATCH.ledger, 60.0, segments_max=1))
    parts = lookout_of(turns, 60.0).parts
    rows = turns.v1.features(turns.v1.reference_pane())[1].bins
    assert [part.segment for part in parts] == [f"c={'ab'[rows[:2].index(max(rows[:2]))]}"]
    turns.close()


def test_without_a_share_no_segment_is_watched_and_none_without_weight_of_labels(tmp_path):
    for name, more in (("share", {"segments_share": 0.0}), ("labels", {})):
        ledger = WATCH.ledger if more else replace(WATCH.ledger, labels=0.0)
        turns = parted(tmp_path / name, watch=Watch(ledger, 60.0, **more))
        assert lookout_of(turns, 60.0).parts == ()
        turns.close()


def test_the_status_says_what_is_watched_and_why_the_others_are_not(tmp_path):
    by = {"segments": {"c": SegmentColumn(), "plant": SegmentColumn(values=("p", "q"))}}
    turns = parted(tmp_path / "state", settings=by, watch=Watch(WATCH.ledger, 60.0, segments_max=4))
    turns.looked(60.0)
    told = turns.watched.sequential.segments
    assert (told.share, set(told.watched), told.left) == (0.1, {"c=a", "c=b"}, 2)
    assert told.unknown == {"c=__other__": NO_LABELS, "plant=p": SAID}
    turns.close()


def test_a_segment_that_is_parted_otherwise_is_bet_on_from_the_first_window_after(turns):
    hours(turns, 0, 2)
    bet = armed(turns).segments["c=b"].rows
    change_settings(turns, segments={"c": SegmentColumn(values=("b",))}, labels=FEED)
    found = hours(turns, 2, 4)
    kept = armed(turns).segments
    assert set(kept) == {"c=b", "c=__other__"}
    assert found.ticked.lookout.part("labels/error@c=__other__").band.centre is not None
    assert bet > 0
    assert kept["c=b"].rows == sum(row.features["c"] == "b" for at in (2, 3) for row in hour(at)[0])


def test_labels_of_a_window_that_was_parted_otherwise_are_not_bet_on_at_its_deadline(turns):
    rows, said = hour(0)
    turns.count(rows, said[:60])
    turns.looked(HOUR + 60)
    change_settings(turns, segments={"c": SegmentColumn(values=("b",))}, labels=FEED)
    turns.looked(HOUR + FEED.deadline)
    kept = armed(turns)
    assert (kept.rows["labels"], kept.segments["c=b"].closing.by_deadline, kept.segments["c=b"].rows) == (60, 1, 0)


def test_another_share_begins_anew_and_bets_on_no_window_again(turns):
    hours(turns, 0, 2)
    closed = armed(turns).segments["c=b"].closing
    turns.watched.pack = budget((), Watch(WATCH.ledger, 60.0, segments_share=0.2))
    turns.looked(2 * HOUR + 120)
    after = armed(turns).segments["c=b"]
    assert (after.rows, after.closing.closed, after.closing.by_coverage) == (0, closed.closed, closed.by_coverage)


def test_a_new_epoch_has_segments_of_its_own(turns):
    hours(turns, 0, 2)
    turns.serve((0.0, "v1"), (2.5 * HOUR, "v1"), (2.5 * HOUR, "v2"))
    turns.looked(2.5 * HOUR + 60)
    assert not any(apart.rows for apart in armed(turns).segments.values())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_windows_of_segments_are_one_commit_with_their_bets(tmp_path, moment):
    turns = parted(tmp_path / "state")
    kept = cut_off(turns, moment)
    assert sum(apart.rows for apart in kept.segments.values()) == 120
    turns.close()


def story(directory, steps):
    """Pages and stored state after the same labels and looks, however they were split, stopped and started."""
    found, kept = live_through(parted(directory), steps, wrong=swapped)
    return latched(found), kept


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return story(tmp_path_factory.mktemp("once") / "state", [""] * 5)


@settings(max_examples=5, deadline=None)
@given(st.lists(STEPS, min_size=5, max_size=5))
def test_any_split_and_any_restarts_give_the_same_pages_and_the_same_bytes(tmp_path_factory, undisturbed, steps):
    assert story(tmp_path_factory.mktemp("split") / "state", steps) == undisturbed


def test_the_story_pages_a_segment(undisturbed):
    assert OF_B in undisturbed[0]
