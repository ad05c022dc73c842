"""Compressed bodies are the bodies that they were, and a few bytes never become many."""

import gzip
import time
import zlib

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.ingest import inflate as module
from monitor.ingest.inflate import ENCODINGS, STEP, inflate
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused

PACK = {"gzip": gzip.compress, "zstd": lambda body: pa.compress(body, codec="zstd", asbytes=True)}
ROW = b'{"id": "f-1", "prediction": "late"}'
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


@each_encoding
@settings(max_examples=50)
@given(body=st.binary(max_size=5_000), times=st.integers(1, 300))
def test_gives_back_what_was_compressed(encoding, body, times):
    assert inflate(PACK[encoding](body * times), encoding, 5_000 * 300) == body * times


@each_encoding
@pytest.mark.parametrize("size", [0, 1, STEP - 1, STEP, STEP + 1, 3 * STEP])
def test_a_body_of_just_the_cap_is_whole_and_one_byte_more_is_too_large(encoding, size):
    assert len(inflate(PACK[encoding](bytes(size)), encoding, size)) == size
    with pytest.raises(Refused) as refused:
        inflate(PACK[encoding](bytes(size + 1)), encoding, size)
    assert (refused.value.status, refused.value.reason) == (413, "body_too_large")


@each_encoding
def test_parts_one_after_the_other_are_one_body(encoding):
    assert inflate(PACK[encoding](b"one ") + PACK[encoding](b"two"), encoding, 100) == b"one two"


@settings(max_examples=200)
@given(bodies=st.lists(st.binary(max_size=60), min_size=1, max_size=8), piece=st.integers(1, 40))
def test_members_are_whole_wherever_the_pieces_end_that_go_in(bodies, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", piece)
        assert inflate(b"".join(map(gzip.compress, bodies)), "gzip", 1_000) == b"".join(bodies)


def cpu_s(work):
    began = time.thread_time()
    work()
    return time.thread_time() - began


def test_many_members_cost_as_many_times_one():
    """Eight times as many take eight times as long; were the rest copied at the end of each, it would be fifty."""
    few, many = (gzip.compress(b"") * (1 << 13) * times for times in (1, 8))
    least = [min(cpu_s(lambda body=body: inflate(body, "gzip", 1)) for _ in range(3)) for body in (few, many)]
    assert least[1] < 20 * least[0]


@each_encoding
@settings(max_examples=100)
@given(cut=st.integers(0, 200))
def test_a_body_cut_short_is_400(encoding, cut):
    packed = PACK[encoding](bytes(range(256)))
    with pytest.raises(Refused) as refused:
        inflate(packed[: cut % len(packed)], encoding, 1_000)
    assert refused.value.status == 400


@each_encoding
@settings(max_examples=200)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), noise=st.binary(max_size=40))
def test_damage_is_refused_or_inflated_but_never_another_error(encoding, at, byte, noise):
    packed = bytearray(PACK[encoding](ROW * 50))
    packed[at % len(packed)] = byte
    for body in (bytes(packed), noise, bytes(packed) + noise):
        try:
            assert len(inflate(body, encoding, 4_000)) <= 4_000
        except Refused as refused:
            assert refused.status in (400, 413)  # noqa: PT017  # either is right


def test_a_gzip_checksum_that_is_wrong_is_400():
    packed = bytearray(gzip.compress(b"x" * 100))
    packed[-8] ^= 1
    with pytest.raises(Refused) as refused:
        inflate(bytes(packed), "gzip", 1_000)
    assert refused.value.status == 400


def test_zlib_and_raw_deflate_are_no_gzip():
    for packed in (zlib.compress(b"x"), zlib.compress(b"x", wbits=-15)):
        with pytest.raises(Refused):
            inflate(packed, "gzip", 1_000)


# ---------------------------------------------------------------- in a request


@each_encoding
@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
def test_any_content_type_may_be_compressed(service, encoding, kind):
    answer = service.predictions(PACK[encoding](ROW), kind=kind, content_encoding=encoding)
    assert (answer.status_code, answer.json()["accepted"], len(service.journal.rows)) == (200, 1, 1)
    assert service.counters.snapshot().in_flight_bytes == 0


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip, identity", "br", "deflate", "x-gzip"])
def test_any_other_encoding_is_415(service, encoding):
    answer = service.predictions(ROW, content_encoding=encoding)
    assert (answer.status_code, answer.json()["type"]) == (415, "urn:tocsin:problem:unsupported_type")


@each_encoding
def test_the_cap_is_that_of_the_inflated_body(open_service, encoding):
    service = open_service(limits=Limits(body_bytes_max=1_000))
    answer = service.predictions(PACK[encoding](ROW + b" " * 1_000), content_encoding=encoding)
    assert (answer.status_code, service.journal.submissions) == (413, [])
    assert service.predictions(PACK[encoding](ROW + b" " * 100), content_encoding=encoding).status_code == 200


@each_encoding
def test_the_budget_is_charged_for_the_inflated_body(open_service, encoding):
    service = open_service(limits=Limits(in_flight_bytes_max=1_000))
    answer = service.predictions(PACK[encoding](ROW + b" " * 1_000), content_encoding=encoding)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert service.counters.snapshot().in_flight_bytes == 0


@each_encoding
def test_a_damaged_body_is_400_and_nothing_is_written(service, encoding):
    answer = service.predictions(PACK[encoding](ROW)[:-5], content_encoding=encoding)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:tocsin:problem:encoding_invalid")
    assert not service.journal.submissions


def test_an_idempotency_key_stands_for_the_body_as_it_came(service):
    first, second = gzip.compress(ROW, 1, mtime=0), gzip.compress(ROW, 9, mtime=1)
    sent = [service.predictions(body, content_encoding="gzip", idempotency_key="k") for body in (first, first, second)]
    assert [answer.status_code for answer in sent] == [200, 200, 422]
