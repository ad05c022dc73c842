"""Keys of ids are what the standard says, whatever the ids look like and however they are laid out."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from monitor.panes import ids as module
from monitor.panes.ids import count_repeated, first_places, hash_ids

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
RFC_KEY = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
RFC_MESSAGE = bytes.fromhex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411")


def one(text: str, secret: bytes) -> int:
    """The key of one id, by another implementation."""
    cmac = CMAC(algorithms.AES(hashlib.blake2b(secret, digest_size=16, person=b"tocsin.ids").digest()))
    cmac.update(text.encode())
    return int.from_bytes(cmac.finalize()[:8], "little")


@given(st.lists(TEXT, max_size=20), st.binary(max_size=80))
def test_a_key_is_the_cmac_of_the_id(texts, secret):
    assert hash_ids(texts, secret).tolist() == [one(text, secret) for text in texts]


@given(st.lists(TEXT, max_size=20), st.integers(0, 20), st.integers(0, 20))
def test_a_slice_of_ids_has_the_keys_of_its_ids(texts, start, length):
    array = pa.array(texts, pa.string())
    assert hash_ids(array.slice(start, length), b"s").tolist() == hash_ids(texts, b"s")[start : start + length].tolist()


@pytest.mark.parametrize("length", [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 256])
def test_any_length_will_do(length):
    assert hash_ids(["x" * length], b"s").tolist() == [one("x" * length, b"s")]


@pytest.mark.parametrize(
    ("length", "mac"), [(0, "bb1d6929e9593728"), (16, "070a16b46b4d4144"), (40, "dfa66747de9ae630")]
)
def test_agrees_with_the_examples_of_rfc_4493(length, mac, monkeypatch):
    monkeypatch.setattr(module, "_key", lambda _: RFC_KEY)
    padded = np.frombuffer(RFC_MESSAGE[:length] + bytes(16), np.uint8)
    starts, lengths = np.zeros(1, np.int64), np.array([length])
    found = module._keys(b"", padded, starts, lengths)
    assert found.tobytes().hex() == mac


def test_keys_do_not_depend_on_how_many_ids_come_at_once(monkeypatch):
    texts = [f"f-{i}" * (i % 5) for i in range(100)]
    whole = hash_ids(texts, b"s")
    monkeypatch.setattr(module, "_CHUNK", 7)
    assert hash_ids(texts, b"s").tolist() == whole.tolist()


def test_another_secret_gives_other_keys():
    texts = [f"f-{i}" for i in range(1000)]
    first, second = hash_ids(texts, b"one"), hash_ids(texts, b"two")
    assert first.dtype == np.uint64
    assert len(set(first.tolist()) | set(second.tolist())) == 2000


def test_no_ids_have_no_keys():
    assert hash_ids([], b"secret").shape == (0,)


@given(st.integers(0, 40), st.integers(1, 20), st.binary(max_size=8))
def test_texts_of_one_length_have_the_keys_they_have_among_others(length, rows, secret):
    texts = [f"{row:x}".rjust(length, "-")[:length] for row in range(rows)]
    assert hash_ids(texts, secret).tolist() == [one(text, secret) for text in texts]


def repeated(texts):
    return len(texts) - len(set(texts))


@given(st.lists(TEXT | st.sampled_from(["", "a", "aa", "a\0", "12345678", "123456789"]), max_size=30))
def test_repeated_ids_are_counted(texts):
    assert count_repeated(pa.array(texts, pa.string())) == repeated(texts)


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 10), st.integers(2, 20))
def test_repeated_ids_of_one_length_are_counted_in_any_slice(numbers, start, width):
    texts = [f"{number:0{width}}" for number in numbers]
    assert count_repeated(pa.array(texts, pa.string()).slice(start)) == repeated(texts[start:])


def test_ids_that_share_a_number_are_still_told_apart(monkeypatch):
    monkeypatch.setattr(module, "_mixed", lambda starts, lengths, data: np.zeros(len(starts), np.uint64))
    assert count_repeated(pa.array(["a", "b", "a", "c"])) == 1


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 5), max_size=40))
def test_the_first_place_of_each_key_is_found(keys):
    array = np.array(keys, np.uint64)
    assert first_places(array).tolist() == np.unique(array, return_index=True)[1].tolist()
