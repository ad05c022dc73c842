"""A digest names one content: what is written can be read, and nothing else can."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import Corrupt
from monitor.facts import Feature, FeatureKind, ModelName, Schema, Task
from monitor.panes.layout import Layout
from monitor.panes.reference import (
    FORMAT,
    CategoryBins,
    NumericBins,
    Reference,
    decode_reference,
    digest,
    encode_reference,
)

SCHEMA = Schema(
    ModelName("m"),
    (Feature("x", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL)),
    ("no", "yes"),
    "yes",
)
X, C = NumericBins("x", (0.0, 1.5, 2.0)), CategoryBins("c", ("red",), ("blue",))


def make(columns=(X, C), counts=(1, 2), **rest) -> Reference:
    return Reference(FORMAT, SCHEMA, columns, 3, 10.0, None, labelled=True, counts=counts, **rest)


# Written out, so that a new field in Schema or Reference that would make every stored profile unreadable shows here.
GOLDEN = (
    b'{"format":3,"schema":{"model":"m","features":[{"name":"x","kind":"numeric"},{"name":"c","kind":"categorical"}],'
    b'"classes":["no","yes"],"positive":"yes","task":"classification"},"columns":[{"kind":"numeric","name":"x","edges":[0.0,1.5,2.0],"centre":0.0,"scale":1.0},'
    b'{"kind":"categorical","name":"c","top":["red"],"known":["blue"]}],"rows":3,"start":10.0,"end":null,'
    b'"labelled":true,"counts":[1,2],"output":null,"groups":[],"error_scale":1.0,"errors":null,"large_error":0.0,"halves":[],"pairs":[],"slices":[],"rhythm":null,"expected":null}'
)


def test_the_stored_form_is_what_it_was_in_the_first_release():
    assert encode_reference(make()) == GOLDEN
    assert decode_reference(GOLDEN) == make()


def test_a_digest_is_the_sha256_of_the_bytes():
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


edges = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=21, unique=True).map(
    lambda values: tuple(sorted({value + 0.0 for value in values}))
)
names = st.lists(st.text(max_size=9), unique=True, max_size=20)


@given(edges, names, st.integers(0, 5), st.booleans())
@settings(max_examples=200)
def test_what_is_written_is_read_back_with_the_same_bytes(values, categories, top, complete):
    column = CategoryBins("c", tuple(categories[:top]), tuple(categories[top:]), complete)
    body = encode_reference(make((NumericBins("x", values), column)))
    assert encode_reference(decode_reference(body)) == body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"[" * 100_000,
        GOLDEN[:-1],
        GOLDEN + b" ",
        GOLDEN.replace(b",", b", ", 1),
        GOLDEN.replace(b"[1,2]", b"[1,2.0]"),
        GOLDEN.replace(b'"format":3', b'"format":4'),
        GOLDEN.replace(b'"x"', b'"\xff"'),
        GOLDEN.replace(b'"rows":3', b'"rows":3,"note":"kept"'),
        GOLDEN.replace(b"1.5", b"1.50"),
        GOLDEN.replace(b'"end":null', b'"end":null,"end":null'),
    ],
)
def test_anything_that_was_not_written_by_us_is_corrupt(body):
    with pytest.raises(Corrupt):
        decode_reference(body)


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ((C, X), (1,)),
        ((X,), (1,)),
        ((CategoryBins("x", ()), C), (1,)),
        ((NumericBins("x", (1.0, 1.0)), C), (1,)),
        ((NumericBins("x", (2.0, 1.0)), C), (1,)),
        ((NumericBins("x", tuple(map(float, range(22)))), C), (1,)),
        ((X, CategoryBins("c", ("red",), ("red",))), (1,)),
        ((X, CategoryBins("c", tuple(map(str, range(32))))), (1,)),
    ],
)
def test_a_profile_that_contradicts_itself_is_corrupt(columns, counts):
    with pytest.raises(Corrupt):
        decode_reference(encode_reference(make(columns, counts)))


def test_an_infinite_edge_cannot_be_smuggled_in():
    with pytest.raises(Corrupt):
        decode_reference(GOLDEN.replace(b"2.0]", b"1e999]"))


def test_counts_that_do_not_fit_the_columns_are_corrupt():
    with pytest.raises(Corrupt, match="counts where"):
        Layout.of(make())


def test_a_profile_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        make().rows = 4


@pytest.mark.parametrize(("edges", "bins"), [((), 0), ((1.0,), 1), ((1.0, 2.0), 1), ((1.0, 2.0, 3.0), 2)])
def test_edges_say_how_many_bins_there_are(edges, bins):
    assert NumericBins("x", edges).bins == bins


def test_msgspec_still_writes_floats_shortest():
    assert msgspec.json.encode([0.1, 5e-324, 1.7976931348623157e308, 2.0]) == b"[0.1,5e-324,1.7976931348623157e308,2.0]"


OUTPUT = NumericBins("output", (1.0, 2.0))


@pytest.mark.parametrize(
    "rest",
    [
        {"output": OUTPUT},
        {"groups": (0, 0)},
        {"groups": (2,)},
        {"error_scale": 3.0},
        {"error_scale": 0.0},
        {"columns": (NumericBins("x", (0.0,), 0.0, 0.3), C)},
        {"columns": (NumericBins("x", (0.0,), 0.0, 2.0**1010), C)},
    ],
)
def test_an_output_that_contradicts_the_task_is_corrupt(rest):
    with pytest.raises(Corrupt):
        decode_reference(encode_reference(make(**rest)))


def test_a_regression_needs_bins_of_its_output():
    schema = Schema(ModelName("m"), SCHEMA.features, task=Task.REGRESSION)
    good = msgspec.structs.replace(make(output=OUTPUT), schema=schema)
    assert decode_reference(encode_reference(good)) == good
    with pytest.raises(Corrupt, match="belong to its task"):
        decode_reference(encode_reference(msgspec.structs.replace(good, output=None)))


@pytest.mark.parametrize("old", [1, 2])
def test_older_formats_are_refused_with_what_to_do(old):
    body = GOLDEN.replace(b'"format":3', b'"format":%d' % old).replace(b',"rhythm":null', b"")
    with pytest.raises(Corrupt, match=f"format {old}, this version reads 3; build it again"):
        decode_reference(body)


def test_a_negative_count_is_corrupt_and_a_negative_sum_is_not():
    counts = np.zeros(Layout.draft(make()).size, np.int64)
    moments, output = Layout.draft(make()).moments.start, Layout.draft(make()).output.start
    counts[moments] = -5
    assert Layout.of(make(counts=tuple(counts.tolist()))).reference_pane().counts[moments] == -5
    counts[output] = -1
    with pytest.raises(Corrupt, match="negative"):
        Layout.of(make(counts=tuple(counts.tolist())))
