"""Many records counted as one give what each of them held."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.facts import Feature, FeatureKind, ModelName, Prediction, Schema
from monitor.panes.batch import encode_predictions
from monitor.panes.concat import concat as concat_of
from monitor.panes.decode import decode_predictions
from monitor.panes.rows import INVALID, MISSING

KINDS = {"x": FeatureKind.NUMERIC, "c": FeatureKind.CATEGORICAL}
SCHEMA = Schema(ModelName("m"), tuple(Feature(n, k) for n, k in KINDS.items()), ("a", "b"), "b")
CELLS = st.one_of(st.none(), st.floats(), st.text(max_size=3), st.booleans(), st.integers(-9, 9))


def batch(rows, schema=SCHEMA):
    made = [Prediction(f"id{i}", float(i), 0, 0.5, features, "s", 0.0) for i, features in enumerate(rows)]
    return decode_predictions(encode_predictions(made, schema))


def concat(parts):
    return concat_of(iter(parts), sum(part.n for part in parts))


def plain(rows, name):
    """A column as comparable cells."""
    column = rows.columns[name]
    if name == "x":
        return [repr(cells) for cells in zip(column.values, column.missing, column.invalid, strict=True)]
    return [column.values[code] if code >= 0 else code for code in column.codes.tolist()]


@given(st.lists(st.lists(st.fixed_dictionaries({"x": CELLS, "c": CELLS}), max_size=4), min_size=1, max_size=5))
def test_rows_put_end_to_end_are_the_same_rows(chunks):
    parts = [batch(chunk) for chunk in chunks]
    whole = concat(parts)
    assert whole.n == sum(part.n for part in parts)
    for name in KINDS:
        assert plain(whole, name) == [cell for part in parts for cell in plain(part, name)]


def test_a_column_that_a_record_lacks_is_missing_in_its_rows():
    narrow = Schema(ModelName("m"), SCHEMA.features[:1], ("a", "b"), "b")
    whole = concat([batch([{"x": 1.0}], narrow), batch([{"x": 2.0, "c": "k"}])])
    assert plain(whole, "c") == [MISSING, "k"]


def test_a_column_that_changed_its_kind_is_invalid_where_it_was_a_number():
    numeric = Schema(ModelName("m"), (Feature("c", FeatureKind.NUMERIC),), ("a", "b"), "b")
    whole = concat([batch([{"c": 1.0}, {"c": None}], numeric), batch([{"c": "k"}])])
    assert plain(whole, "c") == [INVALID, MISSING, "k"]


def test_a_column_that_became_a_number_is_invalid_there_and_stays_categorical():
    numeric = Schema(ModelName("m"), (Feature("c", FeatureKind.NUMERIC),), ("a", "b"), "b")
    whole = concat([batch([{"c": "k"}]), batch([{"c": 1.0}, {"c": None}], numeric), batch([{"c": "k"}])])
    assert plain(whole, "c") == ["k", INVALID, MISSING, "k"]


@pytest.mark.parametrize("n", [1, 3])
def test_other_rows_than_were_said_are_an_error(n):
    with pytest.raises(ValueError, match=r"^$"):
        concat_of([batch([{"x": 1.0}, {"x": 2.0}])], n)


def test_every_batch_may_be_forgotten_before_the_next_one_is_read():
    alive = []

    def parts():
        for i in range(3):
            part = batch([{"x": float(i), "c": "k"}])
            alive.append(weakref.ref(part.columns["x"].values))
            yield part
            del part
            assert alive[-1]() is None

    assert concat_of(parts(), 3).columns["x"].values.tolist() == [0.0, 1.0, 2.0]


def test_columns_without_a_flag_share_one_that_nobody_can_write():
    column = concat([batch([{"x": 1.0}]), batch([{"x": 2.0}])]).columns["x"]
    assert column.missing is column.invalid
    assert not column.missing.flags.writeable


def test_no_batches_give_no_rows():
    rows = concat([])
    assert (rows.n, rows.times.dtype, rows.outputs.dtype) == (0, np.float64, np.uint8)
