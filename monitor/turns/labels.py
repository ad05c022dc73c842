"""The late label: which counts one more label moves.

A label is counted in the pane of its *prediction*, however late it comes, so a window's error is about the rows of
that window. The rules, per prediction:

- one label per (prediction, source). The same source may correct it: the old one is taken back and the new one is
  counted (minus the old, plus the new; counts are signed). Nobody else's label is touched by that.
- performance rests on *trusted* sources, and each prediction counts once: the first trusted source to label it owns
  its truth. A later trusted source is kept and counts nothing.
- an untrusted label moves only the agreement counts.
- a label whose prediction is not known waits, and is joined when the prediction comes, in the order in which the
  labels came: what its source says meanwhile replaces what it says, but neither its turn nor its time. One whose
  prediction's receipt was dropped over the quota (`Store.sampled_out`) has nothing to wait for and is counted as that.

Because all of it goes by arrival order and by what is stored, any split of the same arrivals into folds gives the
same counts.

Cost: about 3 us a label, a dictionary look-up each; 10,000 labels a second take 3 % of a core. `python -m bench labels`
measures it with the store around it.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.store.protocol import StoredLabel


class Weight(Enum):
    """What a label moves. The numbers are stored: never reuse one."""

    NOTHING = 0  # a second trusted opinion: kept, not counted
    OUTCOME = 1  # performance: the prediction's truth
    AGREEMENT = 2  # an untrusted opinion


class Arrived(NamedTuple):
    """One label as it came out of the journal, or out of the waiting room."""

    key: int  # 64-bit keyed hash of the prediction's id
    source: str
    label: float
    time: float
    prediction_time: float = math.nan  # the sender's hint where to look; NaN: none


class Held(NamedTuple):
    """The label that stands for one (prediction, source)."""

    key: int
    source: str
    label: float
    time: float  # of the first label, so that a correction does not change the lag
    weight: Weight


class Effect(NamedTuple):
    """`sign` times one label for the prediction `key`."""

    key: int
    label: float
    time: float
    weight: Weight
    sign: int  # +1, or -1 to take an old label back


@dataclass(slots=True)
class Join:
    """What a batch of labels does: effects on the counts, labels to keep, labels that wait."""

    effects: list[Effect] = field(default_factory=list)
    held: dict[tuple[int, str], Held] = field(default_factory=dict)
    waiting: dict[tuple[int, str], Arrived] = field(default_factory=dict)
    repeated: int = 0
    corrected: int = 0
    sampled_out: int = 0

    def add(self, other: "Join") -> None:
        """Take in what a batch of labels of other predictions does."""
        self.effects += other.effects
        self.held |= other.held
        self.waiting |= other.waiting
        self.repeated += other.repeated
        self.corrected += other.corrected
        self.sampled_out += other.sampled_out


def join(
    arrived: Sequence[Arrived],
    *,
    known: frozenset[int] | set[int],
    held: Mapping[int, Sequence[Held]],
    trusted: Callable[[str], bool],
    sampled_out: Collection[int] = frozenset(),
) -> Join:
    """Join labels, in arrival order, to the predictions whose keys are `known`.

    `trusted` says of a source whether its labels are the truth. `held` are the labels that already stand for these
    predictions; `sampled_out` are keys that are not known because their receipts were dropped. Nothing is changed but
    what is returned.
    """
    result = Join()
    standing = {key: {one.source: one for one in ones} for key, ones in held.items()}
    for label in arrived:
        if label.key in sampled_out:
            result.sampled_out += 1
            continue
        if label.key not in known:
            first = result.waiting.get((label.key, label.source))
            result.waiting[(label.key, label.source)] = label if first is None else label._replace(time=first.time)
            continue
        of_prediction = standing.setdefault(label.key, {})
        before = of_prediction.get(label.source)
        if before is not None and before.label == label.label:
            result.repeated += 1
            continue
        after = _first(label, of_prediction, trusted) if before is None else _corrected(before, label)
        if before is not None:
            result.corrected += 1
            result.effects.append(Effect(before.key, before.label, before.time, before.weight, -1))
        result.effects.append(Effect(after.key, after.label, after.time, after.weight, +1))
        of_prediction[label.source] = result.held[(label.key, label.source)] = after
    result.effects = [effect for effect in result.effects if effect.weight is not Weight.NOTHING]
    return result


def _first(label: Arrived, of_prediction: Mapping[str, Held], trusted: Callable[[str], bool]) -> Held:
    if not trusted(label.source):
        weight = Weight.AGREEMENT
    elif any(other.weight is Weight.OUTCOME for other in of_prediction.values()):
        weight = Weight.NOTHING
    else:
        weight = Weight.OUTCOME
    return Held(label.key, label.source, label.label, label.time, weight)


def _corrected(before: Held, label: Arrived) -> Held:
    return Held(before.key, before.source, label.label, before.time, before.weight)


def truths(stored: Iterable[StoredLabel], keys: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The truth of each prediction as it stands now, of what `Store.find_labels` said for these keys; NaN: none yet."""
    said = {label.hash: label.label for label in stored if label.weight == Weight.OUTCOME.value}
    return np.array([said.get(key, math.nan) for key in keys.tolist()], np.float64)
