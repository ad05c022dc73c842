"""What Evidently is not told, and what it could not bear: columns are looked at before it sees them.

Evidently 0.7 drops NaN and infinities without a word, raises on a column without values, draws every category there is,
and writes names and categories into a page of scripts. So, per column of both sides:

| found | done | said |
|---|---|---|
| NaN, null | stays missing | count |
| infinities | become missing | count |
| integers from 2^53 on | compared as the doubles they became | count |
| no value at all, on either side | left out | name |
| on one side only: new or gone | left out | name |
| one and the same value on both sides | left out of drift, kept in the summary | name |
| more than CATEGORIES_MAX categories | the rarest pooled | number |
| `<`, `>`, control characters, long texts | replaced, cut at TEXT_MAX | - |

Categories kept are the reference's most frequent and, for a fifth of the places, those only the live side has, or a
flood of new values would look like a rise of "other".
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.worker.samples import Side

CATEGORIES_MAX: Final = 50
POOLED: Final = "(other)"  # categories beyond the most frequent
TEXT_MAX: Final = 64
_NEW_PLACES: Final = 10
_EXACT: Final = 2.0**53
_HARMLESS: Final = str.maketrans({"<": "\u2039", ">": "\u203a", "&": "+", "`": "'", "\\": "/"})


@dataclass(frozen=True, slots=True)
class Quality:
    """What stood in one column of one side, in rows."""

    missing: int = 0
    non_finite: int = 0
    inexact: int = 0
    distinct: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """One line of the report's header: a column, both sides' quality, and what was done about it."""

    column: str
    live: Quality
    reference: Quality
    done: str


@dataclass(slots=True)
class Cleaned:
    """Both sides as Evidently may have them: `numeric` and `categorical` columns that both have, by name."""

    live: dict[str, NDArray[Any]] = field(default_factory=dict)
    reference: dict[str, NDArray[Any]] = field(default_factory=dict)
    numeric: list[str] = field(default_factory=list)
    categorical: list[str] = field(default_factory=list)
    constant: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # column -> why
    notes: list[Note] = field(default_factory=list)
    labels: tuple[NDArray[Any] | None, NDArray[Any] | None] = (None, None)  # of (live, reference): one alone is of use

    @property
    def columns(self) -> list[str]:
        """All names that can be compared."""
        return [*self.numeric, *self.categorical]

    def pooled(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        """Both sides with at most CATEGORIES_MAX categories a column: what is drawn, not what is measured."""
        live, reference = dict(self.live), dict(self.reference)
        for name in self.categorical:
            kept = kept_categories(self.live[name], self.reference[name])
            if kept is not None:
                live[name], reference[name] = _pool(live[name], kept), _pool(reference[name], kept)
        return live, reference


def tidy(text: str) -> str:
    """Make a text harmless inside a page of scripts and short enough for an axis."""
    clean = "".join(letter if letter.isprintable() else "�" for letter in text[: TEXT_MAX + 1])
    return (clean if len(clean) <= TEXT_MAX else clean[: TEXT_MAX - 1] + "…").translate(_HARMLESS)


def clean(live: Side, reference: Side, label: str) -> Cleaned:
    """Look at every column of both sides; nothing of the sides is changed. `label` names the column of the labels."""
    result = Cleaned(labels=(_labels(live, label), _labels(reference, label)))
    for name in dict.fromkeys((*live.columns, *reference.columns)):
        _column(result, tidy(name), live.columns.get(name), reference.columns.get(name))
    return result


def _labels(side: Side, label: str) -> NDArray[Any] | None:
    labels, quality = _look(side.columns.get(label))
    return labels if quality.distinct else None


def _column(result: Cleaned, name: str, live: NDArray[Any] | None, reference: NDArray[Any] | None) -> None:
    (now, of_now), (then, of_then) = _look(live), _look(reference)
    done = _absent(live, reference, of_now, of_then)
    if not done and now.dtype != then.dtype:
        done = "left out: numbers on one side, words on the other"
    if done:
        result.left_out[name] = done.removeprefix("left out: ")
    else:
        result.live[name], result.reference[name] = now, then
        numeric = now.dtype != object
        (result.numeric if numeric else result.categorical).append(name)
        if of_now.distinct == of_then.distinct == 1 and _first(now) == _first(then):
            result.constant.append(name)
            done = "constant on both sides: left out of drift"
        elif not numeric and kept_categories(now, then) is not None:
            done = f"all but {CATEGORIES_MAX} categories pooled as {POOLED}"
    if done or any((each.missing, each.non_finite, each.inexact) != (0, 0, 0) for each in (of_now, of_then)):
        result.notes.append(Note(name, of_now, of_then, done))


def _absent(live: NDArray[Any] | None, reference: NDArray[Any] | None, of_now: Quality, of_then: Quality) -> str:
    if live is None:
        return "left out: the live side has no such column"
    if reference is None:
        return "left out: the reference has no such column"
    if not of_now.distinct:
        return "left out: no value on the live side"
    if not of_then.distinct:
        return "left out: no value in the reference"
    return ""


def _look(column: NDArray[Any] | None) -> tuple[NDArray[Any], Quality]:
    """Return a column as it may be shown, and what stood in it."""
    if column is None:
        return np.empty(0), Quality()
    if column.dtype == object:
        words = np.empty(len(column), object)
        words[:] = [None if word is None else tidy(str(word)) for word in column]
        present = {word for word in words if word is not None}
        return words, Quality(missing=sum(word is None for word in words), distinct=len(present))
    infinite = np.isinf(column)
    numbers = np.where(infinite, np.nan, column)
    finite = numbers[~np.isnan(numbers)]
    return numbers, Quality(
        missing=int(np.isnan(column).sum()),
        non_finite=int(infinite.sum()),
        inexact=int(((np.abs(finite) >= _EXACT) & (finite == np.floor(finite))).sum()),
        distinct=len(np.unique(finite)),
    )


def _first(column: NDArray[Any]) -> object:
    if column.dtype == object:
        return next(word for word in column if word is not None)
    return float(column[~np.isnan(column)][0])


def kept_categories(live: NDArray[Any], reference: NDArray[Any]) -> frozenset[str] | None:
    """Choose the categories that are drawn; None where all of them can be."""
    now, then = (Counter(word for word in column if word is not None) for column in (live, reference))
    if len(now | then) <= CATEGORIES_MAX:
        return None
    new = [word for word, _ in sorted(now.items(), key=_rank) if word not in then][:_NEW_PLACES]
    known = [word for word, _ in sorted(then.items(), key=_rank)][: CATEGORIES_MAX - len(new)]
    return frozenset((*known, *new))


def _rank(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def _pool(column: NDArray[Any], kept: frozenset[str]) -> NDArray[Any]:
    pooled = np.empty(len(column), object)
    pooled[:] = [word if word is None or word in kept else POOLED for word in column]
    return pooled
