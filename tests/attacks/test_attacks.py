"""Each attack of the promise S8 begins no rollback, and would begin one if what stops it were gone.

An attack is a function that is let loose on a battle. `STOPPED_BY` names what to take away so that it wins: an attack
that nothing needed to stop would prove nothing.
"""

import numpy as np
import pyarrow as pa
import pytest
from battle import HOUR, PACK, Battle, change_rules, without
from msgspec.structs import replace
from world import MODEL, prediction

from monitor.decisions import case
from monitor.facts import BundleId, Mode, Rollback, RollbackStep
from monitor.ingest import accept
from monitor.ingest.accept import Known, Setting, accept_labels
from monitor.ingest.decode import LabelRow
from monitor.ingest.limits import Limits
from monitor.turns import fold
from monitor.turns.watched import Watched

EVIDENCE = ("better", "independent")  # gates that stand on two kinds of evidence, one of them paired


@pytest.fixture
def battle(tmp_path):
    made = Battle(tmp_path / "state")
    yield made
    made.turns.close()


def test_a_bundle_that_is_truly_worse_is_rolled_back(battle):
    """Or nothing below would say anything."""
    for at in range(3):
        battle.hour(at, wrong=0.65)
    assert [one.step for one in battle.rollbacks] == [RollbackStep.COMMITTED]
    assert len(battle.turns.switches) == 1


def test_an_honest_world_begins_nothing(battle):
    for at in range(3):
        battle.hour(at)
    assert battle.rollbacks == []
    assert battle.turns.watched.state.incident is None


# ---------------------------------------------------------------- labels


def a_hostile_source(battle):
    """Whoever may send labels says of every answer that it was wrong, before the truth comes."""
    for at in range(4):
        rows, truth = battle.rows(at)
        battle.send(rows, battle.labels(rows, [1 - row.output for row in rows], "crowd/7"), battle.labels(rows, truth))
        battle.look(at + 1)


def everybody_is_trusted(battle, monkeypatch):
    monkeypatch.setattr(Watched, "trusts", lambda self, source: True)
    without(monkeypatch, "plausible")


def a_trusted_source_that_lies(battle):
    """The one trusted source turns every label around: the known-good errs as often by it."""
    for at in range(4):
        rows, truth = battle.rows(at)
        battle.send(rows, battle.labels(rows, [1 - said for said in truth]))
        battle.look(at + 1)


def a_trusted_source_that_sees_the_answers(battle):
    """The one trusted source calls every answer wrong: where the known-good answered otherwise, it is right by that."""
    for at in range(4):
        rows, _ = battle.rows(at)
        battle.send(rows, battle.labels(rows, [1 - row.output for row in rows]))
        battle.look(at + 1)


def labels_are_believed_whatever_they_say(battle, monkeypatch):
    without(monkeypatch, "plausible")


def one_kind_of_evidence_is_enough(battle, monkeypatch):
    without(monkeypatch, *EVIDENCE, "plausible")


def a_burst_of_chosen_labels(battle):
    """A trusted source is made to label only what was wrong, all of it at once and again and again."""
    found = [battle.rows(at, 1_000) for at in range(4)]
    chosen = [[pair for pair in zip(*hour, strict=True) if pair[0].output != pair[1]] for hour in found]
    for at, ((rows, _), hour) in enumerate(zip(found, chosen, strict=True)):
        battle.send(rows, *[battle.labels(*zip(*hour, strict=True))] * 3)
        battle.look(at + 1)


def few_labels_speak_for_all(battle, monkeypatch):
    change_rules(battle, "paired_error", "error", detector={"coverage_min": 0.0})


# ---------------------------------------------------------------- what goes in


def a_shift_of_the_input_alone(battle):
    """Whoever sends the inputs sends others; the answers are as right as ever."""
    for at in range(4):
        battle.hour(at, x=0.97, c="b")


def drift_is_evidence(battle, monkeypatch):
    monkeypatch.setattr(case, "SUPPORTING", tuple({rule.family for rule in PACK.rules}))
    change_rules(battle, "drift", rollback=True)
    without(monkeypatch, *EVIDENCE)


def a_broken_schema(battle):
    """A column is gone from every row, and every model answers nonsense."""
    for at in range(4):
        battle.hour(at, wrong=0.5, good_wrong=0.5, x=None)


# ---------------------------------------------------------------- time


def jumps_of_the_clock(battle):
    """Soon after a switch somebody moves the clock: ahead, so that the cooldown is over, back, and ahead again."""
    done = Rollback("i0.r1", "i0", MODEL, BundleId("v0"), BundleId("v1"), Mode.AUTO, RollbackStep.COMMITTED, 0.0, 0.0)
    battle.remember(replace(battle.turns.watched.state, history=(done,)))
    for at in range(3):
        battle.hour(at, wrong=0.65)
    for hours in (12, 3, 48, 3, 1, 9):
        battle.look(hours)


def windows_without_rows_do_not_count(battle, monkeypatch):
    def told(signal, found):
        return tuple(slot for slot in signal.slots if slot.reading.value is not None)[-signal.of :]

    monkeypatch.setattr(case, "windows", told)
    whole = "monitor.decisions.judge.recent"
    monkeypatch.setattr(whole, lambda slots, rule: tuple(each for each in slots if each.reading.value is not None))


# ---------------------------------------------------------------- rows and ids


def replays(battle):
    """A hundred rows that the model got wrong are sent again every twenty minutes, with the time of the hour."""
    rows, truth = battle.rows(0, 100, wrong=1.0)
    for at in range(4):
        for part in range(3):
            again = [replace(row, time=HOUR * at + 1200 * part + i) for i, row in enumerate(rows)]
            battle.turns.clock.step(HOUR * at + 1200 * (part + 1))
            battle.send(again, battle.labels(again, truth))
            battle.turns.settle(HOUR * at + 1200 * (part + 1))
        battle.look(at + 1)


def ids_are_forgotten(battle, monkeypatch):
    known = fold.hash_ids

    def of_this_fold(ids, secret):
        number = battle.turns.store.position().fold
        return known(pa.array([f"{each} {number}" for each in ids.to_pylist()], ids.type), secret)

    monkeypatch.setattr(fold, "hash_ids", of_this_fold)


def forged_ids(battle):
    """Another sender claims rows that were sent, with the other answer, and labels of rows that never were."""
    for at in range(4):
        rows, truth = battle.rows(at)
        battle.send(rows)
        battle.turns.settle(HOUR * (at + 1) - 50)
        forged = [replace(row, output=1 - row.output, source="rogue") for row in rows]
        invented = [prediction(f"never {at} {i}", HOUR * at + i) for i in range(500)]
        lies = battle.labels(invented, [1] * 500)
        battle.send(forged, battle.labels(rows, truth), lies)
        battle.look(at + 1)


def the_last_row_of_an_id_wins(battle, monkeypatch):
    monkeypatch.setattr(fold, "_fresh", lambda found, before: np.arange(len(found.keys)))
    change_rules(battle, "paired_error", "error", detector={"coverage_min": 0.0})  # each row is two now


def claims_in_the_body(battle):
    """Labels by a token of the crowd say that they are the operator's, and rows that another bundle answered."""
    for at in range(4):
        rows, truth = battle.rows(at)
        claimed = [replace(row, claimed_bundle="v1") for row in rows]
        battle.send(claimed, battle.labels(rows, truth), accepted(battle, rows))
        battle.look(at + 1)


def accepted(battle, rows):
    """What intake makes of labels that lie about every answer, sent with a token of the source crowd/7."""
    schema = battle.turns.watched.schema
    said = [LabelRow(id=row.id, label=schema.classes[1 - row.output], source="ops", time=row.time) for row in rows]
    setting = Setting.of({MODEL: Known.of(schema)}, "crowd/7", rows[-1].time, Limits())
    return accept_labels(said, setting)[0][MODEL]


def the_body_says_who_sent_it(battle, monkeypatch):
    monkeypatch.setattr(accept, "source_of", lambda claim, bound, tally: claim)
    without(monkeypatch, "plausible")


# ---------------------------------------------------------------- one incident, one rollback


def duplicates_of_an_incident(battle):
    """Somebody stopped the rollback of this incident; its evidence is delivered again and again, over a restart."""
    battle.turns.wheel_of["execute"] = refused
    battle.turns.restart()
    for at in range(6):
        battle.turns.watched.killed = lambda at=at: at == 3  # for a while
        battle.hour(at, wrong=0.65)
    battle.turns.restart()
    for hours in (6, 6, 7, 7):
        battle.look(hours)


async def refused(watched, rollback, record):
    ended = replace(rollback, step=RollbackStep.REFUSED, reason="stopped by a person")
    await record(ended)
    return ended


STOPPED_BY = {
    a_hostile_source: everybody_is_trusted,
    a_trusted_source_that_lies: one_kind_of_evidence_is_enough,
    a_trusted_source_that_sees_the_answers: labels_are_believed_whatever_they_say,
    a_burst_of_chosen_labels: few_labels_speak_for_all,
    a_shift_of_the_input_alone: drift_is_evidence,
    a_broken_schema: one_kind_of_evidence_is_enough,
    jumps_of_the_clock: windows_without_rows_do_not_count,
    replays: ids_are_forgotten,
    forged_ids: the_last_row_of_an_id_wins,
    claims_in_the_body: the_body_says_who_sent_it,
}
ATTACKS = pytest.mark.parametrize("attack", STOPPED_BY, ids=lambda each: each.__name__)


@ATTACKS
def test_an_attack_begins_no_rollback(battle, attack):
    attack(battle)
    assert (battle.rollbacks, battle.turns.switches) == ([], [])


@ATTACKS
def test_it_would_win_if_what_stops_it_were_gone(battle, attack, monkeypatch):
    STOPPED_BY[attack](battle, monkeypatch)
    attack(battle)
    assert battle.rollbacks


def test_an_incident_that_is_delivered_again_has_its_one_rollback(battle):
    duplicates_of_an_incident(battle)
    assert [one.step for one in battle.rollbacks] == [RollbackStep.REFUSED]


def test_without_the_memory_of_it_each_delivery_would_begin_another(battle, monkeypatch):
    without(monkeypatch, "once")
    duplicates_of_an_incident(battle)
    assert len(battle.rollbacks) > 1
