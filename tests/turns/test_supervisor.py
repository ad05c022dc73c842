"""Repeated work goes on after a failure, ends the daemon when the disk lies, and never tells what a row held."""

import asyncio

import pytest
from structlog.testing import capture_logs

from monitor.errors import Corrupt, Permanent, Problem, SettingsError, Transient
from monitor.turns.supervisor import Supervisor


def run(work):
    """What the supervisor said, whether the work ended well, what was fatal, and what was logged."""
    fatal = []
    supervisor = Supervisor(fatal.append)
    with capture_logs() as logs:
        ended = asyncio.run(supervisor.run("the turn", work))
    return ended, supervisor.failures, fatal, logs


def raising(error):
    async def work():
        raise error

    return work


def test_work_that_ends_well_is_silent():
    async def work():
        pass

    assert run(work) == (True, 0, [], [])


def test_what_may_work_later_is_postponed_and_is_no_failure():
    ended, failures, fatal, [event] = run(raising(Transient("the disk is full")))
    assert (ended, failures, fatal) == (False, 0, [])
    assert (event["event"], event["why"]) == ("work.postponed", "the disk is full")


@pytest.mark.parametrize("error", [Corrupt("state.db", 7, "restore it"), Permanent("an fsync failed")])
def test_a_disk_that_cannot_be_trusted_is_fatal(error):
    ended, failures, fatal, _ = run(raising(error))
    assert (ended, failures, fatal) == (False, 0, [error])


@pytest.mark.parametrize("error", [ValueError("canary"), KeyError("canary"), SettingsError([Problem("a", "canary")])])
def test_what_nobody_foresaw_is_counted_and_not_fatal(error):
    ended, failures, fatal, [event] = run(raising(error))
    assert (ended, failures, fatal) == (False, 1, [])
    assert (event["event"], event["kind"], event["what"]) == ("work.failed", type(error).__name__, "the turn")


def test_the_log_says_where_it_happened_and_not_what_the_error_says():
    *_, [event] = run(raising(ValueError("could not convert string to float: 'canary'")))
    assert "test_supervisor.py:" in event["where"]
    assert "canary" not in str(event)


def test_being_cancelled_is_no_failure():
    async def work():
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run(work)
