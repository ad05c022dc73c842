"""The dead-man's handle: without an operator mode auto proposes, whatever the wall clock says."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import acting, control_of, open_store

from monitor.decisions.contact import effective, over_a_reboot
from monitor.errors import Transient
from monitor.facts import Mode
from monitor.settings import RollbackLimits
from monitor.turns.contact import PROGRESS_EVERY_S, WRITE_EVERY_S, Contact, Contacts, boot_id
from monitor.turns.show import within_s

HOUR, DAY = 3600.0, 86_400.0
TIMES = st.floats(0, 1e10)


class Clocks:
    """A machine's clocks, which go apart."""

    def __init__(self, monotonic=1000.0, wall=1e9):
        self.mono, self.day = monotonic, wall

    def now(self):
        return self.day

    def wall(self):
        return self.day

    def monotonic(self):
        return self.mono

    def passes(self, seconds):
        self.mono += seconds
        self.day += seconds


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def store(tmp_path):
    found = open_store(tmp_path / "state")
    yield found
    found.close()


def life(store, clocks, boot="b1"):
    """A daemon that starts."""
    return Contacts(store, clocks, boot, DAY)


def keep(contacts):
    asyncio.run(contacts.keep())


# ---------------------------------------------------------------- the mode


def test_auto_proposes_after_the_time_and_not_before():
    assert effective(Mode.AUTO, DAY, DAY) == (Mode.AUTO, "")
    mode, why = effective(Mode.AUTO, DAY + 1, DAY)
    assert (mode, why) == (Mode.PROPOSE, "auto is propose because no operator was in touch for 24 h")


@given(st.sampled_from([mode for mode in Mode if mode is not Mode.AUTO]), TIMES, TIMES)
def test_other_modes_stay_what_they_are(mode, silent, within):
    assert effective(mode, silent, within) == (mode, "")


@given(TIMES)
def test_a_time_of_nothing_is_never(silent):
    assert effective(Mode.AUTO, silent, 0.0) == (Mode.AUTO, "")


@given(TIMES, st.floats(-1e12, 1e12), st.floats(60, 1e7))
def test_a_reboot_neither_revives_nor_ends_it_alone(silent, gap, within):
    after = over_a_reboot(silent, gap, within)
    assert silent <= after <= silent + within / 2


# ---------------------------------------------------------------- clocks and restarts


def test_silence_grows_and_ends_with_a_call(store, clocks):
    contacts = life(store, clocks)
    clocks.passes(5 * HOUR)
    assert contacts.silent_s() == 5 * HOUR
    contacts.note()
    assert (contacts.silent_s(), contacts.at) == (0.0, clocks.day)


@pytest.mark.parametrize("jump", [-30 * DAY, 3650 * DAY])
def test_a_wall_clock_that_jumps_changes_nothing(store, clocks, jump):
    contacts = life(store, clocks)
    clocks.passes(5 * HOUR)
    clocks.day += jump
    assert contacts.silent_s() == 5 * HOUR


@pytest.mark.parametrize("jump", [0.0, -30 * DAY, 3650 * DAY])
def test_neither_does_one_that_jumps_while_the_daemon_is_down(store, clocks, jump):
    keep(life(store, clocks))
    clocks.passes(5 * HOUR)
    clocks.day += jump
    assert life(store, clocks).silent_s() == 5 * HOUR


@pytest.mark.parametrize(("jump", "counted"), [(0.0, 5 * HOUR), (-30 * DAY, 0.0), (3650 * DAY, DAY / 2)])
def test_over_a_reboot_the_wall_clock_counts_within_bounds(store, clocks, jump, counted):
    keep(life(store, clocks))
    clocks.passes(5 * HOUR)
    clocks.day += jump
    clocks.mono = 7.0
    assert life(store, clocks, "b2").silent_s() == counted


def test_a_machine_without_a_boot_id_counts_as_rebooted(store, clocks):
    keep(life(store, clocks, ""))
    clocks.passes(20 * HOUR)
    assert life(store, clocks, "").silent_s() == DAY / 2


def test_it_is_written_when_there_was_a_call_and_else_once_an_hour(store, clocks):
    contacts, written = life(store, clocks), []
    commit, store.commit = store.commit, lambda change: (written.append(clocks.mono), commit(change))
    for _ in range(int(2 * PROGRESS_EVERY_S / WRITE_EVERY_S) + 1):
        keep(contacts)
        clocks.passes(WRITE_EVERY_S)
    assert [at - 1000.0 for at in written] == [0.0, PROGRESS_EVERY_S, 2 * PROGRESS_EVERY_S]
    contacts.note()
    contacts.note()
    keep(contacts)
    assert len(written) == 4
    assert store.facts(Contact)["operator"].silent_s == 0.0


def test_what_could_not_be_written_is_tried_again(store, clocks):
    contacts, commit = life(store, clocks), store.commit

    def full(change):
        raise Transient("the disk is full")

    store.commit = full
    with pytest.raises(Transient):
        keep(contacts)
    store.commit = commit
    keep(contacts)
    assert store.facts(Contact)


def test_where_nobody_says_which_boot_it_is_none_is_known(tmp_path):
    assert boot_id(tmp_path / "nothing") == ""
    (tmp_path / "id").write_text("abc\n")
    assert boot_id(tmp_path / "id") == "abc"


# ---------------------------------------------------------------- what follows


def alone(tmp_path, silent_s=DAY + 1):
    turns = acting(tmp_path)
    turns.watched.silent_s = lambda: silent_s
    turns.settle(0.0)
    turns.settle(60.0)
    return turns


def test_without_an_operator_the_evidence_is_proposed_and_the_gate_says_why(tmp_path):
    turns = alone(tmp_path)
    assert (turns.watched.rollbacks, turns.switches) == ({}, [])
    [mode] = [gate.why for gate in turns.watched.state.decision.gates if gate.name == "mode"]
    assert mode.startswith("propose: ")
    assert "no operator was in touch for 24 h" in mode
    assert any(b"tocsin rollback start" in notice.body for notice in turns.outbox.every())
    turns.close()


def test_with_one_it_is_acted_on(tmp_path):
    turns = alone(tmp_path, DAY - 1)
    assert len(turns.switches) == 1
    turns.close()


def test_the_open_incident_is_told_of_both_turns(tmp_path):
    turns = alone(tmp_path)
    control = control_of(turns)
    turns.do(control.noticed())
    turns.watched.silent_s = lambda: 0.0
    turns.do(control.noticed())
    told = [words for _, words in turns.watched.state.incident.timeline]
    assert "auto is propose because no operator was in touch for 24 h" in told
    assert "mode auto again: an operator is in touch, and the clock is believed" in told
    assert control.status()["models"][turns.watched.name]["degraded"] == ""
    turns.close()


@pytest.mark.parametrize(("mode", "within", "shown"), [("auto", DAY, DAY), ("auto", 0.0, None), ("propose", DAY, None)])
def test_only_automation_that_may_end_has_a_time_on_the_metrics_page(tmp_path, mode, within, shown):
    turns = acting(tmp_path)
    limits = RollbackLimits.model_construct(mode=Mode(mode), contact_within=within)
    turns.watched.settings = turns.watched.settings.model_copy(update={"rollback": limits})
    assert within_s(turns.watched) == shown
    turns.close()
