"""Bytes -> envelopes, by content type. Nothing here judges a value: an envelope holds whatever the sender wrote.

    body -> [one msgspec decode]                                        all rows readable: nearly always
         -> cut into items -> [msgspec per item] -> [json per item]     a row is unreadable, or spelled oddly

Every field is `Any`: a cell of the wrong type must not cost its row, so types are judged where they are understood (the
envelope in accept.py, cells in monitor.panes.cells). msgspec refuses NaN, 1e400 and lone surrogates, which say
something about one cell only; the standard library reads them, slowly. What neither reads is a row of its own,
MALFORMED. So a row is judged alike whatever its neighbours are. NDJSON is decoded line by line: as fast as at once, and
the parser never holds the interpreter for long.

`typed_rows` is a second reading of the same rows for columns.py: the features of one schema become the fields of a
struct, so that a row needs no dict. Its types are so wide that a value it reads is the value that `Any` would read, but
for integers in numeric cells, times and scores, which become the double that they stand for. What else it meets, it
refuses.

Of duplicate keys the last wins in both parsers (RFC 8259 leaves it open). msgspec does not tell that there were any;
the standard library does, so they are counted (Claim.REPEATED_KEY, once a row) in rows that it had to read, and in no
others: looking for them everywhere would cost every row a second reading.

Cost (2 cores, CPython 3.11, 2026-11), 20 features, 500 bytes: 2.0 us a row in an array, 2.4 us in lines; 13 us for a
row spelled oddly, 22 us for a row of an array that had to be cut. Failure mode: time, bounded by `body_bytes_max`: the
worst array of 16 MiB keeps the parser busy for 3 s; one that msgspec reads holds the interpreter for 12 ms a MiB.

A new format of rows is one entry in DECODERS; a compressed body is inflated before it gets here.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec

from monitor.facts import FeatureKind, RejectReason, Schema, Task
from monitor.ingest.counters import AdmissionReason, Claim
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Refused
from monitor.ingest.split import array_items


class PredictionRow(msgspec.Struct, gc=False):
    """A prediction as it was sent; None where nothing was."""

    id: Any = None
    time: Any = None
    model: Any = None
    bundle: Any = None
    features: Any = None
    prediction: Any = None
    scores: Any = None
    segment: Any = None
    source: Any = None


class LabelRow(msgspec.Struct, gc=False):
    """A label as it was sent; None where nothing was."""

    id: Any = None
    time: Any = None
    prediction_time: Any = None
    model: Any = None
    label: Any = None
    source: Any = None


Row = TypeVar("Row", PredictionRow, LabelRow)


@dataclass(frozen=True, slots=True)
class Envelope(Generic[Row]):
    """One of the two kinds of row, with its parsers."""

    kind: type[Row]
    one: msgspec.json.Decoder[Row]
    many: msgspec.json.Decoder[list[Row]]


PREDICTIONS: Final = Envelope(
    PredictionRow, msgspec.json.Decoder(PredictionRow), msgspec.json.Decoder(list[PredictionRow])
)
LABELS: Final = Envelope(LabelRow, msgspec.json.Decoder(LabelRow), msgspec.json.Decoder(list[LabelRow]))

TYPED_FEATURES_MAX: Final = 64  # a struct finds a field out of order by search: 64 features shuffled take 10 us, not 5

BOM: Final = b"\xef\xbb\xbf"
_BLANK: Final = b" \t\r\n"
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


_PREDICTION: Final[Mapping[Task, Any]] = {
    Task.CLASSIFICATION: str | int | float | bool | None,
    Task.REGRESSION: float | None,  # an integer becomes the double that counts
    Task.RANKING: list[Any] | int | float | None,
}


class Decoder(Protocol):
    """How the bodies of one content type are read. Refused (413) if one holds too much, perhaps only while iterated."""

    def __call__(
        self, body: bytes, envelope: Envelope[Row], limits: Limits, dropped: Counter[Claim], /
    ) -> Iterable[Row | RejectReason]:
        """The rows in order; a reason stands for a row that could not be read. Counts into `dropped` while iterated."""
        ...


def decode_json(
    body: bytes, envelope: Envelope[Row], limits: Limits, dropped: Counter[Claim]
) -> Iterable[Row | RejectReason]:
    """Read a JSON object as one row, an array as many. Refused (413) if it holds too much."""
    text = body.removeprefix(BOM).strip(_BLANK)
    if not text.startswith(b"["):
        return [_row(text, envelope, limits, dropped)]
    if text.count(b"{") + text.count(b"[") > limits.rows_max * limits.containers_per_row:
        raise too_many_rows()
    try:
        rows = envelope.many.decode(text)
    except UNREADABLE:
        return _counted((_row(item, envelope, limits, dropped) for item in array_items(text)), limits)
    return _counted(rows, limits)


def decode_lines(
    body: bytes, envelope: Envelope[Row], limits: Limits, dropped: Counter[Claim]
) -> Iterable[Row | RejectReason]:
    """Read NDJSON: a row a line, LF or CRLF, blank lines skipped. Refused (413) if there are too many lines."""
    if body.count(b"\n") > limits.rows_max:
        raise too_many_rows()
    return _lines(body.removeprefix(BOM), envelope, limits, dropped)


DECODERS: Final[Mapping[str, Decoder]] = {
    "application/json": decode_json,
    "application/x-ndjson": decode_lines,
}


ARROW: Final = "application/vnd.apache.arrow.stream"  # is not read as rows: monitor.ingest.arrow
CONTENT_TYPES: Final = (*DECODERS, ARROW)


def typed_rows(schema: Schema) -> "msgspec.json.Decoder[Any] | None":
    """Make what reads a prediction of this schema: fields as PredictionRow, `features` a struct with a field for each.

    The fields of `features` are in the schema's order; null and absent are None. A name that the schema lacks, a cell
    that is an array or an object, or an envelope of unlikely types is a DecodeError. None: no struct can have such
    names (quotes, control characters), or so many.
    """
    fields: list[tuple[str, Any, Any]] = [
        (
            f"f{at}",
            float | str | bool | None if each.kind is FeatureKind.NUMERIC else float | int | str | bool | None,
            None,
        )
        for at, each in enumerate(schema.features)
    ]
    names = {f"f{at}": each.name for at, each in enumerate(schema.features)}
    if len(fields) > TYPED_FEATURES_MAX:
        return None
    try:
        features = msgspec.defstruct("Features", fields, rename=names, forbid_unknown_fields=True, gc=False)
    except ValueError:
        return None
    types: dict[str, Any] = {
        "id": str | int | float | None,  # float beside int, so that 5.0 can never be read as 5
        "time": float | str | None,
        "model": str | None,
        "bundle": str | None,
        "features": features | None,
        "prediction": _PREDICTION[schema.task],
        "scores": float | list[float] | dict[str, float] | None,
        "segment": dict[str, str] | None,
        "source": str | None,
    }
    return msgspec.json.Decoder(
        msgspec.defstruct("Typed", [(name, each, None) for name, each in types.items()], gc=False)
    )


def too_many_rows() -> Refused:
    """The error for a request with more rows than `rows_max`."""
    return Refused(413, AdmissionReason.TOO_MANY_ROWS.value, "the request holds too many rows; send several")


def _lines(
    body: bytes, envelope: Envelope[Row], limits: Limits, dropped: Counter[Claim]
) -> Iterator[Row | RejectReason]:
    decode = envelope.one.decode
    for line in body.split(b"\n"):
        if len(line) <= limits.row_bytes_max:
            try:
                yield decode(line)
                continue
            except UNREADABLE:
                pass
        if text := line.strip(_BLANK):
            yield _row(text, envelope, limits, dropped)


def _counted(rows: Iterable[Row | RejectReason], limits: Limits) -> Iterator[Row | RejectReason]:
    """Pass rows through until there are too many."""
    for index, row in enumerate(rows):
        if index >= limits.rows_max:
            raise too_many_rows()
        yield row


# ---------------------------------------------------------------- one item


def _row(text: bytes, envelope: Envelope[Row], limits: Limits, dropped: Counter[Claim]) -> Row | RejectReason:
    """Read one item by whichever parser can."""
    if len(text) > limits.row_bytes_max:
        return RejectReason.MALFORMED
    try:
        return envelope.one.decode(text)
    except UNREADABLE:
        return _tolerant(text, envelope.kind, dropped)


def _tolerant(text: bytes, kind: type[Row], dropped: Counter[Claim]) -> Row | RejectReason:
    repeated = False

    def as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        repeated |= len(found) < len(pairs)
        return found

    try:
        value = json.loads(text.decode(), parse_int=_integer, object_pairs_hook=as_dict)
    except (ValueError, RecursionError):
        return RejectReason.MALFORMED
    if not isinstance(value, dict):
        return RejectReason.NOT_AN_OBJECT
    dropped[Claim.REPEATED_KEY] += repeated
    return kind(**{name: value[name] for name in kind.__struct_fields__ if name in value})


def _integer(digits: str) -> int | float:
    """Read an integer; one that no double can hold (and that would take quadratic time) becomes +-inf."""
    return int(digits) if len(digits) <= 310 else float(digits)
