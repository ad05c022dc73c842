"""A set of golden probes: the rows as the model server is asked them, and what each checkpoint answered. Pure.

    {"format": "tocsin-probes", "version": 1, "model": "delays", "task": "classification", "created": seconds,
     "inputs": [{"name", "shape": [n], "datatype": "FP64" or "BYTES", "data": [...]}],
     "recorded": {"sha256:<checkpoint digest>": {"outputs": [...], "scores": [...], "values": [...]}}}

It is the payload of a signed envelope. The rows are a secret: who knows them can make a model that answers them right
and everything else wrong. They are in no metric, log, error, status or report, and a set prints as how many there are.
The tensors are kept as they were sent, so the same bytes are asked for ever, whatever becomes of schema and settings.
"""

import re
from math import isnan
from typing import Final, Literal

import msgspec

from monitor.decisions.probes import Answers
from monitor.errors import Permanent
from monitor.facts import ModelName, Task
from monitor.panes.rows import Predictions
from monitor.serving.tensors import DIGEST, Answer, encode

FORMAT: Final = "tocsin-probes"
VERSION: Final = 1
ROWS_MAX = 1_000  # asked at once, several times, each few minutes: 64 tell two models apart
CHECKPOINTS_MAX = 100  # with recorded answers
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,256}")


class _Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    shape: tuple[int]
    datatype: Literal["FP64", "BYTES"]
    data: tuple[float | str | None, ...]


class _Request(msgspec.Struct, frozen=True):
    inputs: tuple[_Input, ...]


class ProbeSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows, and their answers by checkpoint digest."""

    model: ModelName
    task: Task
    created: float  # wall time
    inputs: tuple[_Input, ...]
    recorded: dict[str, Answers] = {}
    format: Literal["tocsin-probes"] = FORMAT
    version: Literal[1] = VERSION

    def __repr__(self) -> str:
        return f"ProbeSet({self.model}, {self.n} rows, {len(self.recorded)} checkpoints)"

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.inputs[0].data) if self.inputs else 0

    @property
    def body(self) -> bytes:
        """The request that asks for all rows."""
        return msgspec.json.encode(_Request(self.inputs))

    def with_answers(self, digest: str, answers: Answers, created: float) -> "ProbeSet":
        """The set with what one more checkpoint answered, or answers now; Permanent if it is too many."""
        recorded = self.recorded | {digest: answers}
        return checked(ProbeSet(self.model, self.task, created, self.inputs, recorded))


def make(model: ModelName, task: Task, rows: Predictions, created: float) -> ProbeSet:
    """Make a set of these rows, without answers; Permanent if it cannot be asked."""
    return checked(ProbeSet(model, task, created, msgspec.json.decode(encode(rows), type=_Request).inputs))


def write(probes: ProbeSet) -> bytes:
    """Return the payload to be signed."""
    return msgspec.json.encode(probes, order="sorted")


def parse(payload: bytes) -> ProbeSet:
    """Read a payload whose signature held; Permanent, which quotes nothing of it."""
    try:
        return checked(msgspec.json.decode(payload, type=ProbeSet))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise Permanent(f"is no set of probes of version {VERSION}") from None


def checked(probes: ProbeSet) -> ProbeSet:
    """Return the set; Permanent if it is not one that can be asked and compared."""
    n = probes.n
    if probes.task is Task.RANKING:
        raise Permanent("lists cannot be probed: the model is a ranking")
    if not 0 < n <= ROWS_MAX or any((len(each.data), each.shape) != (n, (n,)) for each in probes.inputs):
        raise Permanent(f"does not hold 1 to {ROWS_MAX} rows, each with every feature")
    if len(probes.recorded) > CHECKPOINTS_MAX:
        raise Permanent(f"holds the answers of more than {CHECKPOINTS_MAX} checkpoints")
    if not _NAME.fullmatch(probes.model):
        raise Permanent("does not name a model")
    if not all(DIGEST.fullmatch(digest) and _fits(each, probes) for digest, each in probes.recorded.items()):
        raise Permanent("holds answers that do not fit its rows")
    return probes


def answers(answer: Answer) -> Answers:
    """What a model server answered, as it is kept."""
    if answer.values:
        return Answers(values=tuple(answer.values))
    return Answers(tuple(answer.outputs), tuple(None if isnan(score) else score for score in answer.scores))


def _fits(each: Answers, probes: ProbeSet) -> bool:
    n = probes.n
    sizes = (len(each.outputs), len(each.scores), len(each.values))
    if sizes != ((0, 0, n) if probes.task is Task.REGRESSION else (n, n, 0)):
        return False
    return all(score is None or 0.0 <= score <= 1.0 for score in each.scores)
