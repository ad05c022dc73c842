"""POST /v1/predictions and /v1/labels: admit, read, decode, judge, append, and only then answer.

A request may hold rows of several models; each becomes one submission. Under an Idempotency-Key the first carries the
key itself and is written first, so that a repetition is known before anything else is written; the others carry the
key with their model, so that a repetition after a crash in between completes the request and counts nothing twice.
The answer is made before the append and stored with it. A request of which nothing was acceptable writes nothing, hence
is judged anew when it is repeated.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, TypeVar

import msgspec

from monitor.clock import Clock
from monitor.errors import Rejected, Transient
from monitor.facts import Encoded, Idempotency, ModelName, RowKind, Schema, Submission
from monitor.ingest.accept import Known, Rows, Setting, Tally, accept_labels, accept_predictions
from monitor.ingest.admission import Admission
from monitor.ingest.arrow.judge import Ready, judge_stream
from monitor.ingest.columns import Clean, read_clean
from monitor.ingest.counters import AdmissionReason, Claim, Counters
from monitor.ingest.decode import ARROW, CONTENT_TYPES, DECODERS, LABELS, PREDICTIONS, Decoder, decode_lines
from monitor.ingest.endpoint import Call
from monitor.ingest.inflate import ENCODINGS, inflate
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Answer, Refused, retry_after
from monitor.ingest.rates import Rates
from monitor.ingest.tokens import Token
from monitor.ingest.wire import Accepted
from monitor.panes.batch import encode_columns
from monitor.panes.ids import count_repeated
from monitor.panes.volume import MANY

KEY_MAX: Final = 255
ENCODED_ROWS_MIN: Final = 200  # a record of fewer rows is mostly its own head (2.6 KB)
COME_AGAIN: Final = (429, 503)  # rows that may have been good were turned away, unread or unwritten
JOURNAL_RETRY_S: Final = 5  # where the journal does not say: a full disk or a stop is not over in a second


class Journal(Protocol):
    """Where accepted rows become durable."""

    def append(self, submission: Submission) -> "asyncio.Future[bytes | None]":
        """Resolves after fsync: None, or the stored answer of an earlier request with the same key.

        Rejected("idempotency_conflict") if the key came with another body; Transient if nothing can be written now.
        """
        ...


T = TypeVar("T")
Schemas = Callable[[], Mapping[ModelName, Schema]]
Encode = Callable[[RowKind, ModelName, Sequence[Any]], bytes]


@dataclass(slots=True)
class Intake:
    """The two routes that rows come in by."""

    journal: Journal
    clock: Clock
    schemas: Schemas
    limits: Limits
    counters: Counters
    admission: Admission
    parser: Executor  # one thread
    rates: Rates
    encode: Encode | None = None  # rows to the body of a journal record; None leaves it to the journal
    refused: Callable[[int], None] = lambda _: None  # told how many predictions came and were not taken
    _known: dict[ModelName, Known] = field(default_factory=dict)

    async def predictions(self, call: Call) -> Answer:
        """Take scored rows."""
        try:
            return await self._take(call, RowKind.PREDICTIONS)
        except Refused as refused:
            if refused.status in COME_AGAIN:
                self.refused(MANY)
            raise

    async def labels(self, call: Call) -> Answer:
        """Take the truth for earlier rows."""
        return await self._take(call, RowKind.LABELS)

    async def _take(self, call: Call, kind: RowKind) -> Answer:
        content, encoding, key = _content_type(call), _encoding(call), _idempotency_key(call)
        assert call.token is not None, "intake routes have scopes"
        rate = call.token.rate(self.limits.rows_per_second)
        self.rates.check(call.token.id, rate)
        with self.admission.admit(call.content_length, self.limits.body_bytes_max) as ticket:
            body = sent = await ticket.read(call.receive)
            self.counters.body_bytes += len(sent)
            if encoding is not None:
                body = await self._apart(partial(inflate, sent, encoding, self.limits.body_bytes_max))
                ticket.charge(len(body))
            setting = Setting.of(self._models(), call.token.source, self.clock.now(), self.limits)
            work = partial(self._judged, kind, body, content, setting)
            judged = work() if len(body) <= self.limits.inline_bytes_max else await self._apart(work)
            self.rates.charge(call.token.id, rate, judged.rows)
            if not judged.submissions and judged.tally.rejected:
                self._count(kind, judged.tally)
                raise _nothing_acceptable(judged.tally)
            submissions = _promised(judged.submissions, _idempotency(call.token, key, sent, judged.answer))
            return Answer(200, await self._append(kind, submissions, judged.tally, judged.answer))

    def _judged(self, kind: RowKind, body: bytes, content: str, setting: Setting) -> "Judged":
        """Judge the rows: by columns if they come so, or are many and clean; else row by row."""
        if content == ARROW:
            return _columns(kind, *judge_stream(kind, body, setting, self.limits), len(body))
        decoder = DECODERS[content]
        if self.encode is not None and kind is RowKind.PREDICTIONS and decoder is decode_lines:
            clean = read_clean(body, setting, self.limits, ENCODED_ROWS_MIN)
            if clean is not None:
                return _clean(clean, len(body))
        return self._by_rows(kind, body, decoder, setting)

    def _by_rows(self, kind: RowKind, body: bytes, decoder: Decoder, setting: Setting) -> "Judged":
        """Judge the rows one by one and, where they are many, make the journal's record of them at once.

        The thread that decoded them has them in its cache, and frees them there too; handed over as rows, turning them
        into columns on the writer's thread took three times as long (measured 2026-11: 3.7 against 1.3 us a row). Few
        rows are left to the writer, which puts those of many requests into one record.
        """
        rows, tally = judge(kind, body, decoder, setting, self.limits)
        if kind is RowKind.PREDICTIONS:
            for model, each in rows.items():
                setting.bound_cells(setting.models[model], len(each))
        total, size = sum(map(len, rows.values())), len(body)
        repeated = (
            sum(_repeated([row.id for row in each]) for each in rows.values()) if kind is RowKind.PREDICTIONS else 0
        )
        answer = msgspec.json.encode(_accepted(total, repeated, tally))
        submissions = [self._submission(kind, model, each, size * len(each) // total) for model, each in rows.items()]
        return Judged(submissions, tally, answer)

    def _submission(self, kind: RowKind, model: ModelName, rows: list[Any], size: int) -> Submission:
        if self.encode is None or len(rows) < ENCODED_ROWS_MIN:
            if kind is RowKind.PREDICTIONS:  # as large as its cells are: absent ones fill the writer's record, too
                size = max(size, len(rows) * len(self._known[model].schema.features))
            return Submission(kind, model, rows, size)
        ready = Encoded(self.encode(kind, model, rows), len(rows), rows[0].arrival)
        return Submission(kind, model, [], size, encoded=ready)

    async def _apart(self, work: Callable[[], T]) -> T:
        """Work in the parser's thread: one at a time, and the loop stays awake."""
        return await asyncio.get_running_loop().run_in_executor(self.parser, work)

    async def _append(self, kind: RowKind, submissions: Sequence[Submission], tally: Tally, answer: bytes) -> bytes:
        """Wait until all is durable; the answer to give, which for a repetition is the earlier one."""
        try:
            earlier = [await self.journal.append(submission) for submission in submissions[:1]]
            earlier += await asyncio.gather(*(self.journal.append(submission) for submission in submissions[1:]))
        except Rejected as conflict:
            raise Refused(422, conflict.reason, "this Idempotency-Key was used with another body") from None
        except Transient as busy:
            seconds = JOURNAL_RETRY_S if busy.retry_after_s is None else int(busy.retry_after_s + 0.999)
            detail = "the journal cannot take rows now"
            raise Refused(503, AdmissionReason.JOURNAL_BUSY.value, detail, retry_after(seconds)) from None
        for submission, stored in zip(submissions, earlier, strict=True):
            if stored is None:
                self.counters.accepted[submission.kind, submission.model] += submission.count
        if earlier and earlier[0] is not None:
            self.counters.repeated_requests += 1
            return earlier[0]
        self._count(kind, tally)
        return answer

    def _count(self, kind: RowKind, tally: Tally) -> None:
        self.counters.rejected.update(tally.rejected)
        if kind is RowKind.PREDICTIONS and tally.rejected:
            self.refused(tally.rejected.total())
        self.counters.dropped.update(tally.dropped)
        for model, names in tally.unknown.items():
            self.counters.saw_unknown(model, names)

    def _models(self) -> Mapping[ModelName, Known]:
        """The schemas, made ready once and again only when a reload has changed them."""
        schemas = self.schemas()
        for model, schema in schemas.items():
            known = self._known.get(model)
            if known is None or known.schema is not schema:
                self._known[model] = Known.of(schema)
        for model in self._known.keys() - schemas.keys():
            del self._known[model]
        return dict(self._known)


def judge(kind: RowKind, body: bytes, decoder: Decoder, setting: Setting, limits: Limits) -> tuple[Rows, Tally]:
    """Turn a body into accepted rows by model and a tally. Refused with 413 if it holds too many."""
    dropped: Counter[Claim] = Counter()
    rows: Rows
    if kind is RowKind.PREDICTIONS:
        rows, tally = accept_predictions(decoder(body, PREDICTIONS, limits, dropped), setting)
    else:
        rows, tally = accept_labels(decoder(body, LABELS, limits, dropped), setting)
    tally.dropped.update(dropped)
    return rows, tally


# ---------------------------------------------------------------- headers


def _content_type(call: Call) -> str:
    """One of CONTENT_TYPES; Refused with 415."""
    kind = (call.header(b"content-type") or b"").partition(b";")[0].strip().lower().decode("latin-1")
    if kind not in CONTENT_TYPES:
        raise _unsupported("send one of: " + ", ".join(CONTENT_TYPES))
    return kind


def _encoding(call: Call) -> str | None:
    """One of ENCODINGS, None for a body as it is; Refused with 415, for several at once too."""
    name = (call.header(b"content-encoding") or b"identity").strip().lower().decode("latin-1")
    if name == "identity":
        return None
    if name not in ENCODINGS:
        raise _unsupported("send the body as it is, or with one Content-Encoding of: " + ", ".join(ENCODINGS))
    return name


def _unsupported(detail: str) -> Refused:
    return Refused(415, AdmissionReason.UNSUPPORTED_TYPE.value, detail)


def _idempotency_key(call: Call) -> str | None:
    key = call.header(b"idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_MAX or not (text := key.decode("latin-1")).isascii() or not text.isprintable():
        raise Refused(400, "idempotency_key_invalid", "an Idempotency-Key is 1 to 255 printable ASCII characters")
    return text


def _idempotency(token: Token, key: str | None, body: bytes, answer: bytes) -> Idempotency | None:
    if key is None:
        return None
    return Idempotency(token.id, key, hashlib.blake2b(body, digest_size=16).digest(), answer)


# ---------------------------------------------------------------- what is written and answered


@dataclass(frozen=True, slots=True)
class Judged:
    """A body judged: what is to be written, what was not, and the answer if the journal takes it."""

    submissions: list[Submission]  # one a model; the bytes are shared out by rows
    tally: Tally
    answer: bytes

    @property
    def rows(self) -> int:
        """How many were decoded, refused ones too."""
        return sum(each.count for each in self.submissions) + self.tally.rejected.total()


def _promised(submissions: list[Submission], promise: Idempotency | None) -> list[Submission]:
    """Put the promise on the first submission, and on the others with their model: no header holds a line feed."""
    if promise is None or not submissions:
        return submissions
    first, *rest = submissions
    keyed = [(each, msgspec.structs.replace(promise, key=f"{promise.key}\n{each.model}")) for each in rest]
    return [msgspec.structs.replace(each, idempotency=mine) for each, mine in ((first, promise), *keyed)]


def _clean(clean: Clean, size: int) -> Judged:
    """Write what was clean as the record that it will be."""
    ids, arrivals = clean.columns.ids, clean.columns.arrivals
    answer = msgspec.json.encode(_accepted(len(ids), _repeated(ids), clean.tally))
    ready = Encoded(encode_columns(clean.columns, clean.schema), len(ids), arrivals[0])
    return Judged([Submission(RowKind.PREDICTIONS, clean.schema.model, [], size, encoded=ready)], clean.tally, answer)


def _columns(kind: RowKind, found: Mapping[ModelName, Ready], tally: Tally, size: int) -> Judged:
    """Write what was read as columns as the records that they are."""
    total = sum(len(ready.ids) for ready in found.values())
    repeated = sum(count_repeated(ready.ids) for ready in found.values())
    answer = msgspec.json.encode(_accepted(total, repeated if kind is RowKind.PREDICTIONS else 0, tally))
    submissions = []
    for model, ready in found.items():
        encoded = Encoded(ready.body, len(ready.ids), ready.arrival)
        submissions.append(Submission(kind, model, [], size * encoded.rows // total, encoded=encoded))
    return Judged(submissions, tally, answer)


def _accepted(kept: int, duplicates: int, tally: Tally) -> Accepted:
    return Accepted(
        durable=True,
        accepted=kept - duplicates,
        duplicates=duplicates,
        rejected=tuple(tally.rejections),
        rejected_count=tally.rejected.total(),
    )


def _repeated(ids: Sequence[str]) -> int:
    return len(ids) - len(set(ids))


def _nothing_acceptable(tally: Tally) -> Refused:
    more = {"rejected": tally.rejections, "rejected_count": tally.rejected.total()}
    return Refused(422, "nothing_acceptable", "no row of the request could be accepted", more=more)
