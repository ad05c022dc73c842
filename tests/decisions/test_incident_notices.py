"""One incident, few notices, and words a person can use."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged import DAY, MODEL, PACK, make_epoch, make_incident, make_slots, make_state, make_terms
from msgspec.structs import replace

from monitor.decisions.incidents import (
    ALERTS_MAX,
    NOTICES_MAX,
    SUMMARY_MAX,
    TIMELINE_HEAD,
    TIMELINE_MAX,
    Line,
    describe,
    is_over,
    join,
    label,
    measured,
    note,
    notice,
    open_incident,
    stamp,
)
from monitor.decisions.state import close, settle
from monitor.facts import Alert, AlertState, NoticeStatus, Severity

LOUD = Line("something happened", loud=True)


def firing(rule: str, segment: str = "") -> Alert:
    return Alert(MODEL, rule, segment, AlertState.FIRING, fired=DAY, epoch=2, evidence=make_slots(rule, 2, "bob"))


def opened(*rules: str):
    return open_incident(make_epoch(2, "v2"), 1, [firing(rule) for rule in rules], PACK, 1365768000.0)


def loud(lines) -> list[str]:
    return [line.words.partition(":")[0] for line in lines if line.loud]


def test_an_incident_is_named_by_what_is_known():
    incident, _ = opened("error")
    assert incident.id == "delays-20130412T120000Z-1"


def test_the_cause_is_what_is_closest_to_the_root():
    incident, _ = opened("output_shift", "error", "paired_error", "drift")
    assert incident.cause == "paired_error"
    assert incident.alerts == ("paired_error", "drift", "error", "output_shift")


def test_opening_tells_the_cause_and_the_loudest():
    assert loud(opened("output_shift", "missing", "error")[1]) == ["missing", "error"]
    assert loud(opened("output_shift", "error", "paired_error")[1]) == ["paired_error"]


def test_forty_feature_drifts_join_a_broken_schema_in_silence():
    incident, _ = opened("broken_schema")
    drifts = [firing("drift", f"origin={number}") for number in range(40)]
    incident, lines = join(incident, drifts, [firing("broken_schema")], PACK)
    assert (len(lines), loud(lines), len(incident.alerts)) == (40, [], 41)


def test_a_louder_alert_is_told():
    incident, lines = join(opened("drift")[0], [firing("error")], [firing("drift")], PACK)
    assert loud(lines) == ["error"]
    assert incident.cause == "drift"


def test_a_root_that_is_found_later_is_told_and_names_the_incident():
    incident, lines = join(opened("error")[0], [firing("broken_schema")], [firing("error")], PACK)
    assert loud(lines) == ["broken_schema"]
    assert incident.cause == "broken_schema"


def test_as_loud_as_what_fires_already_is_silent():
    _, lines = join(opened("error")[0], [firing("paired_error")], [firing("error")], PACK)
    assert loud(lines) == []


def test_as_loud_as_what_is_over_is_told():
    _, lines = join(opened("error", "drift")[0], [firing("paired_error")], [firing("drift")], PACK)
    assert loud(lines) == ["paired_error"]


def test_of_two_that_fire_together_one_is_told():
    _, lines = join(opened("drift")[0], [firing("error"), firing("paired_error")], [firing("drift")], PACK)
    assert loud(lines) == ["paired_error"]


def test_a_root_that_is_further_than_the_cause_is_no_news():
    _, lines = join(opened("unregistered")[0], [firing("broken_schema")], [firing("unregistered")], PACK)
    assert loud(lines) == []


def test_built_in_pages_are_always_told():
    _, lines = join(opened("unregistered")[0], [firing("redelivered")], [firing("unregistered")], PACK)
    assert loud(lines) == ["redelivered"]


def test_the_same_alert_stands_once_in_an_incident():
    incident, _ = join(opened("error")[0], [firing("error")], [], PACK)
    assert incident.alerts == ("error",)


def test_over_means_that_nothing_fires_and_nothing_of_it_is_pending():
    incident = make_incident()
    pending = replace(firing("error"), state=AlertState.PENDING)
    assert is_over(incident, [replace(firing("error"), state=AlertState.RESOLVED)])
    assert is_over(incident, [replace(pending, rule="drift")])
    assert not is_over(incident, [pending])
    assert not is_over(incident, [firing("drift")])


def test_notices_of_an_incident_are_bounded_and_the_last_one_says_how_many_were_held_back():
    state, terms, sent = make_state(incident=make_incident(), alerts=(firing("error"),)), make_terms(), []
    for minute in range(NOTICES_MAX + 5):
        judged = settle(state, terms, (LOUD,), float(minute))
        state, sent = judged.state, sent + list(judged.notices)
    assert (len(sent), state.held_back) == (NOTICES_MAX, 5)
    last = close(state, terms, (LOUD,), 99.0)
    assert dict(last.notices[0].details)["held_back"].startswith("5 ")
    assert (last.state.held_back, last.state.incident) == (0, None)


def test_notices_are_numbered_within_the_incident():
    first, told = notice(make_incident(), [], [LOUD], ())
    second, again = notice(first, [], [LOUD], ())
    assert [told.id, again.id] == ["i1.1", "i1.2"]
    assert second.notices == 2


def test_a_notice_says_how_it_stands_and_bears_the_alerts_firing_first():
    calm = replace(firing("drift"), state=AlertState.RESOLVED)
    incident = make_incident(alerts=("drift", "error"))
    told = notice(incident, [calm, firing("error"), firing("missing")], [LOUD], ())[1]
    assert [alert.rule for alert in told.alerts] == ["error", "drift"]
    assert told.status is NoticeStatus.FIRING
    assert notice(replace(incident, closed=1.0), [], [LOUD], ())[1].status is NoticeStatus.RESOLVED


def test_a_notice_is_as_severe_as_its_loudest_line():
    lines = [Line("a", loud=True, severity=Severity.WARNING), Line("b", loud=False, severity=Severity.CRITICAL)]
    told = notice(make_incident(), [], lines, ())[1]
    assert (told.severity, told.summary) == (Severity.WARNING, "delays: a")


def test_a_notice_is_bounded():
    many = [firing("error", f"origin={number}") for number in range(200)]
    incident = make_incident(alerts=tuple(map(label, many)))
    told = notice(incident, many, [Line("x" * 5000, loud=True)], ())[1]
    assert (len(told.alerts), len(told.summary)) == (ALERTS_MAX, SUMMARY_MAX)


def test_a_full_time_line_keeps_its_beginning_and_its_end():
    incident = make_incident()
    for number in range(500):
        incident = note(incident, [Line(str(number))], float(number))
    assert len(incident.timeline) == TIMELINE_MAX
    assert [words for _, words in incident.timeline[:2]] == ["0", "1"]
    assert incident.timeline[TIMELINE_HEAD - 1 :][:2] == ((49.0, "49"), (350.0, "350"))
    assert incident.timeline[-1] == (499.0, "499")


def test_an_alert_is_described_with_its_numbers():
    assert describe(firing("error", "origin=EWR"), PACK) == (
        "error/origin=EWR: error (0.08 share [0.05, 0.1] limit 0.03 n 500, 2 of 3 windows)"
    )
    assert describe(Alert(MODEL, "redelivered", ""), PACK).startswith("redelivered: a model is served again")


def test_an_alert_that_has_accounted_for_itself_is_described_in_its_own_words():
    slot = make_slots("error", 1, "b")[0]
    accounted = replace(slot, reading=replace(slot.reading, why="share of age above 40 rose to 0.5"))
    assert (
        describe(replace(firing("error"), evidence=(accounted,)), PACK)
        == "error: error: share of age above 40 rose to 0.5"
    )


def test_a_reading_is_described_with_its_worst_columns():
    slot = replace(make_slots("drift", 2, "b")[0], worst=("temp", "wind", "hour", "carrier"))
    assert measured(slot).endswith("n 500 in temp, wind, hour")
    assert measured(make_slots("drift", 2, "u")[0]) == "n 500"


def test_a_turn_without_news_writes_nothing():
    state = make_state(incident=make_incident(), alerts=(firing("error"),))
    judged = settle(state, make_terms(), (), 5.0)
    assert (judged.state, judged.notices, judged.incidents) == (state, (), ())


def test_lines_without_an_incident_are_about_nothing():
    assert settle(make_state(), make_terms(), (LOUD,), 5.0).notices == ()


@pytest.mark.parametrize(
    ("now", "text"),
    [
        (0.0, "19700101T000000Z"),
        (951782399.9, "20000228T235959Z"),
        (951782400.0, "20000229T000000Z"),
        (1357016399.0, "20130101T045959Z"),
        (4107542399.0, "21000228T235959Z"),
        (4107542400.0, "21000301T000000Z"),
        (-1.0, "19691231T235959Z"),
    ],
)
def test_stamps_are_utc(now, text):
    assert stamp(now) == text


@given(st.integers(min_value=-62135596800, max_value=253402300799))
def test_stamps_agree_with_the_calendar_of_the_standard_library(now):
    from datetime import UTC, datetime, timedelta

    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=now)
    assert stamp(float(now)) == f"{expected.year:04d}{expected:%m%dT%H%M%SZ}"


def test_a_notice_survives_being_stored():
    told = notice(opened("error")[0], [firing("error")], [LOUD], (("cause", "error"),))[1]
    assert msgspec.json.decode(msgspec.json.encode(told), type=type(told)) == told
