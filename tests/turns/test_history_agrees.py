"""A backtest of a history says what the daemon's own turns say of the same rows and labels, looked at as often.

The daemon's steps and the replay's are followed by the same bookkeeping (`monitor.backtest.told`), so whatever is told
of one must be told of the other: which group crossed which budget, when, how loudly, how often, and when it was calm.
"""

from math import inf

import pytest
from storyworld import Story, history, layouts
from world import MODEL, Turns

from monitor.backtest.betting import Betting
from monitor.backtest.replay import replay_history
from monitor.backtest.stored import replay_state
from monitor.backtest.terms import Terms
from monitor.backtest.told import Crossings, Ledgered
from monitor.decisions.budget import Watch, rule_name
from monitor.detectors.sequential import Ledger, Tier
from monitor.settings import LabelFeed
from monitor.store.protocol import Change
from monitor.turns.minutes import Pace
from monitor.turns.watched import Timeline

CALM_MIN, GRACE_S = 60.0, 60.0


def live(directory, story, every_s, grace_s=GRACE_S):
    """What the daemon's look said, each step of event time; the turns go on."""
    watch, pace = Watch(Ledger(hold=CALM_MIN), every_s), Pace(grace_s, away_s=inf)
    turns = Turns(directory / "state", watch=watch, layouts=layouts(story.volume), grace_s=grace_s, pace=pace)
    turns.watched.settings = turns.watched.settings.model_copy(update={"labels": story.feed})
    turns.serve((0.0, "v1"))
    arrivals = [(row.time, row) for row, _ in story.rows()]
    arrivals += [(said.time, said) for _, said in story.rows() if said is not None]
    by_step = {}
    for time, what in arrivals:
        by_step.setdefault((time // every_s, type(what)), []).append(what)
    steps = []
    last = max(row.time for row, _ in story.rows()) // every_s
    for step in range(int(last) + 1):
        turns.count(*(found for (at, _), found in by_step.items() if at == step))
        now = every_s * (step + 1)
        steps.append((now, turns.looked(now).ticked))
    return turns, steps


def told(found, lasting=True):
    """What is told of alerts, but for words."""
    seen = [
        (one.rule, one.group, one.start, one.end, one.crossings if lasting else 0, round(one.odds, 6))
        for one in found.told
        if one.odds is not None
    ]
    return sorted(seen, key=str)


def followed(terms, steps):
    """The bookkeeping of the daemon's steps."""
    crossings = Crossings(Betting(terms.lookout(), 1.0, 0.0), terms.pack, Ledgered())
    for now, ticked in steps:
        crossings.hear(now, ticked.step)
    return crossings


def both(directory, story, every_s):
    """What was told live, what a replay of the rows tells, and the terms of both."""
    turns, steps = live(directory, story, every_s)
    terms = Terms(turns.v1, turns.pack, GRACE_S, feed=story.feed)
    mine = followed(terms, steps)
    again = replay_history(terms, history(directory, story), (), lambda _: None)
    mine.close(again.end)
    turns.close()
    return mine.ledgered, again


def held(terms, steps):
    """From when to when the daemon itself held each group of which a rule tells, by its rule; None: to the end."""
    betting, began, found = Betting(terms.lookout(), 1.0, 0.0), {}, []
    for now, ticked in steps:
        said = ticked.step
        latched = {(tier, group) for tier, groups in zip(Tier, said.latched, strict=True) for group in groups}
        anew = {(one.tier, one.group) for one in said.crossings if one.pages}
        found += [(key, began.pop(key), now) for key in list(began) if key not in latched or key in anew]
        began |= {key: now for key in latched if key not in began}
    named = [(rule_name(betting.family(group), tier), group, *span) for (tier, group), *span in found]
    named += [(rule_name(betting.family(group), tier), group, since, None) for (tier, group), since in began.items()]
    return sorted((one for one in named if terms.pack.get(one[0]) is not None), key=str)


WRONG = Story(wrong_from=2.0)
SILENT = Story(silence=(2.0, 3.5))
STUCK = Story(hours=4.0, stuck_from=1.5)
LATE = Story(hours=7.0, wrong_from=2.0, lag_s=1500.0)
TWICE = Story(moved=((1.0, 1.5), (4.0, 5.0)), silence=(7 / 3, 4.0), unlabelled_from=0.0, volume=None)
NEVER_ENOUGH = Story(
    hours=6.0, wrong_from=1.0, feed=LabelFeed(trusted_sources=("ops",), close_coverage=0.95, deadline="2h")
)


@pytest.mark.parametrize(
    ("story", "group"),
    [
        pytest.param(WRONG, ("labels_page", "labels/error"), id="errors"),
        pytest.param(SILENT, ("volume_page", "volume"), id="silence"),
        pytest.param(STUCK, ("quality_page", "quality/x"), id="a number that stands still"),
        pytest.param(LATE, ("labels_page", "labels/error"), id="labels that come late"),
        pytest.param(NEVER_ENOUGH, ("labels_page", "labels/error"), id="windows that end at their deadline"),
    ],
)
@pytest.mark.parametrize("every_s", [300.0, 3600.0])
def test_a_history_and_the_turns_it_was_fed_to_say_the_same(tmp_path, story, group, every_s):
    mine, again = both(tmp_path, story, every_s)
    assert told(again.ledgered) == told(mine)
    assert every_s > 300.0 or group in {(rule, which) for rule, which, *_ in told(mine)}


@pytest.mark.parametrize(
    ("story", "rule", "ends"),
    [
        pytest.param(Story(hours=7.0, wrong_from=2.0, right_from=3.0), "labels_page", True, id="errors that go back"),
        pytest.param(Story(hours=7.0, wrong_from=2.0, unlabelled_from=3.0), "labels_page", False, id="no labels"),
        pytest.param(Story(hours=8.0, silence=(2.0, 3.5)), "volume_warn", True, id="rows that come again"),
        pytest.param(TWICE, "features_page", True, id="a shift, silence that nobody watches, the same shift"),
    ],
)
def test_an_alert_lasts_as_long_as_the_daemon_holds_its_group(tmp_path, story, rule, ends):
    turns, steps = live(tmp_path, story, 300.0)
    terms = Terms(turns.v1, turns.pack, GRACE_S, feed=story.feed)
    again = replay_history(terms, history(tmp_path, story), (), lambda _: None)
    turns.close()
    spells = [(one.rule, one.group, one.start, one.end) for one in again.ledgered.told if one.odds is not None]
    assert sorted(spells, key=str) == held(terms, steps)
    assert any(end is not None for told_by, _, _, end in spells if told_by == rule) is ends


def test_panes_with_labels_say_what_the_turns_said_that_stored_them(tmp_path):
    story = Story(hours=6.0, wrong_from=2.0, silence=(4.0, 5.0))
    turns, steps = live(tmp_path, story, 300.0)
    terms = Terms(turns.v1, turns.pack, GRACE_S, feed=story.feed)
    turns.store.commit(Change(puts=[(MODEL, Timeline(turns.watched.epochs))]))
    again = replay_state(terms, turns.directory, lambda _: None)
    mine = followed(terms, steps)
    mine.close(again.end)
    turns.close()
    assert told(again.ledgered) == told(mine.ledgered)
    assert {one.rule for one in again.ledgered.told} >= {"labels_page", "volume_page"}
    assert again.labels.by_coverage == steps[-1][1].armed.closing.by_coverage > 0
