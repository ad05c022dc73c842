"""The writer's thread: who goes together, who is refused, what is seen from outside."""

import asyncio
import threading

import apsw
import msgspec
import pytest
from storeworld import MODEL, body, claim, key, open_store, rows_of, send, settle, submission

from monitor.clock import ManualClock
from monitor.errors import Corrupt, Permanent, Rejected, Transient
from monitor.facts import Encoded
from monitor.store import Change
from monitor.store.faults import Failed, Fault, attempt, diagnose
from monitor.store.parts import Limits
from monitor.store.writer import Pace, Work, Writer

DAY = 86_400


class Recorded:
    """A writer whose groups are only remembered; `gate` holds it up, `answer` is what each submission gets."""

    def __init__(self, pace=None, answer=None, lag_rows=0):
        self.groups, self.fatal, self.answer, self.lag_rows = [], [], answer, lag_rows
        self.gate, self.busy = threading.Event(), threading.Event()
        self.gate.set()
        work = Work(self.write, lambda idle: None, self.diagnose, self.fatal.append, lambda: self.lag_rows)
        self.writer = Writer(work, ManualClock(), pace or Pace())

    def write(self, group):
        self.busy.set()
        self.gate.wait(60)
        self.groups.append([submission.rows[0].id for submission in group])
        if isinstance(self.answer, Exception):
            raise self.answer
        return [self.answer] * len(group)

    def diagnose(self, error):
        return Fault(error, fatal=isinstance(error, KeyError))

    async def held(self, *submissions):
        """Append the first, wait until it is being written, append the others, then let go."""
        self.gate.clear()
        replies = [self.writer.append(submissions[0])]
        await asyncio.to_thread(self.busy.wait, 60)
        replies += [self.writer.append(each) for each in submissions[1:]]
        self.gate.set()
        return await asyncio.gather(*replies, return_exceptions=True)


@pytest.fixture
def recorded():
    made = []

    def make(pace=None, answer=None, lag_rows=0):
        made.append(Recorded(pace, answer, lag_rows))
        return made[-1]

    yield make
    for one in made:
        one.writer.stop()


def test_what_queues_behind_a_commit_is_the_next_group(recorded):
    one = recorded(Pace(gather_s=0.0))
    asyncio.run(one.held(submission("a"), submission("b"), submission("c")))
    assert one.groups == [["a"], ["b", "c"]]


def test_submissions_of_one_moment_are_one_group(recorded):
    one = recorded(Pace(gather_s=0.2))
    assert send(one.writer, *(submission(str(n)) for n in range(64))) == [None] * 64
    assert [len(group) for group in one.groups] == [64]


def test_a_group_is_full_at_its_bytes_and_holds_one_at_least(recorded):
    one = recorded(Pace(gather_s=0.0, group_bytes_max=250))
    sizes = {"a": 1, "b": 999, "c": 100, "d": 100, "e": 100}
    asyncio.run(one.held(*(submission(name, size=size) for name, size in sizes.items())))
    assert one.groups == [["a"], ["b"], ["c", "d"], ["e"]]


def test_records_that_are_ready_have_a_bound_of_their_own(recorded):
    one = recorded(Pace(gather_s=0.0, group_bytes_max=250, ready_bytes_max=1_000))
    ready = [msgspec.structs.replace(submission(name), encoded=Encoded(b"", 1, 0.0), size_bytes=400) for name in "abcd"]
    asyncio.run(one.held(submission("first"), *ready, submission("e", size=200), submission("f", size=200)))
    assert one.groups == [["first"], ["a", "b"], ["c", "d", "e"], ["f"]]


def test_a_group_waits_while_rows_pile_up_and_a_job_ends_it(recorded):
    one = recorded(Pace(gather_s=0.0, lag_rows_max=10, brake_s=60.0), lag_rows=11)

    async def braked():
        reply = one.writer.append(submission("a"))
        await asyncio.to_thread(one.writer.run, lambda: None)
        return await reply

    assert asyncio.run(braked()) is None
    assert one.groups == [["a"]]


def test_where_no_job_comes_a_group_waits_for_a_while_only(recorded):
    one = recorded(Pace(gather_s=0.0, lag_rows_max=10, brake_s=0.001), lag_rows=1_000_000)
    assert send(one.writer, submission("a"), submission("b")) == [None, None]
    assert one.writer.tally.braked > 0


def test_nobody_waits_while_the_fold_keeps_up(recorded):
    one = recorded(Pace(gather_s=0.0, lag_rows_max=10, brake_s=60.0), lag_rows=10)
    assert send(one.writer, submission("a")) == [None]
    assert one.writer.tally.braked == 0


def test_a_full_group_waits_for_nobody(recorded):
    one = recorded(Pace(gather_s=60.0, group_bytes_max=100))
    assert send(one.writer, submission("a", size=100)) == [None]


def test_a_full_queue_refuses_and_takes_in_again(recorded):
    one = recorded(Pace(gather_s=0.0, queue_bytes_max=150))
    answers = asyncio.run(one.held(*(submission(name) for name in "abcd")))
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [Transient]
    assert answers[3].retry_after_s > 0
    assert send(one.writer, submission("e")) == [None]
    assert one.writer.queue_bytes == one.writer.queue_submissions == 0


def test_a_client_that_has_gone_takes_nobody_with_it(recorded):
    async def leave(writer):
        gone, stays = writer.append(submission("a")), writer.append(submission("b"))
        gone.cancel()
        return await stays

    one = recorded(answer=b"answer")
    assert asyncio.run(leave(one.writer)) == b"answer"


def test_a_closed_loop_takes_nobody_with_it(recorded):
    one = recorded(Pace(gather_s=0.0))
    one.gate.clear()

    async def leave():
        one.writer.append(submission("a"))

    asyncio.run(leave())
    one.gate.set()
    assert send(one.writer, submission("b")) == [None]


def test_stopping_commits_what_is_queued(recorded):
    one = recorded(Pace(gather_s=60.0))

    async def stop():
        reply = one.writer.append(submission("a"))
        await asyncio.to_thread(one.writer.stop)
        return await reply

    assert asyncio.run(stop()) is None
    assert one.groups == [["a"]]


def test_an_error_goes_to_those_who_wait_and_the_thread_goes_on(recorded):
    one = recorded(answer=ValueError("no"))
    assert [type(answer) for answer in send(one.writer, submission("a"))] == [ValueError]
    one.answer = None
    assert send(one.writer, submission("b")) == [None]


def test_a_job_goes_before_queued_submissions_and_returns_its_result_or_error(recorded):
    one = recorded(Pace(gather_s=60.0))

    async def both():
        reply = one.writer.append(submission("a"))
        groups = await asyncio.to_thread(one.writer.run, lambda: len(one.groups))
        await reply
        return groups

    assert asyncio.run(both()) == 0
    with pytest.raises(ZeroDivisionError):
        one.writer.run(lambda: 1 / 0)


def test_a_fatal_error_refuses_everything_queued_and_everything_to_come(recorded):
    one = recorded(Pace(gather_s=0.0), answer=KeyError("disk"))
    answers = asyncio.run(one.held(submission("a"), submission("b")))
    assert [type(answer) for answer in answers] == [KeyError, Permanent]
    assert [type(answer) for answer in send(one.writer, submission("c"))] == [Permanent]
    with pytest.raises(Permanent):
        one.writer.run(lambda: None)
    assert len(one.fatal) == 1


def test_chores_are_done_step_by_step_and_a_newer_one_replaces_its_name(recorded):
    one, steps, done = recorded(), [], threading.Event()
    one.writer.run(lambda: one.writer.later("tidy", lambda: steps.append("old") or False))

    def chore():
        steps.append("new")
        done.set() if len(steps) == 3 else None
        return len(steps) < 3

    one.writer.run(lambda: (one.writer.later("tidy", lambda: steps.append("never")), one.writer.later("tidy", chore)))
    assert done.wait(60)
    assert steps in (["old", "new", "new"], ["new", "new", "new"])


def test_a_failing_chore_is_counted_and_harms_nobody(recorded):
    one = recorded()
    one.writer.later("bad", lambda: 1 // 0)
    one.writer.run(lambda: None)
    one.writer.run(lambda: None)
    assert one.writer.tally.chore_failures == 1
    assert send(one.writer, submission("a")) == [None]


# ---------------------------------------------------------------- what errors mean


@pytest.mark.parametrize(
    ("error", "told", "fatal"),
    [
        (apsw.exception_for(apsw.SQLITE_FULL), Transient, False),
        (apsw.exception_for(apsw.SQLITE_IOERR_WRITE), Transient, False),
        (OSError(28, "no space"), Transient, False),
        (apsw.exception_for(apsw.SQLITE_IOERR_FSYNC), Permanent, True),
        (apsw.exception_for(apsw.SQLITE_CORRUPT), Corrupt, True),
        (apsw.exception_for(apsw.SQLITE_NOTADB), Corrupt, True),
        (KeyError("bug"), KeyError, False),
        (Rejected("reason"), Rejected, False),
    ],
)
def test_every_cause_has_its_meaning(error, told, fatal):
    fault = diagnose(error, "state.db")
    assert (type(fault.error), fault.fatal) == (told, fatal)


def test_an_attempt_gives_the_result_or_the_error():
    assert attempt(lambda: 5) == 5
    assert isinstance(attempt(lambda: 1 // 0), Failed)


# ---------------------------------------------------------------- with a database


def test_a_nearly_full_disk_refuses_rows_and_still_takes_changes(tmp_path):
    free = [100]
    store = open_store(tmp_path, Limits(free_bytes_min=101), free_bytes=lambda: free[0])
    assert [type(answer) for answer in send(store, submission("a"), submission("b"))] == [Transient] * 2
    store.commit(Change(fold=1, deltas=[(key(), body(1))]))
    free[0] = 101
    assert send(store, submission("a")) == [None]
    assert (store.health().refused_full, store.last_seq(), store.position().fold) == (2, 1, 1)
    store.close()


def test_the_health_of_a_store_tells_what_waits(tmp_path):
    store = open_store(tmp_path, clock=ManualClock(77.0), free_bytes=lambda: 5 << 20)
    send(store, submission("a", "b"), submission("c"))
    health = store.health()
    assert (health.journal_rows, health.oldest_arrival, health.heartbeat) == (3, 10.0, 77.0)
    assert health.journal_bytes == len('["a", "b", "c"]')
    assert (health.free_bytes, health.free_bytes_min) == (5 << 20, 1 << 20)
    assert min(health.commits, health.db_bytes + health.wal_bytes) > 0
    store.commit(Change(fold=1, cursor=1))
    assert (store.health().journal_rows, store.health().journal_bytes, store.health().oldest_arrival) == (0, 0, None)
    store.close()


def test_the_heartbeat_goes_on_without_work(tmp_path):
    clock = ManualClock(1.0)
    store = open_store(tmp_path, Limits(Pace(idle_s=0.001), free_bytes_min=0), clock=clock)
    clock.step(50.0)
    beats = (store.health().heartbeat for _ in range(1_000_000))
    assert next(beat for beat in beats if beat == 50.0)
    store.close()


def test_folded_records_leave_the_database(tmp_path):
    store = open_store(tmp_path, Limits(Pace(gather_s=0.0), free_bytes_min=0))
    for number in range(150):  # three chunks
        send(store, submission(str(number)))
    store.commit(Change(fold=1, cursor=store.last_seq() - 1))
    settle(store)
    assert rows_of(store, "journal") == 1
    store.close()


def test_deletion_goes_on_after_a_restart(tmp_path):
    store = open_store(tmp_path)
    store._writer.later = lambda name, chore: None  # it dies before it deletes anything
    send(store, submission("a"))
    store.commit(Change(fold=1, cursor=1))
    store.close()
    store = open_store(tmp_path)
    settle(store)
    assert rows_of(store, "journal") == 0
    store.close()


def test_keys_too_old_or_too_many_are_deleted_and_only_the_latter_counted(tmp_path):
    clock = ManualClock(0.0)
    store = open_store(tmp_path, Limits(free_bytes_min=0, keys_max=3), clock=clock)
    for number in range(6):
        clock.step(DAY + 1.0 if number > 1 else 0.0)
        send(store, submission(claim=claim(f"k{number}")))
    store._writer.run(store._opened.journal.prune_keys)
    assert store._writer.run(lambda: [row[0] for row in store._opened.db.execute("SELECT key FROM keys")]) == [
        "k3",
        "k4",
        "k5",
    ]
    assert store.health().keys_dropped == 1
    store.close()


def test_the_log_is_copied_when_it_is_long(tmp_path):
    store = open_store(tmp_path, Limits(Pace(gather_s=0.0, idle_s=60.0), free_bytes_min=0, wal_pages_max=10))
    for number in range(40):
        store.commit(Change(fold=number + 1, deltas=[(key(), bytes(8 * 2_000))]))
    assert store.health().wal_bytes < 60 * 4_096
    assert store.panes(MODEL, 1, "", "ref", 0, 60)
    store.close()


def test_a_bug_of_the_thread_itself_leaves_nobody_waiting(recorded):
    one = recorded(Pace(gather_s=0.0))
    one.writer._take_group = lambda: 1 // 0
    assert [type(answer) for answer in send(one.writer, submission("a"))] == [Permanent]
    assert len(one.fatal) == 1
