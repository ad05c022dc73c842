"""What holds for any stream: hypothesis looks for one that breaks it."""

from hypothesis import given
from hypothesis import strategies as st
from judged import DAY, INDEX, MODEL, PACK, V1, V2, V3, make_case, make_epoch, make_signal, make_slot, make_terms
from msgspec.structs import replace

from monitor.decisions.alerts import put, step
from monitor.decisions.judge import Judgement, ModelState, judge
from monitor.decisions.outcomes import rollback_stepped, served_changed
from monitor.decisions.policy import decide
from monitor.facts import TRANSITION, UNREGISTERED, Alert, AlertState, Family, Mode, RollbackStep, Ruling, Verdict

RULE = PACK.get("paired_error")
SILENT = (Verdict.UNKNOWN, Verdict.BROKEN)
NAMES = [rule.name for rule in PACK.rules]
verdicts = st.sampled_from(Verdict)
windows = st.lists(verdicts, max_size=12)
states = st.sampled_from(AlertState)
signals = st.builds(
    make_signal,
    st.sampled_from(["paired_error", "error", "output_shift", "features", "volume", "quality"]),
    st.text("boux", min_size=0, max_size=3),
    epoch=st.sampled_from([1, 2]),
    n=st.sampled_from([10, 500]),
    low=st.sampled_from([None, 0.05, 0.02]),
)
bad = dict.fromkeys(["paired_error", "error"], Verdict.BREACH)  # shown often, or no rollback would ever be seen
looks = st.one_of(
    st.just(bad), st.just(dict.fromkeys(NAMES, Verdict.OK)), st.dictionaries(st.sampled_from(NAMES), verdicts)
)
turns = st.lists(
    st.one_of(
        st.tuples(st.just("serve"), st.sampled_from([V2, V2, V1, V3, TRANSITION, UNREGISTERED])),
        st.tuples(st.just("look"), looks),
        st.tuples(st.just("look"), looks),
        st.tuples(st.just("rolled"), st.sampled_from(RollbackStep)),
    ),
    max_size=25,
).map(lambda stream: [("serve", V2), *stream])


def run(stream, mode: Mode = Mode.AUTO, looks: int = 1) -> list[Judgement]:
    """Let a stream of turns happen, half a day apart; every look is repeated `looks` times."""
    state, terms, slots, epoch, results = ModelState(MODEL), make_terms(mode=mode), {}, 0, []
    for turn, (what, detail) in enumerate(stream, start=1):
        now = turn * DAY / 2
        if what == "serve":
            epoch += 1
            results.append(served_changed(state, terms, make_epoch(epoch, detail, now), now))
        elif what == "rolled" and state.rollback is not None:
            moved = replace(state.rollback, step=detail, stepped=now)
            results.append(rollback_stepped(state, terms, moved, now))
        elif what == "look":
            for name, verdict in detail.items():
                key = (name, "")
                slots[key] = put(slots.get(key, ()), make_slot(name, epoch, turn, verdict), PACK.get(name))
            for _ in range(looks):
                results.append(judge(state, terms, slots, now))
                state = results[-1].state
        state = results[-1].state if results else state
    return results


@given(states, st.lists(st.sampled_from(SILENT), max_size=12), st.integers(1, 3))
def test_what_is_unknown_neither_fires_nor_resolves(state, stream, epoch):
    alert, slots = Alert(MODEL, RULE.name, "", state, epoch=2), ()
    for day, verdict in enumerate(stream, start=1):
        slots = put(slots, make_slot(RULE.name, epoch, day, verdict), RULE)
        after = step(alert, slots, RULE, day * DAY)
        assert after.state is state or (state, after.state) == (AlertState.PENDING, AlertState.INACTIVE)
        alert = after


@given(windows, states)
def test_a_step_is_idempotent(stream, state):
    slots = tuple(make_slot(RULE.name, 2, day, verdict) for day, verdict in enumerate(stream, start=1))
    once = step(Alert(MODEL, RULE.name, "", state, epoch=2), slots, RULE, DAY)
    assert step(once, slots, RULE, 2 * DAY) is once


@given(windows)
def test_firing_needs_n_breaches_in_m_windows(stream):
    slots = tuple(make_slot(RULE.name, 2, day, verdict) for day, verdict in enumerate(stream, start=1))
    fires = step(Alert(MODEL, RULE.name, ""), slots, RULE, DAY).state is AlertState.FIRING
    assert fires == (stream[-RULE.of :].count(Verdict.BREACH) >= RULE.breaches)


@given(st.lists(st.tuples(st.integers(1, 9), verdicts), max_size=20))
def test_slots_are_the_same_in_any_order_of_arrival(stream):
    last = dict(stream)
    forward, backward = (), ()
    for day, verdict in last.items():
        forward = put(forward, make_slot(RULE.name, 2, day, verdict), RULE)
    for day, verdict in reversed(last.items()):
        backward = put(backward, make_slot(RULE.name, 2, day, verdict), RULE)
    assert forward == backward


@given(st.lists(signals, max_size=5), st.booleans())
def test_acting_takes_two_families_and_the_paired_one_on_a_bound_and_enough_rows(given_signals, known):
    case = replace(make_case(), signals=tuple(given_signals), asked=V1 if known else None)
    if decide(case).ruling is not Ruling.ACT:
        return
    strong = [
        each
        for each in given_signals
        if each.family not in (Family.FEATURES, Family.VOLUME)
        and sum(s.reading.verdict is Verdict.BREACH and s.epoch == 2 for s in each.slots) >= each.breaches
        and sum(s.reading.n for s in each.slots if s.reading.verdict is Verdict.BREACH) >= case.limits.rows_min
    ]
    assert known
    assert Family.PAIRED in {each.family for each in strong}
    assert len({each.family for each in strong}) > 1


@given(st.lists(signals, min_size=1, max_size=4))
def test_drift_alone_never_acts(given_signals):
    drift = tuple(replace(each, family=Family.FEATURES) for each in given_signals)
    assert decide(replace(make_case(), signals=drift)).ruling is not Ruling.ACT


@given(st.lists(signals, min_size=1, max_size=4))
def test_one_family_never_acts(given_signals):
    one = tuple(replace(each, family=Family.PAIRED, better=True) for each in given_signals)
    assert decide(replace(make_case(), signals=one)).ruling is not Ruling.ACT


@given(st.lists(st.sampled_from(["b", "u", "x"]), min_size=3, max_size=3))
def test_what_is_unknown_never_acts(letters):
    word = "".join(letters)
    unknown = tuple(make_signal(name, word.replace("b", "u")) for name in ("paired_error", "error"))
    assert decide(replace(make_case(), signals=unknown)).ruling is Ruling.INCONCLUSIVE


@given(turns)
def test_the_same_stream_gives_the_same_decisions(stream):
    assert run(stream) == run(stream)


@given(turns)
def test_the_number_of_looks_changes_nothing(stream):
    def told(looks: int) -> list[object]:
        return [each for result in run(stream, looks=looks) for each in (*result.notices, *result.rollbacks)]

    assert told(1) == told(3)


@given(turns)
def test_what_fires_is_in_an_open_incident(stream):
    for result in run(stream):
        firing = [alert for alert in result.state.alerts if alert.state is AlertState.FIRING]
        assert not firing or result.state.incident is not None


@given(turns)
def test_an_incident_has_at_most_one_rollback_that_may_have_switched(stream):
    seen: dict[str, set[str]] = {}
    for result in run(stream):
        for rollback in result.rollbacks:
            seen.setdefault(rollback.incident, set()).add(rollback.id)
    assert all(len(ids) == 1 for ids in seen.values())


@given(turns)
def test_ids_of_notices_are_unique(stream):
    ids = [notice.id for result in run(stream) for notice in result.notices]
    assert len(set(ids)) == len(ids)


@given(turns, st.sampled_from([Mode.OBSERVE, Mode.PROPOSE]))
def test_modes_that_may_not_act_start_no_rollback(stream, mode):
    assert not any(result.rollbacks for result in run(stream, mode))


@given(turns)
def test_a_rollback_never_starts_from_a_bundle_that_was_rolled_back_from(stream):
    left = set()
    for result in run(stream):
        for rollback in result.rollbacks:
            assert rollback.step is not RollbackStep.PLANNED or rollback.source not in left
            if rollback.step is RollbackStep.COMMITTED:
                left.add(rollback.source)
    assert INDEX


def test_the_streams_above_are_not_empty_of_rollbacks():
    stream = [("serve", V2), ("look", bad), ("look", bad), ("rolled", RollbackStep.COMMITTED), ("serve", V2)]
    results = run([*stream, ("look", bad), ("look", bad)])
    assert [each.step.value for result in results for each in result.rollbacks] == ["planned", "committed"]
