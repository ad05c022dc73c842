"""A record that is damaged, of another version or of other rows is corrupt, and never another error."""

from contextlib import suppress

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded import SCHEMA, row

from monitor.errors import Corrupt
from monitor.facts import Label
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.decode import decode_labels, decode_predictions


@pytest.mark.parametrize("body", [b"", b"junk", b"\xff" * 64])
def test_says_corrupt_when_it_is_no_record(body):
    with pytest.raises(Corrupt):
        decode_predictions(body)


def test_says_corrupt_when_another_version_wrote_it():
    body = encode_labels([Label("a", 1.0, 0, "ops", 2.0)])
    with pa.ipc.open_stream(body) as stream:
        table = stream.read_all().replace_schema_metadata({b"tocsin.batch": b"9"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(Corrupt):
        decode_labels(bytes(sink.getvalue()))


def test_says_corrupt_when_labels_are_read_as_predictions():
    with pytest.raises(Corrupt):
        decode_predictions(encode_labels([Label("a", 1.0, 0, "ops", 2.0)]))


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.integers(0, 3000))
def test_a_truncated_record_is_corrupt_or_whole(cut):
    body = encode_predictions([row({"hour": 1, "carrier": "UA"})], SCHEMA)
    try:
        assert decode_predictions(body[:cut]).ids.to_pylist() == ["f-1"]
    except Corrupt:
        assert cut < len(body)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_record_is_corrupt_or_read_but_never_another_error(at, byte):
    body = bytearray(
        encode_predictions([row({"hour": 1, "carrier": "UA"}, segment={"a": "b"}), row({"temp": "x"})], SCHEMA)
    )
    body[at % len(body)] = byte
    with suppress(Corrupt):
        assert decode_predictions(bytes(body)).n >= 0
