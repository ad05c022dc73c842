"""From plain values to `Settings`, with everything that is wrong with them.

Pydantic stops where a section does not parse, and would leave the checks across sections and on disk for the next
attempt. So what is wrong is taken out and the rest is validated again, until it holds: the remainder is never used to
run anything, only to find the problems that are left. A check that needs what was taken out is left out with it
(`Draft.lost`), because its answer would be about a default that nobody asked for.
"""

import copy
import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from monitor.errors import Problem
from monitor.settings.document import Document, Plain
from monitor.settings.sections import Settings
from monitor.settings.target_sections import KINDS
from monitor.settings.values import Section

Place: TypeAlias = tuple[int | str, ...]

# Each pass takes at least one value out, and a missing one its surroundings with it; no file nests deeper than this.
_PASSES_MAX = 64

_SAYS = {
    "missing": "is required",
    "extra_forbidden": "is not a setting",
    "model_type": "must hold settings, one per line",
    "model_attributes_type": "must hold settings, one per line",
    "dict_type": "must hold settings, one per line",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text (quote it)",
    "tuple_type": "must be a list",
}


@dataclass(slots=True)
class Draft:
    """What could be made of a file: `settings` without its faults, None if nothing stands without them."""

    settings: Settings | None = None
    problems: list[Problem] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)  # dotted paths that were taken out
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)  # where the entries of each list stand in the file

    @property
    def receivers(self) -> tuple[int, ...]:
        """Where each of `settings.receivers` stands in the file."""
        return self.places.get("receivers", ())

    @property
    def alertmanagers(self) -> tuple[int, ...]:
        """Where each of `settings.alertmanagers` stands in the file."""
        return self.places.get("alertmanagers", ())

    def kept(self, *paths: str) -> bool:
        """Whether all of `paths`, and all in and around them, are as the file says."""
        return not any(_overlap(path, lost) for path in paths for lost in self.lost)


def draft(document: Document, base: Path) -> Draft:
    """Validate `document`; relative paths are resolved against `base`."""
    result = Draft(problems=list(document.problems))
    value = copy.deepcopy(document.value)
    if not isinstance(value, dict):
        if not result.problems:
            result.problems.append(Problem("the top level", "must hold settings, one per line", "see tocsin.yaml"))
        return result
    for _ in range(_PASSES_MAX):
        rest, result.places = _without_gaps(value)
        try:
            result.settings = Settings.model_validate_json(json.dumps(rest), context={"base": base})
        except ValidationError as error:
            if not _sift(error, document, value, result):
                return result
        else:
            return result
    return result


def _sift(error: ValidationError, document: Document, value: dict[str, Plain], result: Draft) -> bool:
    """Tell what is new in `error` and take it out of `value`; False if nothing would be left."""
    lost = frozenset(result.lost)
    told = {problem.path for problem in result.problems}
    stands = True
    for detail in error.errors(include_url=False, include_input=False):
        place = _place(detail, result.places)
        path = _dotted(place)
        result.lost.add(path)
        if path not in told and not any(_overlap(path, other) for other in lost):
            told.add(path)
            result.problems.append(_problem(detail, place, document))
        stands = _take_out(value, place) and stands
    return stands


def sections() -> Iterator[tuple[str, FieldInfo]]:
    """Walk all settings there are, sections included; `*` stands for any name or position."""
    yield from _walk(Settings, "")


def _targets() -> Iterator[tuple[str, FieldInfo]]:
    """Walk the settings of targets of every kind; `sections` has those of the kind that the example shows."""
    for kind in KINDS.values():
        yield from _walk(kind, "models.*.target.")


def located(problem: Problem, document: Document) -> Problem:
    """Put the line of the file in front of the hint."""
    line = document.line(problem.path)
    if line is None:
        return problem
    return Problem(problem.path, problem.message, "; ".join(filter(None, (f"line {line}", problem.hint))))


def _walk(section: type[Section], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in section.model_fields.items():
        yield prefix + name, info
        inner, many = _inside(info.annotation)
        if inner is not None:
            yield from _walk(inner, f"{prefix}{name}.*." if many else f"{prefix}{name}.")


def _inside(annotation: Any) -> tuple[type[Section] | None, bool]:
    """Return the section class an annotation speaks of, and whether it stands for many."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    for argument in get_args(annotation):
        section, _ = _inside(argument)
        if section is not None:
            return section, type(None) not in get_args(annotation)
    return None, False


def _without_gaps(value: dict[str, Plain]) -> tuple[dict[str, Plain], dict[str, tuple[int, ...]]]:
    """Close the gaps that entries taken out have left, so that the others keep the position they have in the file."""
    closed, places = dict(value), {}
    for name in _LISTS:
        entries = value.get(name)
        if isinstance(entries, list):
            places[name] = tuple(i for i, entry in enumerate(entries) if entry is not _GAP)
            closed[name] = [entries[i] for i in places[name]]
    return closed, places


_LISTS = ("receivers", "alertmanagers")

_GAP: dict[str, Plain] = {}


def _place(detail: ErrorDetails, places: Mapping[str, Sequence[int]]) -> Place:
    place: Place = tuple(part for part in detail["loc"] if part != "[key]")
    if len(place) > 3 and (place[0], place[2]) == ("models", "target") and place[3] in KINDS:
        place = (*place[:3], *place[4:])  # pydantic names the kind it took the target for
    if len(place) > 1 and place[0] in _LISTS and isinstance(place[1], int):
        place = (place[0], places[str(place[0])][place[1]], *place[2:])
    return place


def _take_out(value: Plain, place: Place) -> bool:
    """Remove what stands at `place`, or what lacks it. False if that is the whole file."""
    *around, last = place
    holder = value
    for part in around:
        inner = _get(holder, part)
        if inner is None:
            return True  # its surroundings are out already
        holder = inner
    if isinstance(holder, dict) and last in holder:
        del holder[str(last)]
    elif isinstance(holder, list) and isinstance(last, int):
        holder[last] = _GAP
    else:
        return bool(around) and _take_out(value, tuple(around))
    return True


def _get(holder: Plain, part: int | str) -> Plain:
    if isinstance(holder, dict):
        return holder.get(str(part))
    return holder[part] if isinstance(holder, list) and isinstance(part, int) else None


def _problem(detail: ErrorDetails, place: Place, document: Document) -> Problem:
    message = _SAYS.get(detail["type"], detail["msg"].replace("Input should", "must", 1))
    if place == ("models",) and detail["type"] == "too_short":
        message = "names no model"
    hint = _nearest(place) if detail["type"] == "extra_forbidden" else ""
    return located(Problem(_dotted(place), message, hint), document)


def _nearest(place: Place) -> str:
    """Guess what an unknown key was meant to be: a neighbour's name, or a setting of another section."""
    name, here = str(place[-1]), _pattern(place[:-1])
    known = [path for path, _ in (*sections(), *_targets())]
    beside = [path.rpartition(".")[2] for path in known if path.rpartition(".")[0] == here]
    close = difflib.get_close_matches(name, beside, n=1)
    elsewhere = [path for path in known if path.rpartition(".")[2] == name]
    if close:
        return f"did you mean `{close[0]}`?"
    if elsewhere:
        return f"did you mean `{elsewhere[0]}`?"
    return f"known here: {', '.join(beside)}"


def _pattern(place: Place) -> str:
    return ".".join("*" if _is_key(place, i) else str(part) for i, part in enumerate(place))


def _is_key(place: Place, i: int) -> bool:
    """Whether a part is a name of the operator's, or a position, and no name of a setting."""
    return i > 0 and (
        place[i - 1] in {"models", "segments", *_LISTS} or place[max(0, i - 2) : i] == ("evidence", "metrics")
    )


def _dotted(place: Place) -> str:
    return ".".join(map(str, place)) or "the top level"


def _overlap(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other}.") or other.startswith(f"{path}.")
