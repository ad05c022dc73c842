"""Writing: durable or refused, several writers, torn lines, full disks, failing fsyncs, rotation, heads, bounds."""

import errno
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from auditworld import NOW, Faulty, anchor

from monitor.audit.files import LOCK, SPARE, locked
from monitor.audit.heads import HEADS_BYTES_MAX, Why
from monitor.audit.records import BEGINNING, Entry, Kind
from monitor.audit.verify import check_end
from monitor.errors import Permanent, Transient

ROOT = Path(__file__).parents[2]


def kinds(made):
    return [json.loads(line)["kind"] for line in lines(made)]


def lines(made):
    return [line for path in sorted(made.directory.glob("0*.jsonl")) for line in path.read_bytes().splitlines()]


def test_what_append_returns_is_what_the_line_says(made):
    head = made.log().append("test.made", "me", {"n": 1})
    said = json.loads(made.records.read_text())
    assert (head.seq, head.digest, head.time) == (said["seq"], said["digest"], said["time"])
    assert (said["time"], said["actor"], said["subject"]) == (NOW, "me", {"n": 1})


def test_a_line_is_on_disk_before_append_returns(made):
    io = Faulty()
    log = made.log(io)
    log.append("test.made", "a", {})
    io.sync_fails = True
    with pytest.raises(Permanent, match="fsync"):
        log.append("test.made", "a", {})


def test_after_a_failing_fsync_nothing_is_written_any_more(made):
    io = Faulty()
    log = made.log(io)
    io.sync_fails = True
    with pytest.raises(Permanent):
        log.append("test.made", "a", {})
    io.sync_fails = False
    with pytest.raises(Permanent, match="fsync"):
        log.append("test.made", "a", {})


def test_files_are_for_their_owner_alone(made):
    made.filled(1)
    assert {path.stat().st_mode & 0o777 for path in (made.records, made.heads)} == {0o600}


def test_two_logs_on_one_directory_make_one_chain(made):
    one, other = made.log(), made.log(signs=False)
    for _ in range(5):
        one.append("test.made", "one", {})
        other.append("test.made", "other", {})
    one.sign(Why.STOP)
    assert (made.verify().ok, made.verify().proven) == (True, 10)


def test_threads_of_one_log_make_one_chain(made):
    log = made.log()
    threads = [threading.Thread(target=lambda: [log.append("test.made", "a", {}) for _ in range(10)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    log.sign(Why.STOP)
    assert made.verify().proven == 40


WRITER = """
import sys
from pathlib import Path
from monitor.audit.log import Log
from monitor.clock import WallClock
log = Log(Path(sys.argv[1]), WallClock())
for number in range(int(sys.argv[2])):
    print(log.append("test.made", sys.argv[3], {"n": number}).anchor, flush=True)
"""


def writer(made, records, name):
    command = [sys.executable, "-c", WRITER, str(made.directory), str(records), name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_processes_make_one_chain_and_each_knows_its_own_place_in_it(made):
    processes = [writer(made, 30, name) for name in "abc"]
    heads = [line for process in processes for line in process.communicate(timeout=120)[0].split()]
    log = made.log()
    log.find_end()
    log.sign(Why.STOP)
    written = {f"{each['seq']}:{each['digest']}" for each in map(json.loads, lines(made))}
    assert (made.verify().ok, made.verify().proven, set(heads) == written) == (True, 90, True)


@pytest.mark.parametrize("after", range(1, 40, 8))
def test_nothing_that_was_acknowledged_is_lost_by_a_kill(made, after):
    process = writer(made, 100_000, "a")
    told = [process.stdout.readline().strip() for _ in range(after)]
    process.kill()
    told += process.stdout.read().splitlines()[:-1]  # a line of it may be torn, as ours may
    process.wait()
    process.stdout.close()
    log = made.log()
    log.find_end()
    log.sign(Why.START)
    there = {f"{each['seq']}:{each['digest']}" for each in map(json.loads, lines(made))}
    assert set(told) <= there
    assert made.verify().ok


def test_a_torn_line_is_set_aside_and_recorded_wherever_it_tore(made):
    made.filled(2)
    whole = made.records.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    for length in (1, len(last) // 2, len(last) - 1):
        made.records.write_bytes(whole + last[:length])
        log = made.log()
        log.append("test.made", "a", {})
        log.resume(BEGINNING)
        assert kinds(made) == ["test.made", "test.made", Kind.TORN, "test.made"]
        said = json.loads(lines(made)[2])["subject"]
        assert (made.directory / said["kept_as"]).read_bytes() == last[:length]
        assert (said["bytes"], log.torn, made.verify().torn, made.verify().ok) == (length, 1, 1, True)


def test_lines_of_zeros_as_a_power_cut_leaves_them_are_set_aside(made):
    made.filled(2)
    with made.records.open("ab") as file:
        file.write(bytes(200_000) + b"\n" + bytes(10))
    log = made.log()
    assert log.find_end().seq == 3
    assert kinds(made)[-1] == Kind.TORN
    assert made.verify().ok


def test_a_new_file_without_a_line_is_gone_on_with(made):
    end = made.filled(2).end()
    (made.directory / "00000002.jsonl").touch()
    head = made.log().append("test.made", "a", {})
    assert (head.seq, made.verify(anchor(end)).ok) == (3, True)


def test_a_file_of_which_no_line_is_intact_is_set_aside_whole(made):
    made.filled(2)
    (made.directory / "00000002.jsonl").write_bytes(b"x" * 100)
    made.log().append("test.made", "a", {})
    assert (kinds(made)[2:], made.verify().ok) == ([Kind.TORN, "test.made"], True)


def test_a_head_that_a_crash_tore_is_cut_off(made):
    made.filled(2)
    with made.heads.open("ab") as file:
        file.write(b'{"payloadType":"appl')
    assert "torn" in str(made.verify().faults[0])
    log = made.log()
    log.append("test.made", "a", {})
    log.sign(Why.START)
    assert (made.verify().ok, made.verify().proven) == (True, 3)


# ---------------------------------------------------------------- full disk


@pytest.mark.parametrize("room", [0, 1, 100])
def test_a_full_disk_leaves_the_log_as_it_was(made, room):
    io = Faulty()
    log = made.log(io)
    before = log.append("test.made", "a", {})
    io.full = room
    with pytest.raises(Transient, match="No space"):
        log.append("test.made", "a", {"n": 1})
    io.full = None
    after = log.append("test.made", "a", {"n": 2})
    log.sign(Why.STOP)
    assert (after.seq, made.verify().ok, len(lines(made))) == (before.seq + 1, True, 2)


def test_a_full_disk_that_cannot_even_be_cut_back_leaves_a_torn_line(made):
    io = Faulty()
    log = made.log(io)
    log.append("test.made", "a", {})
    io.full, io.killed = 50, True
    with pytest.raises(Transient):
        log.append("test.made", "a", {})
    io.full, io.killed = None, False
    log.append("test.made", "a", {})
    log.sign(Why.STOP)
    assert (kinds(made)[1], made.verify().ok) == (Kind.TORN, True)


class Spared(Faulty):
    """A disk whose only free blocks are those of the spare."""

    def __init__(self, directory):
        super().__init__()
        self.spare = directory / SPARE

    def write(self, descriptor, data):
        if self.spare.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        super().write(descriptor, data)


def test_what_may_not_go_unwritten_takes_the_space_that_is_held_back(made):
    made.log().keep()
    log = made.log(Spared(made.directory))
    with pytest.raises(Transient):
        log.extend([Entry("test.made", "a", {}, NOW)])
    assert (made.directory / SPARE).stat().st_size == 1 << 20
    assert log.extend([Entry("rollback.verified", "policy", {}, NOW)], must=True).seq == 1
    assert not (made.directory / SPARE).exists()


def test_without_space_that_is_held_back_it_has_to_wait(made):
    io = Faulty()
    io.full = 0
    with pytest.raises(Transient):
        made.log(io).extend([Entry("rollback.verified", "policy", {}, NOW)], must=True)


def test_another_process_that_holds_the_log_is_waited_for_and_not_for_ever(made):
    log = made.log(lock_wait_s=0.05)
    with locked(made.directory, 1.0), pytest.raises(Transient, match=LOCK):
        log.append("test.made", "a", {})
    assert log.append("test.made", "a", {}).seq == 1


# ---------------------------------------------------------------- rotation and heads


def test_a_full_file_ends_under_a_signed_head(made):
    made.filled(30, made.log(file_bytes_max=2_000))
    files = sorted(made.directory.glob("0*.jsonl"))
    assert len(files) > 3
    assert all(2_000 <= path.stat().st_size < 3_000 for path in files[:-1])
    assert (made.verify().ok, made.verify().heads) == (True, len(files) + 1)


def test_who_cannot_sign_begins_no_file(made):
    log = made.log(signs=False, file_bytes_max=2_000)
    for _ in range(20):
        log.append("test.made", "a", {})
    assert len(list(made.directory.glob("0*.jsonl"))) == 1


def test_a_head_is_due_after_so_many_records(made):
    log = made.log(head_records=3)
    log.sign(Why.START)
    due = []
    for _ in range(3):
        log.append("test.made", "a", {})
        due.append(log.due())
    assert due == [False, False, True]
    log.sign(Why.RECORDS)
    assert not log.due()


def test_a_head_is_due_so_long_after_the_first_record_without_one(made):
    log = made.log(head_every_s=600)
    log.sign(Why.START)
    made.clock.step(NOW + 10_000)
    assert not log.due(), "nothing was written"
    log.append("test.made", "a", {})
    assert not log.due()
    made.clock.step(NOW + 10_600)
    assert log.due()


def test_a_restart_goes_on_behind_the_head_that_was_believed(made):
    made.filled(3)
    proof, head = check_end(made.directory, made.trust)
    log = made.log()
    log.find_end()
    log.resume(head.head)
    assert (proof.ok, head.seq, log.sign(Why.START)) == (True, 3, None)
    log.append("test.made", "a", {})
    assert log.sign(Why.STOP).seq == 4
    assert made.verify().ok


def test_the_look_at_the_end_of_a_long_log_reads_its_last_files_only(made):
    made.filled(60, made.log(file_bytes_max=2_000), every=7)
    proof, head = check_end(made.directory, made.trust)
    assert (proof.ok, head.seq, proof.last) == (True, 60, 60)
    assert proof.first > 40


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_the_look_at_the_end_sees_what_was_done_there(made, damage):
    made.filled(20, every=7)
    body = made.records.read_bytes()
    at = body.rindex(b'"seq":19')
    changed = {"flip": body[:at] + b'"sEq"' + body[at + 5 :], "cut": body[: body.rindex(b'{"v"')], "gone": b""}
    made.records.write_bytes(changed[damage])
    assert not check_end(made.directory, made.trust)[0].ok


# ---------------------------------------------------------------- bounds


def test_what_is_dropped_leaves_a_signed_head_as_the_beginning(made):
    log = made.filled(40, made.log(file_bytes_max=2_000, bytes_max=6_000), every=4)
    assert log.keep() > 0
    proof = made.verify()
    assert (proof.ok, proof.first > 20, proof.last, log.sizes[1] <= 6_000 + 1_000) == (True, True, 41, True)
    said = json.loads(lines(made)[-1])
    assert (said["kind"], said["subject"]["from"], said["subject"]["to"]) == (Kind.DROPPED, 1, proof.first - 1)


def test_it_can_be_dropped_again_and_again(made):
    log = made.log(file_bytes_max=2_000, bytes_max=6_000)
    for _ in range(4):
        made.filled(20, log, every=4)
        log.keep()
        assert made.verify().ok
    assert log.tally.dropped_files > 5


def test_files_removed_by_anybody_else_are_missed(made):
    log = made.filled(40, made.log(file_bytes_max=2_000, bytes_max=6_000), every=4)
    log.keep()
    min(made.directory.glob("0*.jsonl")).unlink()
    assert made.verify().faults


def test_a_crash_between_the_new_beginning_and_the_removal_is_harmless(made, monkeypatch):
    log = made.filled(40, made.log(file_bytes_max=2_000, bytes_max=6_000), every=4)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EIO, "killed here")))
        with pytest.raises(Transient):
            log.keep()
    assert made.verify().ok
    assert log.keep() > 0
    assert made.verify().ok


def test_nothing_is_dropped_below_the_bound_or_by_who_cannot_sign(made):
    assert made.filled(40, made.log(file_bytes_max=2_000)).keep() == 0
    assert made.log(signs=False, file_bytes_max=2_000, bytes_max=1).keep() == 0


def test_heads_are_thinned_and_still_prove_everything(made, monkeypatch):
    monkeypatch.setattr("monitor.audit.keeping.HEADS_BYTES_MAX", 8_000)
    log = made.filled(40, every=1)
    assert made.heads.stat().st_size > 8_000 < HEADS_BYTES_MAX
    log.keep()
    proof = made.verify()
    assert (proof.ok, proof.first, proof.proven, proof.heads) == (True, 1, 40, 22)


def test_what_was_set_aside_is_kept_up_to_a_bound(made):
    made.filled(1)
    for number in range(120):
        (made.directory / f"torn-{number:012d}-0").touch()
    made.log().keep()
    left = sorted(path.name for path in made.directory.glob("torn-*"))
    assert (len(left), left[0]) == (100, "torn-000000000020-0")


def test_a_link_in_the_place_of_a_file_is_not_followed(made, tmp_path):
    (tmp_path / "elsewhere").touch()
    made.records.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Transient):
        made.log().append("test.made", "a", {})
    assert (tmp_path / "elsewhere").read_bytes() == b""
