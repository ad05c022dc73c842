"""Scenarios that anyone can write, as plain text in `scripts/`: each line says what happens and what must follow.

A line without an arrow changes nothing, which is checked as well.
"""

from pathlib import Path

import pytest
from judged import (
    DAY,
    HOUR,
    INDEX,
    MODEL,
    V1,
    WORDS,
    make_bundle,
    make_case,
    make_epoch,
    make_pack,
    make_rollback,
    make_signal,
    make_slot,
    make_terms,
    script_lines,
    scripts,
)
from msgspec.structs import replace

from monitor.decisions.alerts import put, step
from monitor.decisions.case import Case
from monitor.decisions.judge import Judgement, ModelState, judge
from monitor.decisions.outcomes import approved, declined, rollback_stepped, served_changed, start, unlatched
from monitor.decisions.policy import decide
from monitor.decisions.rollback import Observation, advance, begin
from monitor.decisions.state import Terms
from monitor.decisions.telling import Repeat
from monitor.facts import (
    Alert,
    BundleId,
    BundleStatus,
    Mode,
    NoticeStatus,
    RollbackStep,
    Slot,
)


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", scripts("alerts"), ids=named)
def test_alert_script(path):
    """`hold N M calm C` · `epoch N` · `DAY VERDICT [-> state]`, a day that was there before is a revision."""
    alert, slots, epoch, rule = Alert(MODEL, "paired_error", ""), (), 1, None
    for words in script_lines(path):
        if words[0] == "hold":
            pack = make_pack(hold={"breaches": int(words[1]), "of": int(words[2])}, calm=int(words[4]))
            rule = pack.rules[0]
        elif words[0] == "epoch":
            epoch, slots = int(words[1]), ()
        else:
            day, expected = float(words[0]), words[3] if len(words) > 2 else alert.state.value
            slots = put(slots, make_slot("paired_error", epoch, day, WORDS[words[1]]), rule)
            alert = step(alert, slots, rule, day * DAY)
            assert alert.state.value == expected, words
            assert step(alert, slots, rule, day * DAY) is alert, "a second look changes nothing"


@pytest.mark.parametrize("path", scripts("rollback"), ids=named)
def test_rollback_script(path):
    """`from STEP` · `crash` · `bake S` · a time · `OBSERVATION -> step [command]`, none: it is over, or bakes."""
    move, now, bake_s = begin(make_rollback()), 60.0, 0.0
    for words in script_lines(path):
        if words[0] == "from":
            move = begin(make_rollback(RollbackStep(words[1])))
        elif words[0] == "crash":
            move = begin(move.rollback)
        elif words[0] == "bake":
            bake_s = float(words[1])
        elif words[0].isdigit():
            now = float(words[0])
        else:
            move = advance(move.rollback, Observation(words[0]), now, bake_s)
            command = move.command.value if move.command else None
            assert [move.rollback.step.value, command] == [words[2], words[3] if len(words) > 3 else None], words


@pytest.mark.parametrize("path", scripts("policy"), ids=named)
def test_policy_script(path):
    """Each block starts from complete evidence, changes it, and ends in `-> ruling gates-that-did-not-hold ..`."""
    case, decided = make_case(), 0
    for words in script_lines(path):
        if words[0] == "->":
            decision = decide(case)
            refused = [gate.name for gate in decision.gates if not gate.held]
            assert [decision.ruling.value, *refused] == words[1:], decision
            case, decided = make_case(), decided + 1
        else:
            case = changed(case, words)
    assert decided, "a script decides something"


def changed(case: Case, words: list[str]) -> Case:
    """`signals NAME:VERDICTS[:rows][:point] ..` `past STEP HOURS_AGO SOURCE` `index NAME=STATUS ..` `FIELD VALUE`."""
    key, rest = words[0], words[1:]
    if key == "signals":
        return replace(case, signals=tuple(signal(word) for word in rest))
    if key == "past":
        then = case.now - float(rest[1]) * HOUR
        past = make_rollback(RollbackStep(rest[0]), then, bundle_id(rest[2]))
        return replace(case, history=(*case.history, past))
    if key == "index":
        pairs = [word.split("=") for word in rest]
        return replace(case, bundles=tuple(make_bundle(bundle_id(v), BundleStatus(s)) for v, s in pairs))
    values = {
        "mode": lambda: Mode(rest[0]),
        "epoch": lambda: make_epoch(int(rest[0]), bundle_id(rest[1])),
        "asked": lambda: None if rest[0] == "nobody" else bundle_id(rest[0]),
        "kill_switch": lambda: True,
    }
    return replace(case, **{key: values[key]() if key in values else " ".join(rest)})


def bundle_id(word: str) -> BundleId:
    return BundleId(f"sha256:bundle{word[1:]}" if word[1:].isdigit() else word)


def signal(word: str):
    name, verdicts, *more = word.split(":")
    n = next((int(each) for each in more if each.isdigit()), 500)
    return make_signal(name, verdicts, n=n, low=None if "point" in more else 0.05)


@pytest.mark.parametrize("path", scripts("story"), ids=named)
def test_story_script(path):
    """`DAY what happens [-> what follows ..]`: page, over, rollback:STEP; `with FIELD VALUE` sets the terms."""
    story = Story()
    for words in script_lines(path):
        cut = words.index("->") if "->" in words else len(words)
        result = story.happen(*words[:cut])
        notices = ["page" if n.status is NoticeStatus.FIRING else "over" for n in result.notices]
        follows = notices + [f"rollback:{rollback.step.value}" for rollback in result.rollbacks]
        assert follows == words[cut + 1 :], (words, result.notices)
        story.state = result.state


def replaced(terms: Terms, field: str, word: str) -> Terms:
    """The terms with a mode, or with a wait, an interval or a repeat of so many days."""
    if field == "mode":
        return make_terms(mode=Mode(word), telling=terms.telling)
    days = float(word) * DAY
    given = {"wait": {"wait_s": days}, "interval": {"interval_s": days}, "repeat": {"repeats": (Repeat("ops", days),)}}
    return make_terms(mode=terms.mode, telling=replace(terms.telling, **given[field]))


class Story:
    """One model, watched day by day."""

    def __init__(self) -> None:
        self.state, self.terms = ModelState(MODEL), make_terms()
        self.slots: dict[tuple[str, str], tuple[Slot, ...]] = {}

    def happen(self, when: str, what: str, *rest: str) -> Judgement:
        if when == "with":
            self.terms = replaced(self.terms, what, rest[0])
            return Judgement(self.state)
        now, rollback = float(when) * DAY, self.state.rollback
        if what == "serve":
            return served_changed(self.state, self.terms, make_epoch(int(rest[0]), bundle_id(rest[1]), now), now)
        if what == "look":
            self.put(float(when), rest)
            return judge(self.state, self.terms, self.slots, now)
        if what == "rolled":
            moved = replace(rollback, step=RollbackStep(rest[0]), stepped=now)
            return rollback_stepped(self.state, self.terms, moved, now)
        if what == "approve":
            return approved(self.state, self.terms, self.slots, rollback_id=rollback.id, actor=rest[0], now=now)
        if what == "decline":
            return declined(self.state, self.terms, rollback_id=rollback.id, actor=rest[0], now=now)
        if what == "start":
            return start(self.state, self.terms, reason="by hand", actor=rest[0], now=now)
        assert what == "unlatch", what
        return unlatched(self.state, self.terms, actor=rest[0], now=now)

    def put(self, day: float, readings: tuple[str, ...]) -> None:
        epoch = self.state.epoch.number
        for word in readings:
            name, verdict = word.split("=")
            new = make_slot(name, epoch, day, WORDS[verdict])
            self.slots[name, ""] = put(self.slots.get((name, ""), ()), new, self.terms.rules.get(name))


def test_the_scripts_start_from_a_case_that_acts():
    decision = decide(make_case())
    assert (decision.ruling.value, decision.target) == ("act", V1)
    assert INDEX[0].id == V1
