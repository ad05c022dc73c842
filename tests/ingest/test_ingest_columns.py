"""By columns or row by row: one of the two declines, or both say the same. The reference is the one that never does."""

import json
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest_service import DELAYS, DIGITS, NOW

from monitor.facts import Feature, FeatureKind, ModelName, RowKind, Schema
from monitor.ingest.accept import Known, Setting
from monitor.ingest.columns import read_clean
from monitor.ingest.counters import Claim
from monitor.ingest.decode import TYPED_FEATURES_MAX, decode_lines
from monitor.ingest.intake import ENCODED_ROWS_MIN, judge
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused
from monitor.panes.batch import encode_columns, encode_labels, encode_predictions
from monitor.panes.decode import decode_predictions

LIMITS = Limits(ahead_max_s=300, behind_max_s=86_400, rejections_max=3, row_bytes_max=6_000, rows_max=12)
KNOWN = {schema.model: Known.of(schema) for schema in (DELAYS, DIGITS)}
ALONE = Setting.of({DELAYS.model: KNOWN[DELAYS.model]}, "gateway-1", NOW, LIMITS)
SHARED = Setting.of(KNOWN, "gateway-1", NOW, LIMITS)
PREFIX = Setting.of({DELAYS.model: KNOWN[DELAYS.model]}, "crowd/*", NOW, LIMITS)

FEATURES = '{"hour": 5.5, "temp": -3, "carrier": "UA"}'
HONEST = {  # what a sender writes, as JSON text
    "id": ['"f-1"', '"f-2"', '"é"', "5", "-1", "0"],
    "time": [f"{NOW}", f"{NOW - 1}", f"{int(NOW)}", '"2013-03-01T05:15:00-05:00"', '"2013-03-01T10:15:00Z"', "null"],
    "model": ['"delays"', "null"],
    "bundle": ['"sha256:1"', '""', "null"],
    "features": [
        FEATURES,
        "{}",
        "null",
        '{"carrier": "", "hour": null}',
        '{"temp": true, "carrier": 7}',
        '{"hour":"x"}',
    ],
    "prediction": ['"late"', '"on_time"', '"other"', "1", "true", "0"],
    "scores": ["0.25", "1", '{"late": 0.75, "on_time": 0.25}', "[0.5, 0.5]", "null"],
    "segment": ['{"origin": "EWR"}', '{"b": "1", "a": "2"}', "{}", "null"],
    "source": ['"gateway-1"', '"crowd/alice"', "null"],
}
NUMBERS = ["-0", "-0.0", "1.0", "5.5", "1e2", "1e999", "-1e999", "5e-324", "9007199254740993", "18446744073709551616"]
NUMBERS += ["-9223372036854775809", "1" + "0" * 310, "9" * 400, "-" + "9" * 400, "9" * 4_400, "NaN", "-Infinity", "01"]
TEXTS = [
    '""',
    '"\\ud800"',
    '"\\udc00"',
    '"\\ud83d\\ude00"',
    '"\\u0000"',
    '"a\\nb"',
    '"\x7f"',
    '"\t"',
    '"' + "é" * 256 + '"',
]
TEXTS += [
    '"' + "x" * 257 + '"',
    '"5"',
    '"crowd/"',
    '"crowd/a\\n"',
    '"delays"',
    '"digits"',
    '"ops"',
    '"2013-03-01T10:15:00"',
]
OTHERS = [
    "null",
    "true",
    "false",
    "[]",
    "[1]",
    "{}",
    '{"a": 1}',
    '{"a": "b"}',
    '{"late": 2}',
    '{"late": true}',
    "[2, 0]",
]
OTHERS += [
    '{"late": null}',
    "[0.1, 0.2, 0.7]",
    "[true, false]",
    '{"a": null}',
    '{"late": 0.5, "x": "y"}',
    "",
    "x",
    "[[]]",
]
OTHERS += [f"{NOW + 300}", f"{NOW + 301}", f"{NOW - 86_400}", f"{NOW - 86_401}", "1.5", "-0.5", '{"": ""}', "{" * 2_000]
OTHERS += [json.dumps({str(at): "x" for at in range(9)}), json.dumps({"a": "x" * 129}), '{"late": 0.1, "late": 0.9}']
CELLS = [f'{{"{name}": {cell}}}' for name, cell in product(("hour", "carrier"), NUMBERS + TEXTS + OTHERS)]
ODD_FEATURES = [*CELLS, '{"salary": 1}', '{"hour": 1, "hour": 2}', '{"hour": "x", "hour": null}', '{"\\u0068our": 3}']
ODD_FEATURES += [
    '{"hour": 1, "Hour": 2}',
    '{"f0": 1}',
    '{"carrier": "UA", "temp": 1, "hour": 2}',
    '{"": 1}',
    '{"\\ud800": 1}',
]
ODD = dict.fromkeys(HONEST, NUMBERS + TEXTS + OTHERS) | {"features": ODD_FEATURES + NUMBERS + TEXTS + OTHERS}
LINES = ["", " ", "\r", "null", "7", "[]", "{}", "{", "}", '{"id": "a"', '"x"', "NaN", '{"id": "a", "prediction": 1} x']
LINES += [
    '{"id": "a", "prediction": 1}{"id": "b", "prediction": 1}',
    '{"id":',
    '"a", "prediction": 1}',
    "\x00",
    "\ufeff{}",
]
LINES += ['\t{"id": "a", "prediction": "late"} \r', '{"id": "a", "id": "b", "prediction": "late", "extra": [{}]}']
LINES += [
    '{"id": "a", "prediction": "late", "bundle": "' + "x" * 6_000 + '"}',
    '{"id": "a", "prediction": 1, "x": NaN}',
]
ROW = {"id": '"f-1"', "prediction": '"late"'}


def line(row):
    return "{" + ", ".join(f'"{name}": {value}' for name, value in row.items()) + "}"


def both(body, setting=ALONE, limits=LIMITS):
    """Whether it was read by columns; fails if these are not what the rows say."""
    clean = read_clean(body, setting, limits)
    if clean is None:
        return False
    accepted, tally = judge(RowKind.PREDICTIONS, body, decode_lines, setting, limits)
    ((model, rows),) = accepted.items()
    assert (clean.schema.model, clean.tally) == (model, tally)
    assert clean.columns.ids == [row.id for row in rows]
    assert clean.columns.arrivals == [row.arrival for row in rows]
    assert encode_columns(clean.columns, clean.schema) == encode_predictions(rows, KNOWN[model].schema)
    return True


def lines(*rows):
    return "\n".join(row if isinstance(row, str) else line(row) for row in rows).encode("utf-8", "surrogatepass")


# ---------------------------------------------------------------- what is read by columns


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in HONEST.items() for value in values])
def test_reads_what_honest_senders_write(name, value):
    same = {"source": value} if name == "source" else {"source": '"crowd/alice"'}
    assert both(lines(*[ROW | {name: value}] * 3))
    assert both(lines(*[ROW | same | {name: value}] * 3), PREFIX) == (
        value not in ('"gateway-1"', "null") or name != "source"
    )


@settings(max_examples=200)
@given(st.data())
def test_reads_any_mix_of_what_honest_senders_write(data):
    named = data.draw(st.sampled_from(HONEST["model"]))
    row = st.fixed_dictionaries(
        {"id": st.sampled_from(HONEST["id"]), "prediction": st.sampled_from(HONEST["prediction"])},
        optional={name: st.sampled_from(values) for name, values in HONEST.items() if name not in (*ROW, "model")},
    )
    rows = data.draw(st.lists(row, min_size=1, max_size=8))
    assert both(lines(*[each | {"model": named} for each in rows]), ALONE)


@settings(max_examples=100)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), min_size=1, max_size=8))
def test_a_number_is_the_same_double_by_either_way(numbers):
    assert both(lines(*[ROW | {"features": json.dumps({"hour": number})} for number in numbers]))


def test_of_several_models_the_first_row_names_the_one():
    assert both(lines(*[ROW | {"model": '"digits"', "features": '{"ink": 1}', "scores": "[0, 1, 0]"}] * 2), SHARED)
    assert not both(lines(ROW, ROW), SHARED)
    assert not both(lines(ROW | {"model": '"digits"'}, ROW | {"model": '"delays"'}), SHARED)
    assert not both(lines(ROW | {"model": '"digits"', "features": '{"hour": 1}'}), SHARED)


def test_a_class_is_named_by_its_json_text_whatever_else_equals_it():
    schema = Schema(ModelName("odd"), (), ("1", "true", "9007199254740993", "0"), None)
    setting = Setting.of({schema.model: Known.of(schema)}, "gw", NOW, LIMITS)
    sent = ["1", "true", "1.0", '"1"', "9007199254740993", "0", "false", '"true"', "-0.0"]
    clean = read_clean(lines(*[ROW | {"prediction": value} for value in sent]), setting, LIMITS)
    assert clean.columns.outputs == [0, 1, 0, 0, 2, 3, 4, 1, 3]


def test_a_dropped_claim_is_counted_once_a_row():
    rows = [ROW | {"source": '"ops"', "scores": "7", "bundle": f'"{"x" * 300}"', "segment": '{"a": "b"}'}] * 3
    clean = read_clean(lines(*rows), ALONE, LIMITS)
    assert clean.tally.dropped == {Claim.SOURCE: 3, Claim.SCORES: 3, Claim.BUNDLE: 3}
    assert both(lines(*rows))


def test_feature_names_may_be_any_text():
    names = ("", "id", "f1", "f0", "class", "a b", "é", "__init__", "😀", "None")
    schema = Schema(ModelName("odd"), tuple(Feature(name, FeatureKind.NUMERIC) for name in names), ("a", "b"), "a")
    setting = Setting.of({schema.model: Known.of(schema)}, "gw", NOW, LIMITS)
    row = ROW | {"features": json.dumps({name: at for at, name in enumerate(names)})}
    clean = read_clean(lines(row, row), setting, LIMITS)
    assert clean.columns.cells == [[at, at] for at in range(len(names))]


# ---------------------------------------------------------------- what is not, or is the same


@pytest.mark.parametrize("setting", [ALONE, SHARED, PREFIX], ids=["alone", "shared", "prefix"])
@pytest.mark.parametrize("name", HONEST)
def test_one_odd_value_is_declined_or_judged_as_a_row_is(name, setting):
    row = ROW | {"model": '"delays"', "source": '"crowd/bob"', "features": FEATURES, "scores": "0.5"}
    for value, at in product(ODD[name], (0, 1)):
        rows = [row, row | {"id": '"f-2"'}]
        rows[at] = rows[at] | {name: value}
        both(lines(*rows), setting)
        both(lines(*[rows[at]] * 2), setting)


@pytest.mark.parametrize("odd", LINES)
def test_one_odd_line_is_declined_or_judged_as_a_row_is(odd):
    for body in product((odd, line(ROW)), repeat=3):
        both(lines(*body))
    both(lines(line(ROW), odd, line(ROW)).replace(b"\n", b"\r\n"))


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf" + lines(ROW), lines(ROW) + b"\n", b"\xff"]
)
def test_the_ends_of_a_body_are_declined_or_judged_alike(body):
    assert both(body) == (b"id" in body)


@settings(max_examples=400)
@given(st.data())
def test_any_mix_of_honest_and_odd_is_declined_or_judged_as_rows_are(data):
    honest = st.fixed_dictionaries(
        {"id": st.sampled_from(HONEST["id"]), "prediction": st.sampled_from(HONEST["prediction"])},
        optional={name: st.sampled_from(values) for name, values in HONEST.items() if name not in ROW},
    )
    rows = data.draw(st.lists(honest | st.just(ROW), min_size=1, max_size=5))
    for _ in range(data.draw(st.integers(0, 2))):
        name, at = data.draw(st.sampled_from(sorted(ODD))), data.draw(st.integers(0, len(rows) - 1))
        rows[at] = rows[at] | {name: data.draw(st.sampled_from(ODD[name]))}
    rows += data.draw(st.lists(st.sampled_from(LINES), max_size=1))
    both(lines(*rows), data.draw(st.sampled_from([ALONE, SHARED, PREFIX])))


@settings(max_examples=200)
@given(st.binary(max_size=12), st.integers(0, 200), st.integers(0, 12))
def test_damaged_bytes_are_declined_or_judged_as_rows_are(noise, at, length):
    body = lines(*[ROW | {"features": FEATURES, "scores": "0.5", "time": f"{NOW}"}] * 2)
    both(body[:at] + noise + body[at + length :])


def test_fewer_rows_than_asked_for_are_declined():
    assert read_clean(lines(ROW, ROW), ALONE, LIMITS, rows_min=2) is not None
    assert read_clean(lines(ROW) + b"\n", ALONE, LIMITS, rows_min=2) is None


@pytest.mark.parametrize("rows", [LIMITS.rows_max + 1, LIMITS.rows_max + 2])
def test_too_many_rows_are_declined_so_that_they_are_refused(rows):
    assert not both(lines(*[ROW] * LIMITS.rows_max + [""]) + b"\n")
    assert both(lines(*[ROW] * LIMITS.rows_max))
    assert read_clean(lines(*[ROW] * rows) + b"\n", ALONE, LIMITS) is None
    with pytest.raises(Refused):
        judge(RowKind.PREDICTIONS, lines(*[ROW] * rows) + b"\n", decode_lines, ALONE, LIMITS)


@pytest.mark.parametrize("names", [('quote"',), ("back\\slash",), ("\n",), map(str, range(TYPED_FEATURES_MAX + 1))])
def test_names_that_no_struct_can_have_are_left_to_the_rows(names):
    schema = Schema(ModelName("odd"), tuple(Feature(name, FeatureKind.NUMERIC) for name in names), ("a", "b"), "a")
    assert read_clean(lines(ROW), Setting.of({schema.model: Known.of(schema)}, "gw", NOW, LIMITS), LIMITS) is None


# ---------------------------------------------------------------- in a request


def encode(kind, _model, rows):
    return encode_predictions(rows, DELAYS) if kind is RowKind.PREDICTIONS else encode_labels(rows)


def posted(service, rows, monkeypatch, *, by_rows):
    if by_rows:
        monkeypatch.setattr("monitor.ingest.intake.read_clean", lambda *_: None)
    answer = service.lines(lines(*rows), idempotency_key="k")
    return answer.status_code, answer.content, service.journal.submissions, service.counters.snapshot()


@pytest.mark.parametrize("odd", [ROW, ROW | {"source": '"ops"'}, ROW | {"scores": "2"}, {"id": "1"}, "null", ""])
def test_a_request_is_answered_counted_and_written_alike(open_service, odd, monkeypatch):
    rows = [ROW | {"id": f'"{at % 250}"', "features": FEATURES} for at in range(300)] + [odd]
    found = [posted(open_service(encode=encode), rows, monkeypatch, by_rows=each) for each in (False, True)]
    assert found[0] == found[1]
    assert found[0][0] == 200


def test_a_clean_request_never_becomes_rows(open_service, monkeypatch):
    monkeypatch.setattr("monitor.ingest.intake.judge", None)
    service = open_service(encode=encode)
    assert service.lines(lines(*[ROW] * ENCODED_ROWS_MIN)).json()["duplicates"] == ENCODED_ROWS_MIN - 1
    (submission,) = service.journal.submissions
    assert (submission.count, submission.encoded.arrival, submission.rows) == (ENCODED_ROWS_MIN, NOW, [])
    assert decode_predictions(submission.encoded.body).n == ENCODED_ROWS_MIN


def test_few_rows_stay_rows_so_that_the_journal_can_put_requests_together(open_service, monkeypatch):
    monkeypatch.setattr("monitor.ingest.columns.model_of", None)
    service = open_service(encode=encode)
    assert service.lines(lines(*[ROW] * (ENCODED_ROWS_MIN - 1))).json()["accepted"] == 1
    assert len(service.journal.rows) == ENCODED_ROWS_MIN - 1


def test_lines_under_another_content_type_are_no_predictions(open_service):
    service = open_service(encode=encode)
    assert service.predictions(lines(*[ROW] * ENCODED_ROWS_MIN)).status_code == 422
    assert not service.journal.submissions


def test_labels_are_never_taken_for_predictions(open_service):
    service = open_service(encode=encode)
    body = lines(*[ROW | {"label": "1"}] * ENCODED_ROWS_MIN)
    assert service.labels(body, kind="application/x-ndjson").json()["accepted"] == ENCODED_ROWS_MIN
    assert [each.kind for each in service.journal.submissions] == [RowKind.LABELS]
