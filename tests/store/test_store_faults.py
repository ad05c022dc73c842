"""Safety S1, S2, S3: the disk fails, or the lights go out, at every single operation of a short life.

The life: twice, two requests and a fold. Afterwards the client repeats what was not answered, with the same keys,
and everything is folded. Then each id is counted exactly once, and so was every id that had been acknowledged.
"""

from contextlib import suppress
from dataclasses import replace

import apsw
import pytest
from storefaults import FaultyDisk, FaultyVfs, Plan
from storeworld import claim, counted, fold, open_store, sampled, send, submission

from monitor.errors import Corrupt, Permanent, TocsinError, Transient
from monitor.store import connections, panes
from monitor.store.commits import Commits
from monitor.store.disk import Disk
from monitor.store.parts import Limits
from monitor.store.writer import Pace

REQUESTS = [(f"{turn}a",) if half else (f"{turn}b", f"{turn}c") for turn in range(2) for half in (0, 1)]
SENT = [one for ids in REQUESTS for one in ids]
EVERYTHING = frozenset({"write", "sync", "truncate", "delete", "create", "rename", "remove"})
FILE_BYTES_MIN = 10  # the record of one row goes into the table, that of two into a file
LIMITS = Limits(  # checkpoints come within the short life too
    Pace(gather_s=0.0), free_bytes_min=0, wal_pages_max=8, file_bytes_min=FILE_BYTES_MIN
)


class Life:
    """One store on a faulty disk."""

    def __init__(self, path, plan, disk=FaultyDisk):
        self.path, self.plan, self.fatal, self.acked = path, plan, [], []
        self.vfs = FaultyVfs(plan)
        self.disk = disk(plan)
        self.store = None

    def open(self):
        parts = {"vfs": self.vfs.name, "disk": self.disk, "on_fatal": self.fatal.append}
        self.store = open_store(self.path, LIMITS, **parts)

    def request(self, ids):
        answer = send(self.store, submission(*ids, claim=claim(ids[0])))[0]
        if answer is None or isinstance(answer, bytes):
            self.acked += ids
        return answer

    def live(self):
        """Errors: what a turn or a client was told on the way."""
        told = []
        for number, ids in enumerate(REQUESTS):
            told.append(self.request(ids))
            if number % 2:
                try:
                    fold(self.store)
                except TocsinError as error:
                    told.append(error)
        return [error for error in told if isinstance(error, Exception)]

    def end(self):
        if self.store:
            self.store.close()
        self.vfs.unregister()


def lives(path, kinds, code, *, disk=FaultyDisk, step=1, **strike):
    """A life for every `step`-th operation at which the plan can strike; the last one is not struck."""
    for at in range(1, 1_000, step):
        plan = Plan(at, kinds, code, **strike)
        yield at, Life(path / str(at), plan, disk)
        if not plan.struck:
            return
    pytest.fail("the plan strikes for ever")


def recount(path, acked):
    """What a restart on a healthy disk has: nothing acknowledged is lost, and repeating the rest counts all once."""
    life = Life(path, Plan(1 << 40, EVERYTHING, apsw.SQLITE_FULL))  # it only spares the machine the real fsyncs
    life.open()
    store = life.store
    try:
        while fold(store):
            pass
        before, rows = counted(store, SENT)
        assert set(acked) <= before, f"lost: {sorted(set(acked) - before)}"
        assert rows == len(before), f"{rows} rows counted of {len(before)} ids"
        assert sorted(sampled(store)) == sorted(before), "the sample holds what was counted, once"
        assert not any(each.lost for each in store.health().samples.values()), "a named sample is whole"
        answers = [send(store, submission(*ids, claim=claim(ids[0])))[0] for ids in REQUESTS]
        assert not [answer for answer in answers if isinstance(answer, Exception)]
        while fold(store):
            pass
        assert counted(store, SENT) == (set(SENT), len(SENT))
    finally:
        life.end()


def cut_everywhere(path, disk=FaultyDisk, step=1):
    """A power cut at each operation, starting included; how many there were."""
    for at, life in lives(path, EVERYTHING, apsw.SQLITE_IOERR_WRITE, disk=disk, step=step):
        with suppress(TocsinError):
            life.open()
            life.live()
        life.end()
        life.plan.cut(seed=at)
        recount(life.path, life.acked)
    return at


def test_a_power_cut_at_any_operation_loses_nothing_acknowledged_and_counts_nothing_twice(tmp_path):
    assert cut_everywhere(tmp_path) > 100


def test_without_fsync_of_the_log_the_power_cuts_show_a_loss(tmp_path, monkeypatch):
    real = connections.open_writer

    def careless(path, vfs):
        db = real(path, vfs)
        db.pragma("synchronous", 0)
        return db

    monkeypatch.setattr(connections, "open_writer", careless)
    with pytest.raises(AssertionError, match="lost"):
        cut_everywhere(tmp_path, step=3)


def careless_of(what):
    """A disk that does not fsync files with this in their names."""

    class Careless(FaultyDisk):
        def sync(self, descriptor):
            if what in str(self.paths.get(descriptor)):
                Disk.sync(self, descriptor)
            else:
                super().sync(descriptor)

    return Careless


def test_without_fsync_of_receipts_the_power_cuts_show_damage(tmp_path):
    with pytest.raises(Corrupt, match=r"\.run"):
        cut_everywhere(tmp_path, careless_of(".run"), step=3)


def test_without_fsync_of_samples_the_power_cuts_show_a_loss(tmp_path):
    with pytest.raises((AssertionError, OSError)):
        cut_everywhere(tmp_path, careless_of(".parquet"), step=3)


def test_without_fsync_of_large_records_the_power_cuts_show_a_loss(tmp_path):
    with pytest.raises((Corrupt, ValueError)):
        cut_everywhere(tmp_path, careless_of(".rows"), step=3)


def test_without_fsync_of_their_directory_the_power_cuts_show_a_loss(tmp_path):
    class Careless(FaultyDisk):
        def sync_directory(self, path):
            if path.name != "journal":
                super().sync_directory(path)

    with pytest.raises(Corrupt, match="it is gone"):
        cut_everywhere(tmp_path, Careless)


def test_without_fdatasync_of_files_that_are_written_over_the_power_cuts_show_a_loss(tmp_path):
    class Careless(FaultyDisk):
        def sync_data(self, descriptor):
            Disk.sync_data(self, descriptor)

    with pytest.raises((Corrupt, ValueError, AssertionError)):
        cut_everywhere(tmp_path, Careless)


def test_without_one_transaction_for_all_the_power_cuts_show_rows_counted_twice(tmp_path, monkeypatch):
    real = Commits.apply

    def careless(commits, prepared):
        with connections.transaction(commits._opened.db):
            panes.write(commits._opened.db, prepared.panes)
        real(commits, replace(prepared, panes=panes.PaneWrites([], [], [])))

    monkeypatch.setattr(Commits, "apply", careless)
    with pytest.raises((AssertionError, apsw.ConstraintError)):
        cut_everywhere(tmp_path, step=3)


@pytest.mark.parametrize("lasts", [1, 4])
@pytest.mark.parametrize("code", [apsw.SQLITE_FULL, apsw.SQLITE_IOERR_WRITE], ids=["ENOSPC", "EIO"])
def test_a_disk_that_is_full_for_a_while_recovers_by_itself(tmp_path, code, lasts):
    struck = 0
    for _, life in lives(tmp_path, {"write", "create"}, code, lasts=lasts, step=lasts):
        try:
            life.open()
        except TocsinError:
            life.end()
            continue
        told = life.live()
        struck += bool(told)
        assert all(isinstance(error, Transient) for error in told)
        life.plan.lasts = 0  # somebody frees space
        assert all(isinstance(life.request(ids), bytes | None) for ids in REQUESTS)
        fold(life.store)
        assert counted(life.store, SENT) == (set(SENT), len(SENT))
        life.end()
        recount(life.path, life.acked)
    assert struck > 5


def test_a_failing_fsync_fails_the_store_for_good(tmp_path):
    struck = 0
    for at, life in lives(tmp_path, {"sync"}, apsw.SQLITE_IOERR_FSYNC, lasts=1):
        try:
            life.open()
        except TocsinError:
            life.end()
            continue
        told = life.live()
        with suppress(Permanent):
            life.store._writer.run(lambda: None)  # until now it may have copied its log
        if life.plan.struck:
            struck += 1
            assert all(isinstance(error, Permanent) for error in told)
            with pytest.raises(Permanent):
                life.store.read_journal(1, 1)
            assert life.store.health().failed
        life.end()
        assert len(life.fatal) == life.plan.struck
        life.plan.cut(seed=at)
        recount(life.path, life.acked)
    assert struck > 10
