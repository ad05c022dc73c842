"""The e-detector over the real store: every delta is bet on exactly once, and whatever is other begins anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tickworld import CALM_S, PAGED, USUAL, WATCH, armed, latched, rows, ticking
from world import MODEL, Consumer, Killed, alive, budget, many, rule

from monitor.decisions.budget import Watch
from monitor.detectors.sequential import Ledger
from monitor.facts import Family, Subject, Verdict
from monitor.settings import SegmentColumn
from monitor.turns import lookout
from monitor.turns.lookout import NO_BANDS, NO_GROUP_BAND, NOT_WATCHED
from monitor.turns.ticking import Armed

X_PAGES = ("features_page", "x")


@pytest.fixture
def turns(tmp_path):
    made = ticking(tmp_path / "state")
    made.serve((0.0, "v1"))
    yield from alive(made)


def minutes(turns, first, last, low=0.0, high=1.0):
    """Rows and a look each minute; what the last look found."""
    for minute in range(first, last):
        turns.count(rows(60, 60.0 * minute, low, high))
        found = turns.looked(60.0 * (minute + 1))
    return found


def verdict(found, rule, segment=""):
    [slot] = found.slots[rule, segment]
    return slot.reading.verdict, slot.reading.why


def test_rows_inside_their_bands_page_nobody(turns):
    assert latched(minutes(turns, 0, 60)) == []


def test_a_shift_pages_its_group_at_every_tier_and_latches(turns):
    minutes(turns, 0, 5)
    found = minutes(turns, 5, 7, *PAGED)
    assert {X_PAGES, ("features_warn", "x"), ("output_rollback", "")} <= set(latched(found))
    assert found.slots[X_PAGES] == minutes(turns, 7, 9, *PAGED).slots[X_PAGES]


def test_a_latched_group_says_what_crossed_as_it_crossed(turns):
    minutes(turns, 0, 5)
    [slot] = minutes(turns, 5, 7, *PAGED).slots[X_PAGES]
    assert (slot.end, slot.reading.n, slot.worst) == (360.0, 360, ("x",))
    assert slot.reading.low == slot.reading.value > slot.reading.limit == 1.0
    assert slot.reading.why.startswith("share of x above 0.5 rose to 1 in 60 rows, usual 0.525, band 0.504 to 0.546")


def test_a_page_says_since_when_and_counts_from_there(turns):
    minutes(turns, 0, 30)
    found = minutes(turns, 30, 31, *PAGED)
    assert found.slots[X_PAGES][0].start == 1800.0


def test_since_when_survives_a_restart(turns):
    minutes(turns, 0, 30)
    turns.restart()
    turns.serve((0.0, "v1"))
    assert minutes(turns, 30, 31, *PAGED).slots[X_PAGES][0].start == 1800.0


def test_features_never_cross_for_a_rollback(turns):
    minutes(turns, 0, 5)
    assert "features_rollback" not in {rule for rule, _ in minutes(turns, 5, 9, *PAGED).slots}


def test_no_tick_before_its_time_and_the_state_is_not_written_again(turns):
    minutes(turns, 0, 2)
    before = armed(turns)
    found = turns.looked(150.0)
    assert (found.ticked.step, found.states, armed(turns)) == (None, [], before)


def test_what_is_not_bet_on_yet_is_not_consumed(turns):
    minutes(turns, 0, 1)
    turns.count(rows(60, 60.0))
    assert turns.looked(90.0).consumed == armed(turns).fold < turns.store.position().fold


def test_rows_of_segments_are_not_bet_on_twice(tmp_path):
    by = {"plant": SegmentColumn(values=("a", "b"))}
    turns = ticking(tmp_path / "state", settings={"segments": by})
    turns.serve((0.0, "v1"))
    turns.count([replace(row, segment={"plant": "ab"[i % 2]}) for i, row in enumerate(rows(60, 0.0))])
    turns.looked(60.0)
    assert turns.view(Subject.ARRIVALS, "plant=a").rows == 30
    assert {name: n for name, n in armed(turns).rows.items() if n} == dict.fromkeys(
        ("features", "quality", "output"), 60
    )
    turns.close()


def test_deltas_that_another_detector_still_waits_for_are_not_bet_on_again(tmp_path):
    turns = ticking(tmp_path / "state", rule("slow", Subject.ARRIVALS, Consumer(), 600.0))
    turns.serve((0.0, "v1"))
    minutes(turns, 0, 5)
    assert turns.store.position().consumed == 0
    assert armed(turns).rows["features"] == 5 * 60
    turns.close()


def test_a_new_epoch_begins_anew(turns):
    minutes(turns, 0, 5)
    minutes(turns, 5, 7, *PAGED)
    turns.serve((0.0, "v1"), (420.0, "v1"), (420.0, "v2"))
    found = turns.looked(480.0)
    assert (latched(found), armed(turns).epoch, armed(turns).rows["features"]) == ([], 3, 0)


def test_another_budget_begins_anew_and_its_calm_too(turns):
    minutes(turns, 0, 5, *PAGED)
    turns.watched.pack = budget((), Watch(Ledger(page=20 * 1440.0, hold=CALM_S / 60.0), 60.0))
    found = turns.looked(360.0)
    assert (latched(found), armed(turns).since) == ([], 360.0)
    assert verdict(found, "features_page")[0] is Verdict.UNKNOWN


def test_a_budget_that_comes_back_after_a_pause_begins_anew_and_its_minutes_too(turns):
    minutes(turns, 0, 3)
    turns.watched.pack = budget((), None)
    turns.count(many(4, prefix="unseen"))
    turns.looked(7200.0)
    turns.watched.pack = turns.pack
    turns.looked(7260.0)
    assert (armed(turns).since, armed(turns).at, armed(turns).state) == (7260.0, 7260.0, None)


def test_a_clock_set_back_gives_no_minutes_and_stops_no_tick(turns):
    minutes(turns, 10, 12)
    elapsed = armed(turns).state.minutes
    turns.count(rows(60, 0.0))
    turns.looked(60.0)
    assert (armed(turns).at, armed(turns).state.minutes) == (60.0, elapsed)


def test_without_bands_everything_is_unknown_and_nothing_piles_up(tmp_path):
    turns = ticking(tmp_path / "state", layouts=None)
    turns.serve((0.0, "v1"))
    found = minutes(turns, 0, 3, *PAGED)
    assert verdict(found, "output_rollback") == (Verdict.UNKNOWN, NO_BANDS)
    assert found.consumed == turns.store.position().fold
    turns.close()


def test_a_group_without_a_band_is_unknown_and_the_others_are_watched(tmp_path):
    turns = ticking(tmp_path / "state", unknown=("output", "score"))
    turns.serve((0.0, "v1"))
    found = minutes(turns, 0, 5, *PAGED)
    assert verdict(found, "output_page") == (Verdict.UNKNOWN, NO_GROUP_BAND)
    assert X_PAGES in latched(found)
    turns.close()


def test_a_family_of_which_nothing_is_watched_is_unknown(turns):
    assert minutes(turns, 0, 1).ticked.lookout.untold(Family.FAIRNESS) == NOT_WATCHED


def test_calm_is_ok_only_after_its_time_and_only_if_rows_came(turns):
    assert verdict(turns.looked(CALM_S - 1), "features_page")[0] is Verdict.UNKNOWN
    assert verdict(turns.looked(CALM_S + 60), "features_page")[0] is Verdict.UNKNOWN
    turns.count(rows(60, CALM_S + 60))
    assert verdict(turns.looked(CALM_S + 120), "features_page") == (Verdict.OK, "")


@pytest.mark.parametrize("moment", ["before", "after"])
def test_the_state_and_how_far_it_consumed_are_one_commit(tmp_path, moment):
    turns = ticking(tmp_path / "state")
    turns.settle(0.0)
    turns.send(rows(60, 0.0))
    turns.dies(moment, lambda put: isinstance(put, Armed))
    with pytest.raises(Killed):
        turns.settle(60.0)
    turns.restart()
    turns.settle(60.0)
    turns.settle(120.0)
    assert armed(turns).rows["features"] == 60
    assert armed(turns).state.minutes == 2.0
    turns.close()


def story(directory, steps, looks=9):
    """The stored state and the pages after the same rows and looks, however they were split, stopped and started."""
    turns = ticking(directory, volume=USUAL)
    turns.serve((0.0, "v1"))
    pages = []
    for minute in range(looks):
        made = rows(48, 60.0 * minute, *((0.0, 1.0) if minute < 4 else PAGED))
        for part, what in zip((made[:7], made[7:30], made[30:]), steps[minute], strict=True):
            turns.send(part)
            if "fold" in what:
                turns.count()
            if "restart" in what:
                turns.restart()
                turns.serve((0.0, "v1"))
        turns.count()
        now = 60.0 * (minute + 1)
        if "lost" in steps[minute][0]:
            turns.looked(now, commit=False)
        pages.append(latched(turns.looked(now)))
    kept = armed(turns)
    turns.close()
    return pages, replace(kept, fold=0)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return story(tmp_path_factory.mktemp("once") / "state", [("", "", "")] * 9)


WHAT = st.sampled_from(["", "fold", "restart", "fold restart", "lost", "lost fold restart"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(WHAT, WHAT, WHAT), min_size=9, max_size=9))
def test_any_split_and_any_restarts_give_the_same_pages_and_the_same_bytes(tmp_path_factory, undisturbed, steps):
    assert story(tmp_path_factory.mktemp("split") / "state", steps) == undisturbed


def test_the_story_pages(undisturbed):
    pages, kept = undisturbed
    assert X_PAGES in pages[-1]
    assert kept.model == MODEL
    assert kept.rows["volume"] == 8
    assert WATCH.every_s == 60.0


def test_lookouts_that_are_too_many_make_room_and_are_made_again(turns):
    kept = lookout.Lookouts(bytes_max=30 * lookout.BAND_BYTES)
    first = kept.get(turns.v1, WATCH)
    assert kept.get(turns.v1, WATCH) is first
    kept.get(turns.v2, WATCH)
    again = kept.get(turns.v1, WATCH)
    assert again is not first
    assert again.plan.name == first.plan.name
    assert kept.dropped == 2
