"""The bytes of a line: what a person can recompute without us, bounds, and what no text can break."""

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.audit.records import (
    BEGINNING,
    GENESIS,
    LINE_BYTES_MAX,
    Entry,
    Head,
    Kind,
    digest_of,
    head_of,
    line_of,
    read,
    skim,
)

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=400))
subjects = st.dictionaries(st.text(max_size=80), scalars, max_size=30)


def entry(kind="test.made", actor="a", time=1.5, **subject):
    return Entry(kind, actor, subject, time)


def test_the_digest_of_a_line_can_be_recomputed_with_sha256sum():
    first, head = line_of(entry(n=1), BEGINNING)
    body = first.partition(b',"digest":')[0]
    assert head.digest == sha256(body).hexdigest() == json.loads(first)["digest"]
    assert json.loads(first)["prev"] == GENESIS


def test_a_line_names_the_digest_of_the_one_before():
    _, head = line_of(entry(n=1), BEGINNING)
    second, after = line_of(entry(n=2), head)
    assert (json.loads(second)["prev"], after.seq) == (head.digest, 2)


def test_a_line_is_canonical_json():
    line, _ = line_of(entry(b=1, a="ü"), BEGINNING)
    assert list(json.loads(line)) == ["v", "seq", "time", "kind", "actor", "subject", "prev", "digest"]
    assert b'"subject":{"a":"\xc3\xbc","b":1}' in line
    assert b" " not in line


@given(subjects, st.text(max_size=400))
def test_whatever_is_written_down_is_one_intact_line_within_the_bound(subject, actor):
    line, head = line_of(Entry("test.made", actor, subject, 1.0), BEGINNING)
    assert line.count(b"\n") == 1
    assert len(line) <= LINE_BYTES_MAX
    assert head_of(line[:-1]) == head
    assert json.loads(line)["seq"] == 1


@given(st.data())
def test_no_byte_of_a_line_changes_unseen(data):
    line = line_of(entry(n=1, why="x"), BEGINNING)[0][:-1]
    at, other = data.draw(st.integers(0, len(line) - 1)), data.draw(st.integers(1, 255))
    changed = line[:at] + bytes([line[at] ^ other]) + line[at + 1 :]
    assert skim(changed) is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_null(value):
    assert read(line_of(entry(x=value), BEGINNING)[0][:-1]).subject == {"x": None}


def test_a_long_text_says_that_it_was_cut():
    text = read(line_of(entry(x="a" * 1000), BEGINNING)[0][:-1]).subject["x"]
    assert (len(text), text[-1]) == (300, "…")


def test_an_integer_beyond_what_json_readers_keep_is_text():
    assert read(line_of(entry(x=1 << 80), BEGINNING)[0][:-1]).subject == {"x": str(1 << 80)}


@pytest.mark.parametrize("kind", ["", "x", "a b.c", "Audit.X", 'a.b"', "a.b\n"])
def test_what_is_no_kind_is_refused(kind):
    with pytest.raises(ValueError, match="not a kind"):
        line_of(entry(kind=kind), BEGINNING)


def test_every_kind_of_ours_is_one():
    assert [line_of(entry(kind=kind), BEGINNING)[1].seq for kind in Kind] == [1] * len(Kind)


@given(st.binary(min_size=32, max_size=32))
def test_a_digest_is_five_numbers_that_a_float_holds(raw):
    head = Head(1, raw.hex(), 0.0)
    assert digest_of(tuple(int(float(part)) for part in head.parts)) == head.digest
    assert max(head.parts).bit_length() <= 52


@pytest.mark.parametrize("parts", [(), (1, 2, 3, 4), (1, 2, 3, 4, 16**12), (-1, 0, 0, 0, 0), (16**13, 0, 0, 0, 0)])
def test_other_numbers_are_no_digest(parts):
    with pytest.raises(ValueError, match="five parts"):
        digest_of(parts)
