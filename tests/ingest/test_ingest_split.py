import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.ingest.split import UNREADABLE, array_items

JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(JSON, max_size=5), st.sampled_from([None, 2]))
def test_cuts_any_array_into_its_items(values, indent):
    body = json.dumps(values, indent=indent).encode()
    assert [repr(json.loads(item)) for item in array_items(body)] == [repr(value) for value in json.loads(body)]


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.binary(max_size=200))
def test_cuts_any_bytes_without_error(body):
    assert all(isinstance(item, bytes) and item for item in array_items(b"[" + body))


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"[]", []),
        (b"[ \r\n]", []),
        (b"[1,]", [b"1", UNREADABLE]),
        (b"[,1]", [UNREADABLE, b"1"]),
        (b"[1] [2]", [b"1", UNREADABLE]),
        (b"[1", [UNREADABLE]),
        (b'[1, {"a": 2', [b"1", UNREADABLE]),
        (b'[1, "a', [b"1", UNREADABLE]),
        (b'[{"a": "\\"],["}, 2]', [b'{"a": "\\"],["}', b"2"]),
        (b'["\xff\xfe", NaN, 1e999]', [b'"\xff\xfe"', b"NaN", b"1e999"]),
        (b"[{]}, 1]", [b"{]", UNREADABLE]),
    ],
)
def test_keeps_what_stands_before_a_fault(body, items):
    assert list(array_items(body)) == items


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 500_000,
        b'["' + b"ab" * 250_000,
        b'["' + b'\\"' * 500_000,
        b'[{"a":' + b'"",' * 300_000,
        b'["' + b"\\" * 500_001,
    ],
)
def test_takes_linear_time_on_bombs(body):
    start = time.process_time()
    assert list(array_items(body)) == [UNREADABLE]
    assert time.process_time() - start < 2.0  # quadratic would be hours


def test_a_bomb_of_depth_costs_only_itself():
    bomb = b"[" * 50_000 + b"]" * 50_000
    assert list(array_items(b"[1," + bomb + b",2]")) == [b"1", bomb, b"2"]
