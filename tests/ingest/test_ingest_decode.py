import json
import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.facts import RejectReason
from monitor.ingest.counters import Claim
from monitor.ingest.decode import DECODERS, LABELS, PREDICTIONS, decode_json, decode_lines
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused

GOOD = b'{"id": "good", "prediction": "late"}'
LIMITS = Limits()
DEEP = b"[" * 20_000 + b"]" * 20_000
ODD = [  # readable by the tolerant parser only, or by none
    (b'{"id": "x", "features": {"hour": NaN}}', "x"),
    (b'{"id": "x", "features": {"hour": -Infinity}}', "x"),
    (b'{"id": "x", "features": {"hour": 1e400}}', "x"),
    (b'{"id": "x", "features": {"hour": ' + b"9" * 5000 + b"}}", "x"),
    (b'{"id": "x", "features": {"carrier": "\\ud800"}}', "x"),
    (b'{"id": "x", "features": {"\\ud800": 1}}', "x"),
    (b'{"id": "x", "unknown": ' + DEEP + b"}", RejectReason.MALFORMED),
    (b'{"id": "x", "features": {"hour": ' + DEEP + b"}}", RejectReason.MALFORMED),
    (b'{"id": "\xff"}', RejectReason.MALFORMED),
    (b'{"id": "\xed\xa0\x80"}', RejectReason.MALFORMED),
    (b'{"id": "x" "time": 1}', RejectReason.MALFORMED),
    (b'{"id": 01}', RejectReason.MALFORMED),
    (b'{"id": "x"} x', RejectReason.MALFORMED),
    (b"7", RejectReason.NOT_AN_OBJECT),
    (b'"text"', RejectReason.NOT_AN_OBJECT),
    (b"null", RejectReason.NOT_AN_OBJECT),
    (b"NaN", RejectReason.NOT_AN_OBJECT),
    (b"[[]]", RejectReason.NOT_AN_OBJECT),
    (b"nonsense", RejectReason.MALFORMED),
]


def ids(rows):
    return [row if isinstance(row, RejectReason) else row.id for row in rows]


def read(body, envelope=PREDICTIONS, limits=LIMITS, decode=decode_json):
    return list(decode(body, envelope, limits, Counter()))


def repeated(body, decode=decode_json):
    """In how many rows a key was seen twice."""
    dropped = Counter()
    assert list(decode(body, PREDICTIONS, LIMITS, dropped))
    return dropped[Claim.REPEATED_KEY]


@pytest.mark.parametrize(("odd", "expected"), ODD)
def test_an_odd_row_costs_only_itself_in_an_array(odd, expected):
    assert ids(read(b"[" + b", ".join([GOOD, odd, GOOD]) + b"]")) == ["good", expected, "good"]


@pytest.mark.parametrize(("odd", "expected"), ODD)
def test_an_odd_row_costs_only_itself_in_lines(odd, expected):
    assert ids(read(b"\n".join([GOOD, odd, GOOD]), decode=decode_lines)) == ["good", expected, "good"]


@pytest.mark.parametrize(("odd", "expected"), [(odd, expected) for odd, expected in ODD if odd != b"[[]]"])
def test_an_odd_row_alone_is_read_the_same(odd, expected):
    assert ids(read(odd)) == [expected]


def test_reads_every_field_of_both_kinds():
    sent = {"id": 1, "time": 2, "model": "m", "bundle": "b", "features": {"a": None}, "prediction": True}
    sent |= {"scores": [1], "segment": {}, "source": "s"}
    (row,) = read(json.dumps(sent).encode())
    assert {name: getattr(row, name) for name in row.__struct_fields__} == sent
    (label,) = read(b'{"id": 1, "label": "late", "prediction_time": 5, "extra": 1}', LABELS)
    assert (label.id, label.label, label.prediction_time, label.time) == (1, "late", 5, None)


def test_the_tolerant_parser_reads_numbers_beyond_the_doubles_as_infinite():
    digits = b"9" * 5000
    (row,) = read(b'{"features": {"a": NaN, "b": 1e400, "c": ' + digits + b', "d": -' + digits + b', "e": 12}}')
    assert math.isnan(row.features["a"])
    assert [row.features[name] for name in "bcde"] == [math.inf, math.inf, -math.inf, 12]


@pytest.mark.parametrize("cell", ["[1]", "{}", '"text"', "true"])
def test_a_cell_of_the_wrong_type_reaches_the_encoder(cell):
    (row,) = read(f'{{"id": "x", "features": {{"hour": {cell}}}}}'.encode())
    assert row.features["hour"] == json.loads(cell)


@pytest.mark.parametrize("decode", [decode_json, decode_lines])
@pytest.mark.parametrize("cell", ["1", "NaN"])
def test_of_duplicate_keys_the_last_wins(decode, cell):
    (row,) = read(f'{{"id": "a", "id": "b", "features": {{"x": {cell}, "x": 2}}}}'.encode(), decode=decode)
    assert (row.id, row.features) == ("b", {"x": 2})


TWICE = b'{"id": "a", "id": "b", "features": {"x": NaN, "x": 2}}'


@pytest.mark.parametrize("decode", [decode_json, decode_lines])
def test_a_key_that_comes_twice_is_counted_once_a_row_where_the_slow_parser_reads_it(decode):
    once = b'{"id": "c", "features": {"x": NaN, "id": 2}}'
    assert repeated(TWICE, decode) == 1
    assert repeated(once, decode) == 0
    assert repeated(b"\n".join([TWICE, once, TWICE]), decode_lines) == 2
    assert repeated(b"[" + b",".join([TWICE, once, TWICE]) + b"]") == 2


def test_the_fast_parser_does_not_tell_of_a_key_that_comes_twice():
    assert repeated(TWICE.replace(b"NaN", b"1")) == 0


def test_skips_blank_lines_and_takes_crlf_and_a_byte_order_mark():
    body = b"\xef\xbb\xbf" + GOOD + b"\r\n\r\n  \n" + GOOD + b"\r\n"
    assert ids(read(body, decode=decode_lines)) == ["good", "good"]
    assert ids(read(b"\xef\xbb\xbf \r\n[" + GOOD + b"]\n")) == ["good"]


@pytest.mark.parametrize("body", [b"", b" \r\n", b"\xef\xbb\xbf"])
def test_nothing_is_no_lines_but_no_json(body):
    assert read(body, decode=decode_lines) == []
    assert read(body) == [RejectReason.MALFORMED]


def test_an_empty_array_is_no_rows():
    assert read(b"[]") == []


def test_one_line_holds_one_row():
    assert ids(read(GOOD + GOOD + b"\n" + GOOD, decode=decode_lines)) == [RejectReason.MALFORMED, "good"]
    assert ids(read(b'{"id":\n"x"}', decode=decode_lines)) == [RejectReason.MALFORMED] * 2


def test_a_truncated_array_keeps_the_rows_before_the_cut():
    assert ids(read(b"[" + GOOD + b"," + GOOD[:20])) == ["good", RejectReason.MALFORMED]


def test_an_array_is_split_only_into_so_many_rows():
    limits = Limits(rows_max=3)
    assert len(read(b"[" + b",".join([GOOD] * 3) + b"]", limits=limits)) == 3
    for body in (b"[" + b",".join([GOOD] * 4) + b"]", b"[1,2,3,4]"):
        with pytest.raises(Refused) as refused:
            read(body, limits=limits)
        assert refused.value.status == 413


def test_too_many_lines_are_refused_before_any_is_read():
    with pytest.raises(Refused):
        decode_lines(GOOD + b"\n" * 4, PREDICTIONS, Limits(rows_max=3), Counter())


def test_a_bomb_of_small_containers_is_refused_before_it_is_parsed():
    with pytest.raises(Refused):
        decode_json(b'[{"features": {"a": [' + b"[]," * 100 + b"[]]}}]", PREDICTIONS, Limits(rows_max=3), Counter())


def test_one_oversized_row_is_malformed_and_its_neighbours_stay():
    huge = b'{"id": "' + b"x" * 300 + b'"}'
    assert ids(read(b"\n".join([GOOD, huge, GOOD]), limits=Limits(row_bytes_max=200), decode=decode_lines)) == [
        "good",
        RejectReason.MALFORMED,
        "good",
    ]


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.sampled_from(list(DECODERS.values())), st.sampled_from([PREDICTIONS, LABELS]), st.binary(max_size=300))
def test_any_bytes_become_rows_or_reasons(decode, envelope, body):
    assert all(isinstance(row, (envelope.kind, RejectReason)) for row in read(body, envelope, decode=decode))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.sampled_from([GOOD, *(odd for odd, _ in ODD)]), max_size=5))
def test_a_row_is_judged_alike_whatever_its_neighbours(items):
    alone = [found for item in items for found in ids(read(item, decode=decode_lines))]
    assert ids(read(b"\n".join(items), decode=decode_lines)) == alone
    assert ids(read(b"[" + b",".join(items) + b"]")) == alone
