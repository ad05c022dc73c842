"""Golden probes: what a checkpoint answered when it was approved, held against what the model server answers now.

    difference(row)  = |score - score'|;  of numbers |value - value'| / max |recorded value|
    mismatch(row)    = another class, a score where there was none, none where there was one, or difference > tolerance
    reading          = mismatched rows / rows, of the worst of the answers;  breach above `mismatches_max` rows
    divergence       = mean over rows of  p ln(p/q) + (1-p) ln((1-p)/(1-q)),  p recorded, q given, in nats

A digest says which bytes a server *says* it has loaded. The same rows asked again say whether it answers like them,
with no traffic at all: another model behind a borrowed digest, a damaged copy in memory, other preprocessing. It is no
test of chance, so there is no interval; `tolerance` is for sums whose order differs from run to run (1e-6 holds
doubles, float32 on a GPU needs 1e-3). Divergence is for people: it tells a rounding from another model.

Source of the divergence: Kullback and Leibler, "On Information and Sufficiency", 1951, of Bernoulli variables.
Failure mode: a server that does not answer is unknown, never ok; and a model changed only where no probe lies is ok.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import msgspec
from msgspec.structs import replace

from monitor.facts import Reading, Verdict

EPSILON = 1e-9  # a score of 0 or 1 is taken to be this far from it, or one row would make the mean infinite


class Answers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was answered, an entry a row: classes with scores (None: none was given), or numbers."""

    outputs: tuple[str, ...] = ()
    scores: tuple[float | None, ...] = ()
    values: tuple[float, ...] = ()

    @property
    def n(self) -> int:
        """How many rows."""
        return len(self.outputs) or len(self.values)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What is no mismatch: differences up to `difference` >= 0, and up to `mismatches_max` >= 0 rows of more."""

    difference: float = 1e-6
    mismatches_max: int = 0


class Compared(msgspec.Struct, frozen=True):
    """One set of answers against the recorded one."""

    rows: int
    mismatches: int  # rows
    exact: float  # share of rows answered to the last bit
    flips: int  # rows of another class
    difference: float | None  # the largest of a row; None: no row could be subtracted
    divergence: float | None  # nats; None: no scores


class Probed(msgspec.Struct, frozen=True):
    """One round: what is shown, and what is judged. It holds no row and no answer."""

    reading: Reading
    at: float  # event time
    epoch: int
    worst: Compared | None = None  # of the answers that came; None: none could be compared
    breached: float | None = None  # event time of the last breach of this epoch


def compare(recorded: Answers, given: Answers, tolerance: Tolerance) -> Compared:
    """Compare two sets of answers to the same rows; ValueError if they are not of as many rows.

    >>> a, b = Answers(("no", "yes"), (0.1, 0.9)), Answers(("no", "no"), (0.1, 0.4))
    >>> found = compare(a, b, Tolerance())
    >>> found.mismatches, found.flips, found.exact, found.difference
    (1, 1, 0.5, 0.5)
    """
    if recorded.values or given.values:
        pairs = list(zip(recorded.values, given.values, strict=True))
        scale = max((abs(value) for value in recorded.values), default=0.0) or 1.0
        differences: list[float | None] = [abs(a - b) / scale for a, b in pairs]
        flipped = [False] * len(pairs)
        divergence = None
    else:
        flipped = [a != b for a, b in zip(recorded.outputs, given.outputs, strict=True)]
        scores = list(zip(recorded.scores, given.scores, strict=True))
        differences = [None if a is None or b is None else abs(a - b) for a, b in scores]
        one_sided = [(a is None) != (b is None) for a, b in scores]
        both = [_divergence(a, b) for a, b in scores if a is not None and b is not None]
        divergence = sum(both) / len(both) if both else None
        differences = [1.0 if odd else each for odd, each in zip(one_sided, differences, strict=True)]
    rows = list(zip(flipped, differences, strict=True))
    return Compared(
        rows=len(rows),
        mismatches=sum(flip or (each or 0.0) > tolerance.difference for flip, each in rows),
        exact=sum(not flip and not each for flip, each in rows) / len(rows) if rows else 1.0,
        flips=sum(flipped),
        difference=max((each for each in differences if each is not None), default=None),
        divergence=divergence,
    )


def read(
    recorded: Answers | None, given: Sequence[Answers], tolerance: Tolerance, *, silent: int = 0, others: int = 0
) -> tuple[Reading, Compared | None]:
    """Read one round; the worst answer decides, for one bad worker of several is enough.

    `silent`: times the server was asked and did not answer; `others`: times another checkpoint answered than was
    proved. Either leaves a round unknown that is no breach.
    """
    if recorded is None:
        return Reading(Verdict.UNKNOWN, 0, why="no answers of this checkpoint are recorded"), None
    compared = [compare(recorded, each, tolerance) for each in given]
    worst = max(compared, key=lambda each: (each.mismatches, each.difference or 0.0), default=None)
    n, limit = sum(each.rows for each in compared), tolerance.mismatches_max / recorded.n
    if worst is not None and worst.mismatches > tolerance.mismatches_max:
        return Reading(Verdict.BREACH, n, worst.mismatches / worst.rows, limit, unit="share"), worst
    if silent or others:
        whys = [f"the model server did not answer {silent} times"] if silent else []
        whys += [f"another checkpoint than was proved answered {others} times"] if others else []
        return Reading(Verdict.UNKNOWN, n, why="; ".join(whys)), worst
    if worst is None:
        return Reading(Verdict.UNKNOWN, 0, why="nothing was asked"), None
    return Reading(Verdict.OK, n, worst.mismatches / worst.rows, limit, unit="share"), worst


def known(before: Probed | None, now: Probed) -> Probed | None:
    """What is known of an epoch after one round more: a round that tells nothing takes nothing back."""
    same = before if before is not None and before.epoch == now.epoch else None
    if now.reading.verdict is Verdict.BREACH:
        return replace(now, breached=now.at)
    if now.reading.verdict is Verdict.OK:
        return replace(now, breached=same.breached if same else None)
    return same


def _divergence(p: float, q: float) -> float:
    p, q = (min(max(each, EPSILON), 1.0 - EPSILON) for each in (p, q))
    return p * log(p / q) + (1.0 - p) * log((1.0 - p) / (1.0 - q))
