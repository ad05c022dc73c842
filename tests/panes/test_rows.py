"""Some of the rows are the same rows: by mask, by index, by slice."""

import numpy as np
from recorded import SCHEMA, row

from monitor.panes.batch import encode_predictions
from monitor.panes.decode import decode_predictions
from monitor.panes.rows import CategoricalColumn


def test_takes_by_mask_by_index_and_by_slice():
    rows = [row({"hour": i, "carrier": "AB"[i % 2]}, id=f"f-{i}", segment={"o": str(i)}) for i in range(4)]
    found = decode_predictions(encode_predictions(rows, SCHEMA))
    assert found.take(np.array([True, False, False, True])).ids.to_pylist() == ["f-0", "f-3"]
    assert found.take(np.array([3, 1])).columns["hour"].values.tolist() == [3.0, 1.0]
    assert found.take(slice(1, 3)).segments.tolist() == [{"o": "1"}, {"o": "2"}]
    carriers = found.take(np.array([1])).columns["carrier"]
    assert carriers.values[carriers.codes[0]] == "B"
    assert found.take(np.array([], np.intp)).n == 0


def test_categories_survive_take_as_codes():
    assert CategoricalColumn(np.array([0, -1], np.int32), ("a",)).take(np.array([1])).codes.tolist() == [-1]
