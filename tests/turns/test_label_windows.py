"""Label windows over the real store: what is bet, once, whoever sends labels and however they come."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelworld import FEED, HOUR, STEPS, change_settings, cut_off, hour, hours, labelling, live_through
from msgspec.structs import replace
from tickworld import armed, latched
from world import alive, label, tapped

from monitor.settings.model_sections import LabelFeed
from monitor.turns.label_windows import terms_of

ERROR_PAGES, CALIBRATION_PAGES = ("labels_page", "error"), ("labels_page", "calibration")


@pytest.fixture
def turns(tmp_path):
    yield from alive(labelling(tmp_path / "state"))


def families(found, family):
    return [key for key in latched(found) if key[0].startswith(family)]


def bet(turns, family="labels"):
    return armed(turns).rows[family]


def test_labels_as_in_the_reference_are_bet_on_and_page_nobody(turns):
    assert families(hours(turns, 0, 24), "labels") == []
    assert bet(turns) == 24 * 120
    assert armed(turns).closing.by_coverage == 24


def test_a_model_that_errs_more_is_paged_and_supports_a_rollback(turns):
    hours(turns, 0, 4)
    found = hours(turns, 4, 7, wrong=lambda i, row: i % 3 != 0)
    assert {ERROR_PAGES, ("labels_rollback", "")} <= set(latched(found))


def test_a_model_that_errs_less_is_no_alarm(turns):
    hours(turns, 0, 4)
    assert ERROR_PAGES not in latched(hours(turns, 4, 12, wrong=lambda i, row: False))


def test_calibration_drift_is_paged_where_errors_are_as_many(turns):
    """Sure answers err, unsure ones do not; of 120 rows about 40 are wrong, as before."""
    sure = sorted(hour(0)[0], key=lambda row: -abs(row.score - 0.5))[39]
    far = abs(sure.score - 0.5)
    hours(turns, 0, 4)
    found = hours(turns, 4, 10, wrong=lambda i, row: abs(row.score - 0.5) >= far)
    assert CALIBRATION_PAGES in latched(found)
    assert ERROR_PAGES not in latched(found)


def test_labels_are_not_bet_on_when_they_arrive(turns):
    rows, said = hour(0)
    turns.count(rows)
    turns.count(said[:60])
    turns.looked(HOUR + 60)
    assert bet(turns) == 0
    turns.count(said[60:])
    turns.looked(2 * HOUR)
    assert bet(turns) == 120


def test_a_burst_of_labels_is_bet_on_at_once_and_once(turns):
    hours(turns, 0, 24, labels=False)
    turns.count([each for at in range(24) for each in hour(at)[1]])
    assert families(turns.looked(25 * HOUR), "labels") == []
    turns.looked(26 * HOUR)
    assert (bet(turns), armed(turns).closing.by_coverage) == (24 * 120, 24)


def test_at_the_deadline_the_labels_that_came_are_bet_on(turns):
    rows, said = hour(0)
    turns.count(rows, said[:30])
    turns.looked(HOUR + FEED.deadline - 60)
    assert bet(turns) == 0
    turns.looked(HOUR + FEED.deadline)
    assert bet(turns) == 30


def test_a_corrected_label_neither_stops_a_tick_nor_is_bet_on_again(turns):
    hours(turns, 0, 2)
    turns.count([replace(each, label=1.0 - each.label) for each in hour(0)[1]])
    turns.looked(2 * HOUR + 120)
    assert bet(turns) == 240
    assert armed(turns).at == 2 * HOUR + 120


def test_a_source_that_is_not_trusted_closes_no_window_and_moves_no_error(turns):
    hours(turns, 0, 4, labels=False)
    for at in range(4):
        turns.count([replace(each, source="crowd/1", label=1.0 - each.label) for each in hour(at)[1]])
    turns.looked(6 * HOUR)
    assert armed(turns).closing.by_coverage == 0
    found = turns.looked(5 * HOUR + FEED.deadline)
    assert (families(found, "labels"), bet(turns), armed(turns).closing.by_deadline) == ([], 0, 4)


def test_sources_that_lie_are_paged_as_what_comes_in_and_support_no_rollback(turns):
    lies = [replace(each, source="crowd/1", label=1.0 - each.label) for at in range(4) for each in hour(at)[1]]
    hours(turns, 0, 4)
    turns.count(lies)
    hours(turns, 4, 5)
    for at in range(5, 9):
        rows, said = hour(at)
        turns.count(rows, [replace(each, source="crowd/1", label=1.0 - each.label) for each in said], said)
        found = turns.looked(HOUR * (at + 1) + 60.0)
    assert ("quality_page", "labels") in latched(found)
    assert not [key for key in latched(found) if "rollback" in key[0]]


def test_pairs_that_only_the_served_model_gets_wrong_are_paged(turns):
    tapped(turns, off=1)
    change_settings(turns, labels=FEED)
    turns.serve((0.0, "v1"))
    found = hours(turns, 0, 6, wrong=lambda i, row: i % 3 != 0)
    assert {("paired_page", "paired"), ("paired_rollback", "")} <= set(latched(found))


def test_pairs_that_are_as_often_right_are_no_alarm(turns):
    tapped(turns, off=1)
    change_settings(turns, labels=FEED)
    turns.serve((0.0, "v1"))
    assert families(hours(turns, 0, 12, wrong=lambda i, row: i % 2), "paired") == []
    assert bet(turns, "paired") == 12 * 120


def test_a_new_epoch_has_windows_of_its_own(turns):
    hours(turns, 0, 2)
    turns.serve((0.0, "v1"), (2.5 * HOUR, "v1"), (2.5 * HOUR, "v2"))
    turns.looked(2.5 * HOUR + 60)
    assert armed(turns).closing.first == 2 * HOUR
    assert armed(turns).rows == {} or not any(armed(turns).rows.values())


@pytest.mark.parametrize("moment", ["before", "after"])
def test_windows_that_close_are_one_commit_with_their_bets(tmp_path, moment):
    turns = labelling(tmp_path / "state")
    kept = cut_off(turns, moment)
    assert (kept.rows["labels"], kept.closing.by_coverage) == (120, 1)
    turns.close()


def story(directory, steps):
    """The stored state after the same labels and looks, however they were split, stopped and started."""
    return live_through(labelling(directory), steps)[1]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return story(tmp_path_factory.mktemp("once") / "state", [""] * 4)


@settings(max_examples=10, deadline=None)
@given(st.lists(STEPS, min_size=4, max_size=4))
def test_any_split_and_any_restarts_give_the_same_bets(tmp_path_factory, undisturbed, steps):
    assert story(tmp_path_factory.mktemp("split") / "state", steps) == undisturbed


def test_whenever_one_looks_labels_that_are_complete_give_the_same_bets(tmp_path):
    found = []
    for name, looks in (("often", [2, 3, 4, 5, 6, 9]), ("once", [9])):
        turns = labelling(tmp_path / name)
        for at in range(4):
            turns.count(*hour(at))
        for now in looks:
            turns.looked(now * HOUR)
        found.append((bet(turns), armed(turns).closing.by_coverage))
        turns.close()
    assert found == [(480, 4)] * 2


def test_a_label_without_its_prediction_opens_nothing(turns):
    turns.count([label("nobody", 1.0)])
    turns.looked(HOUR)
    assert armed(turns).closing.open == ()


def test_no_window_waits_longer_than_panes_have_detail():
    assert [terms_of(LabelFeed(), 60.0, horizon).deadline_s for horizon in (86_400.0, 1e9)] == [86_400.0, 259_200.0]
