"""A receipt keeps what a late label needs, in as few bytes as promised."""

import numpy as np

from monitor.panes.count import NOT_ASKED
from monitor.panes.receipts import hash_source, receipt_dtype


def test_a_receipt_of_twenty_features_with_its_hash_is_below_64_bytes():
    assert receipt_dtype(20).itemsize == 44
    assert 8 + receipt_dtype(20).itemsize <= 64


def test_the_record_has_the_documented_fields_and_no_padding():
    offsets = {name: offset for name, (_, offset, *_) in receipt_dtype(3).fields.items()}
    assert offsets == {
        "time": 0,
        "epoch": 8,
        "output": 12,
        "known_good_output": 13,
        "score": 14,
        "segment": 18,
        "source": 20,
        "bins": 24,
    }


def test_receipts_keep_every_field_of_their_row(small, rows, receipts_of):
    some = rows({"x": [0.5, None], "c": ["blue", "pink"]}, outputs=[1, 0], scores=[0.75, np.nan], times=[5.5, 6.5])
    receipts = receipts_of(
        small,
        some,
        known_good=[0, NOT_ASKED],
        epochs=np.array([3, 4], np.uint32),
        segments=np.array([1, 0], np.uint16),
        sources=np.array([hash_source("ops"), 0], np.uint32),
    )
    assert receipts[0].tolist()[:-1] == (5.5, 3, 1, 0, 0.75, 1, hash_source("ops"))
    assert receipts["bins"].tolist() == [[1, 1], [4, 3]]
    assert np.isnan(receipts["score"][1])


def test_receipts_survive_the_way_through_bytes(small, rows):
    dtype = receipt_dtype(len(small.feature_cells))
    records = np.zeros(5, dtype)
    records["bins"] = 7
    assert np.array_equal(np.frombuffer(records.tobytes(), dtype), records)


def test_a_source_has_the_same_hash_everywhere():
    assert hash_source("ops") == 0x9E8332E8
    assert 0 <= hash_source("crowd/7") < 2**32
    assert hash_source("crowd/7") != hash_source("crowd/8")
