"""Planted silence, floods and errors: found by the e-detector as what is really there, and nobody else's merit."""

from math import inf

import pytest
from storyworld import Story, history, layouts

from monitor.backtest.answer import Demands, report
from monitor.backtest.plants import read_plants
from monitor.backtest.replay import replay_history
from monitor.backtest.terms import Terms
from monitor.decisions.budget import Watch
from monitor.decisions.rules import RulePack, follow
from monitor.detectors.sequential import Ledger
from monitor.errors import SettingsError
from monitor.settings import LabelFeed

HOUR = 3600.0
EVERY_S = 60.0
QUIET = Story(hours=6.0)


def terms(layout=None, feed=QUIET.feed, every_s=EVERY_S):
    watch = Watch(Ledger(), every_s)
    return Terms(layout or layouts()[0], RulePack(1, (), watch, tuple(follow(watch))), feed=feed)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    return history(tmp_path_factory.mktemp("quiet"), QUIET)


def planted(quiet, *texts, **more):
    """What became of these plants, two hours after the beginning."""
    under = terms(**more)
    plants = read_plants([f"{text}@1970-01-01T02:00" for text in texts], under.layout)
    return replay_history(under, quiet, plants, lambda _: None, within_s=4 * HOUR)


def pages(found, group):
    return [one.start for one in found.ledgered.told if one.tier == "page" and one.group == group]


def test_a_quiet_history_pages_nobody_and_says_how_labels_closed(quiet):
    found = replay_history(terms(), quiet, (), lambda _: None)
    assert found.ledgered.counts.total() == 0
    assert (found.labels.by_coverage, found.labels.by_deadline, found.labels.open) == (5, 0, 1)
    assert found.labels.labels == 9 * 60 * 6 - 6  # of the last minute six come after its end
    assert found.minutes == 60 * 6 - 2  # not the first, and the grace of the last


@pytest.mark.parametrize(
    ("text", "within_min"), [("silence", 10), ("rows-100%", 10), ("rows+100%", 15), ("rows-60%", 15)]
)
def test_rows_that_stay_away_or_come_twice_are_found_within_minutes(quiet, text, within_min):
    (one,) = planted(quiet, text).planted
    assert (one.outcome, one.rule, one.column) == ("found", "volume_page", "rows")
    assert 0 < one.delay_s <= within_min * 60.0


def test_planted_silence_pages_when_true_silence_does(quiet, tmp_path):
    true = replay_history(terms(), history(tmp_path, Story(hours=6.0, silence=(2.0, inf))), (), lambda _: None)
    shown = replay_history(terms(), history(tmp_path, Story(hours=6.0, silence=(2.0, 4.0))), (), lambda _: None)
    assert pages(true, "volume") == []  # the history ends where its rows do
    assert pages(shown, "volume") == [2 * HOUR + planted(quiet, "silence").planted[0].delay_s]


def test_planted_errors_page_when_true_ones_do(quiet, tmp_path):
    """Every label is another class: of three answers two are wrong, as in a story that errs as much."""
    true = replay_history(terms(), history(tmp_path, Story(hours=6.0, wrong_from=2.0)), (), lambda _: None)
    (one,) = planted(quiet, "label~100%").planted
    assert (one.outcome, one.rule) == ("found", "labels_page")
    assert min(pages(true, "labels/error") + pages(true, "labels/calibration")) == 2 * HOUR + one.delay_s


def test_more_errors_are_found_no_later_and_no_change_is_missed(quiet):
    few, many = planted(quiet, "label~1%", "label~60%").planted
    assert (few.outcome, many.outcome) == ("missed", "found")
    assert many.warned_s <= many.delay_s


def test_errors_are_found_when_their_window_closes_and_not_before(quiet):
    slow = LabelFeed(trusted_sources=("ops",), close_coverage=1.0, deadline="2h")
    soon = planted(quiet, "label~100%").planted[0]
    late = planted(quiet, "label~100%", feed=slow).planted[0]
    assert late.delay_s >= soon.delay_s + 1.5 * HOUR


def test_an_error_of_a_history_is_told_in_words(tmp_path):
    found = replay_history(terms(), history(tmp_path, Story(hours=6.0, wrong_from=2.0)), (), lambda _: None)
    paged = next(one for one in found.ledgered.told if (one.tier, one.group) == ("page", "labels/error"))
    assert paged.words.startswith("label error rose to ")
    assert paged.moved.since == 2 * HOUR


def test_a_silence_of_a_history_is_told_in_words(tmp_path):
    found = replay_history(terms(), history(tmp_path, Story(hours=6.0, silence=(2.0, 4.0))), (), lambda _: None)
    paged = next(one for one in found.ledgered.told if (one.tier, one.group) == ("page", "volume"))
    assert paged.words.startswith("minutes with no row at all rose to ")
    assert paged.words.endswith("is usual")


def test_silence_says_nothing_of_columns_and_is_found_by_no_band_of_theirs(quiet):
    both = planted(quiet, "silence", "x+1sigma").planted
    assert [(one.column, one.rule) for one in both] == [("rows", "volume_page"), ("x", "features_page")]


def test_rows_cannot_be_planted_where_nobody_counts_them(quiet):
    with pytest.raises(SettingsError, match="nothing is bet on that"):
        planted(quiet, "silence", layout=layouts()[1])


def test_labels_without_times_come_with_their_rows(quiet, tmp_path):
    from msgspec.structs import replace

    timeless = type(quiet)(quiet.path, quiet.schema, replace(quiet.names, label_time=None))
    found = replay_history(terms(), timeless, (), lambda _: None)
    assert not found.labels.timed
    assert found.labels.by_coverage == 5


def test_labels_after_the_deadline_are_counted_late_and_bet_on_by_nobody(tmp_path):
    story = Story(hours=6.0, lag_s=2 * HOUR, feed=LabelFeed(trusted_sources=("ops",), deadline="1h"))
    found = replay_history(terms(feed=story.feed), history(tmp_path, story), (), lambda _: None)
    assert (found.labels.labels, found.labels.by_coverage) == (0, 0)
    assert found.labels.late == 9 * 60 * 6


def test_rates_name_every_family_that_is_bet_on_and_no_other(quiet):
    under = terms()
    told = report(under, "quiet", replay_history(under, quiet, (), lambda _: None), Demands())
    pages = {rate.family: rate for rate in told.rates if rate.tier == "page"}
    assert {"labels", "volume", "features", "quality", "output"} < set(pages)
    assert "paired" not in pages
    assert (pages["labels"].count, pages["labels"].per_month) == (0, 0.0)
    assert pages["labels"].high > 0
    assert told.labels.by_coverage == 5
