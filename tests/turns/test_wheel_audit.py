"""Decisions are written down before they are true; a switch waits for its line, a page does not."""

import json

import pytest
from world import acting, only

from monitor.audit.records import Kind
from monitor.decisions.outcomes import approved
from monitor.decisions.rollback import COMMAND, FORWARD, Command
from monitor.errors import Transient
from monitor.facts import Mode, RollbackStep
from monitor.turns.auditing import Deed


class Book:
    """Keeps what it is told; fails for deeds of the kinds in `refuses`, but only where they must be written."""

    def __init__(self, *refuses):
        self.deeds, self.refuses = [], refuses

    async def record(self, deeds, *, must=False):
        if must and any(deed.kind in self.refuses for deed in deeds):
            raise Transient("the disk is full")
        self.deeds += deeds

    def anchor(self):
        return f"{len(self.deeds)}:{'ab' * 32}"

    @property
    def kinds(self):
        return [deed.kind.value for deed in self.deeds]


def made(tmp_path, mode, *refuses):
    book = Book(*refuses)
    return acting(tmp_path, mode, audit=book), book


def approval(turns, actor, deed):
    watched, ident = turns.watched, only(turns).id

    def decision(terms):
        return approved(watched.state, terms, watched.slots, rollback_id=ident, actor=actor, now=turns.clock.now())

    return turns.wheel.decide(watched, decision, deed)


def told(turns):
    return [json.loads(delivery.body) for delivery in turns.outbox.every()]


def test_a_rollback_is_written_down_step_by_step(tmp_path):
    turns, book = made(tmp_path, Mode.AUTO)
    turns.settle(0.0)
    turns.settle(60.0)
    steps = [step.value for step in FORWARD]
    assert [kind for kind in dict.fromkeys(book.kinds) if kind.startswith("rollback.")] == [
        f"rollback.{s}" for s in steps
    ]
    assert book.kinds.index("decision.acted") < book.kinds.index("rollback.planned")
    assert "incident.opened" in book.kinds
    turns.close()


def test_without_its_line_there_is_no_switch_and_the_page_goes_out(tmp_path):
    turns, book = made(tmp_path, Mode.AUTO, Kind.ROLLBACK_PROBED)
    turns.settle(0.0)
    turns.settle(60.0)
    assert only(turns).step is RollbackStep.VERIFIED
    assert turns.switches == []
    assert told(turns), "people hear of the incident all the same"
    book.refuses = ()
    turns.settle(120.0)
    assert (only(turns).step, turns.switches) == (RollbackStep.COMMITTED, [only(turns).id])
    turns.close()


def test_once_the_switch_is_under_way_its_further_lines_hold_nothing_up(tmp_path):
    later = (Kind.ROLLBACK_SWITCHED, Kind.ROLLBACK_RELOADED, Kind.ROLLBACK_COMMITTED)
    turns, _ = made(tmp_path, Mode.AUTO, *later)
    turns.settle(0.0)
    turns.settle(60.0)
    assert only(turns).step is RollbackStep.COMMITTED
    turns.close()


def test_the_step_that_must_be_written_is_the_one_before_the_switch():
    assert [step for step, command in COMMAND.items() if command is Command.SWITCH] == [RollbackStep.PROBED]


def test_what_a_person_does_is_not_done_without_its_line(tmp_path):
    turns, book = made(tmp_path, Mode.APPROVE, Kind.PERSON_APPROVED)
    turns.settle(0.0)
    turns.settle(60.0)
    before = turns.watched.state
    deed = Deed(Kind.PERSON_APPROVED, "ann", {})
    with pytest.raises(Transient):
        turns.do(approval(turns, "ann", deed))
    assert turns.watched.state == before
    book.refuses = ()
    turns.do(approval(turns, "ann", deed))
    assert only(turns).approved_by == "ann"
    at = book.kinds.index("person.approved")
    assert book.kinds[at + 1] in ("decision.acted", "rollback.planned")
    turns.close()


def test_every_notice_carries_the_head_that_covers_its_incident(tmp_path):
    turns, book = made(tmp_path, Mode.PROPOSE)
    turns.settle(0.0)
    turns.settle(60.0)
    [body, *_] = told(turns)
    said = body["alerts"][0]["annotations"]
    sequence = int(said["audit"].partition(":")[0])
    assert "incident.opened" in book.kinds[:sequence]
    assert "ab" * 32 not in said["description"]
    turns.close()


def test_a_look_that_brings_nothing_new_writes_nothing(tmp_path):
    turns, book = made(tmp_path, Mode.OBSERVE)
    turns.settle(0.0)
    turns.settle(60.0)
    before = len(book.deeds)
    turns.settle(60.0)
    assert len(book.deeds) == before
    turns.close()
