"""Every edit is found: by the chain, by signed heads, and, where both are cut, by an anchor kept elsewhere."""

import itertools
import random

import pytest
from auditworld import NOW, Made, anchor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.audit.heads import Why
from monitor.audit.records import BEGINNING, Entry, Head, line_of
from monitor.audit.verify import Anchor
from monitor.rollback.signing import keygen


def told(proof):
    return " ".join(map(str, proof.faults))


def test_an_untouched_log_is_proven_from_its_first_record_to_its_last_head(made):
    made.filled(7, every=3)
    proof = made.verify()
    assert (proof.ok, proof.first, proof.proven, proof.last, proof.heads) == (True, 1, 7, 7, 4)
    assert (proof.since, proof.proven_at) == (NOW + 1, NOW + 7)
    assert proof.keys == (made.signer.keyid,)


def test_what_was_written_after_the_last_head_is_told_apart(made):
    log = made.filled(3)
    log.append("test.made", "a", {})
    assert (made.verify().proven, made.verify().last, made.verify().ok) == (3, 4, True)


def test_nothing_is_proven_of_a_log_that_nobody_signed(made):
    made.log(signs=False).append("test.made", "a", {})
    proof = made.verify()
    assert (proof.ok, proof.faults, proof.proven) == (False, [], 0)


def test_an_anchor_proves_what_nobody_signed(made):
    head = made.log(signs=False).append("test.made", "a", {})
    assert (made.verify(anchor(head)).ok, made.verify(anchor(head)).proven) == (True, 1)


def test_an_empty_directory_proves_nothing(made):
    assert (made.verify().ok, made.verify().records) == (False, 0)


def test_every_byte_that_is_flipped_is_found(made):
    made.filled(2, every=1)
    for path, body in made.files().items():
        for at in range(len(body)):
            path.write_bytes(body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :])
            proof = made.verify()
            assert not proof.ok, (path.name, at, body[at : at + 20])
            assert proof.faults
        path.write_bytes(body)
    assert made.verify().ok


def test_every_line_that_is_deleted_is_found_given_one_anchor_at_the_end(made):
    end = anchor(made.filled(5, every=2).end())
    for path, body in made.files().items():
        lines = body.splitlines(keepends=True)
        for gone in range(len(lines)):
            path.write_bytes(b"".join(lines[:gone] + lines[gone + 1 :]))
            whole = made.verify(end)
            assert whole.faults or path == made.heads, (path.name, gone)
        path.write_bytes(body)


def test_a_head_that_is_deleted_makes_the_proven_range_shorter_and_nothing_else(made):
    made.filled(5, every=2)
    lines = made.heads.read_bytes().splitlines(keepends=True)
    made.heads.write_bytes(b"".join(lines[:-1]))
    assert (made.verify().ok, made.verify().proven, made.verify().last) == (True, 4, 5)


def test_lines_that_change_places_are_found(made):
    made.filled(4, every=2)
    for path, body in made.files().items():
        lines = body.splitlines(keepends=True)
        for i, j in itertools.combinations(range(len(lines)), 2):
            swapped = list(lines)
            swapped[i], swapped[j] = lines[j], lines[i]
            path.write_bytes(b"".join(swapped))
            assert made.verify().faults, (path.name, i, j)
        path.write_bytes(body)


def test_a_line_that_is_there_twice_is_found(made):
    made.filled(4, every=2)
    for path, body in made.files().items():
        lines = body.splitlines(keepends=True)
        for i in range(len(lines)):
            path.write_bytes(b"".join([*lines[: i + 1], *lines[i:]]))
            assert made.verify().faults, (path.name, i)
        path.write_bytes(body)


def test_records_cut_off_below_a_signed_head_are_found_without_an_anchor(made):
    made.filled(5)
    lines = made.records.read_bytes().splitlines(keepends=True)
    for kept in range(5):
        made.records.write_bytes(b"".join(lines[:kept]))
        assert "records are gone" in told(made.verify())


def test_records_cut_off_together_with_their_heads_are_found_by_a_newer_anchor_only(made):
    old = made.filled(3).end()
    log = made.log()
    new = log.append("test.made", "a", {})
    files = made.files()
    made.records.write_bytes(b"".join(files[made.records].splitlines(keepends=True)[:3]))
    assert (made.verify().ok, made.verify(anchor(old)).ok) == (True, True)
    assert "before the anchor 4" in told(made.verify(anchor(new)))


def test_a_chain_forged_anew_from_some_place_on_is_found_by_its_heads(made):
    made.filled(5)
    lines = made.records.read_bytes().splitlines(keepends=True)
    forged, head = [], BEGINNING
    for number in range(5):
        line, head = line_of(Entry("test.forged", "eve", {"n": number}, NOW), head)
        forged.append(line)
    for kept in range(5):
        made.records.write_bytes(b"".join(lines[:kept]) + b"".join(forged[kept:]))
        assert made.verify().faults
        assert kept == 0 or "does not follow" in told(made.verify()), "by the chain alone, too"


def test_a_chain_forged_and_signed_by_a_stranger_is_found(made, tmp_path):
    (tmp_path / "eve").mkdir()
    keygen(tmp_path / "eve" / "audit.key", tmp_path / "eve" / "audit.pub")
    eve = Made(tmp_path / "eve" / "audit", tmp_path / "eve")
    eve.filled(3)
    made.filled(3)
    made.records.write_bytes(eve.records.read_bytes())
    made.heads.write_bytes(eve.heads.read_bytes())
    proof = made.verify()
    assert (proof.proven, proof.heads) == (0, 0)
    assert "nobody who is trusted" in told(proof)


def test_whoever_holds_the_key_is_found_by_an_anchor_only(made):
    end = made.filled(3).end()
    for path in made.files():
        path.unlink()
    made.filled(4)
    assert made.verify().ok
    assert "is another than the anchor names" in told(made.verify(anchor(end)))


def test_an_anchor_that_was_never_ours_is_found(made):
    made.filled(3)
    assert not made.verify(Anchor(2, "ab" * 32)).ok
    assert not made.verify(Anchor(9, "ab" * 32)).ok


def test_a_log_without_its_first_file_is_found(made):
    made.filled(30, made.log(file_bytes_max=2_000))
    first, *_ = sorted(made.directory.glob("0*.jsonl"))
    first.unlink()
    assert "stands where 1 should" in told(made.verify())


@pytest.mark.parametrize("which", [0, 1, -1])
def test_a_file_that_is_gone_is_found(made, which):
    made.filled(30, made.log(file_bytes_max=2_000))
    sorted(made.directory.glob("0*.jsonl"))[which].unlink()
    assert made.verify().faults


def test_faults_are_told_up_to_a_bound_and_counted_beyond(made):
    made.filled(60)
    lines = made.records.read_bytes().splitlines(keepends=True)
    random.Random(1).shuffle(lines)
    made.records.write_bytes(b"".join(lines))
    proof = made.verify()
    assert (len(proof.faults), proof.faults_more > 0, proof.proven) == (20, True, 0)


def test_what_is_proven_ends_before_the_first_fault(made):
    made.filled(10, every=2)
    lines = made.records.read_bytes().splitlines(keepends=True)
    made.records.write_bytes(b"".join([*lines[:6], *lines[7:]]))
    proof = made.verify()
    assert (proof.first, proof.proven, proof.ok) == (1, 6, False)


def edited(draw, body):
    """One random edit of a file's bytes: flip, delete, insert, swap or cut, by bytes or lines."""
    lines = body.splitlines(keepends=True)
    how = draw(st.sampled_from(["flip", "cut", "delete", "insert", "swap", "line gone", "line twice"]))
    at, to = sorted((draw(st.integers(0, len(body) - 1)), draw(st.integers(0, len(body) - 1))))
    line = draw(st.integers(0, len(lines) - 1))
    return {
        "flip": lambda: body[:at] + bytes([body[at] ^ draw(st.integers(1, 255))]) + body[at + 1 :],
        "cut": lambda: body[:at],
        "delete": lambda: body[:at] + body[to:],
        "insert": lambda: body[:at] + draw(st.binary(min_size=1, max_size=9)) + body[at:],
        "swap": lambda: body[:at] + body[to:] + body[at:to],
        "line gone": lambda: b"".join(lines[:line] + lines[line + 1 :]),
        "line twice": lambda: b"".join(lines[: line + 1] + lines[line:]),
    }[how]()


@pytest.fixture(scope="module")
def several(tmp_path_factory, keys):
    """A log of three files that nothing writes to any more."""
    made = Made(tmp_path_factory.mktemp("several") / "audit", keys)
    log = made.filled(20, made.log(file_bytes_max=2_500), every=6)
    return made, made.files(), anchor(log.end())


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_edit_of_any_file_is_found_given_one_anchor_at_the_end(several, data):
    made, files, end = several
    path = data.draw(st.sampled_from(sorted(files)))
    body = edited(data.draw, files[path])
    path.write_bytes(body)
    try:
        proof = made.verify(end)
        ours = path != made.heads or proof.heads < 6  # a head that is gone is no record that is gone
        assert body == files[path] or proof.faults or (path == made.heads and ours), told(proof)
    finally:
        path.write_bytes(files[path])


def test_memory_is_that_of_one_line_whatever_the_size(made):
    import tracemalloc

    head, wall = BEGINNING, NOW
    with made.records.open("wb") as file:
        for number in range(15_000):
            line, head = line_of(Entry("test.made", "a", {"n": number}, wall), head)
            file.write(line)
    tracemalloc.start()
    proof = made.verify(anchor(head))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (proof.ok, proof.records) == (True, 15_000)
    assert peak < 3 << 20  # of a file of 5 MB; the buffer of a file is 1 MiB


def test_progress_is_told_up_to_the_last_byte(made):
    made.filled(30, made.log(file_bytes_max=2_000))
    heard = []
    made.verify(told=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == sum(path.stat().st_size for path in made.directory.glob("0*.jsonl"))


def test_a_head_knows_its_anchor():
    assert Head(7, "ab", 0.0).anchor == "7:ab"


def test_a_head_of_the_stop_and_one_of_the_start_are_met(made):
    log = made.filled(2)
    assert log.sign(Why.STOP) is None, "it is signed already"
    assert made.verify().heads == 2
