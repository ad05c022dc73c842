"""`docs/readings.md`: every reading by the tasks it is for, from the notes at the top of the detectors' files.

    python -m monitor.settings.readings > docs/readings.md

A detector's note is its only documentation: what it says in a sentence, the formula, then paragraphs in which the words
of `LEADS` begin what every reader looks for. This page puts them in place and adds what the class knows (views, tasks,
parameters) and what the metrics page shows. It invents nothing, so it cannot disagree with the code that it stands in.
"""

import dataclasses
import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any, Final

from monitor.detectors import DETECTORS
from monitor.detectors.protocol import Detector, Sequential
from monitor.export.shown import GENERIC, SHOWN
from monitor.facts import EVERY_TASK, FeatureKind, Subject, Task
from monitor.settings.units import Duration

LEADS: Final = ("No interval", "Interval", "Bins", "Source", "Failure mode", "Not a test here", "Not a test")
WIDTH: Final = 120
_LEAD: Final = re.compile(rf"(?:^|(?<=[.!;] ))({'|'.join(LEADS)})[:,] ?")
_NAMES: Final = re.compile(rf"(?<![`\w])({'|'.join(name for name in DETECTORS if '_' in name)})(?![`\w])")

_HEAD = """\
# Readings

Every reading that a rule can ask for, by the task of the model. Made by `python -m monitor.settings.readings` from the
notes at the top of the detectors' files ([`monitor/detectors`](../monitor/detectors)), where the code stands beside
them; a word such as `intervals.py` names a file there. What a rule leaves out of the parameters has the default shown.
A parameter that ends in `_s` may be written as a duration, and `null` is none. All metrics are in
[metrics.md](metrics.md); how a detector is added is in [detectors.md](detectors.md).

A reading has a value, the n it rests on, the limit it was compared with, and a 95 % interval where a sound one exists.
With an interval it breaches when the interval lies beyond the limit, not the point. Where a note says nothing of bins,
the value is of counts or exact sums of all rows and the same as of the rows themselves.

It is *unknown*, which is no number and never acts, whenever there are fewer rows than `rows_min` or fewer labels than
`coverage_min` of the rows, when nothing says what would be good (no limit of its own, and a reference without labels),
and where its formula is 0 / 0. What is particular to one stands with it.
"""

_TITLES: Final = {frozenset(EVERY_TASK): "Every model", **{frozenset({task}): task.value.capitalize() for task in Task}}


def markdown() -> str:
    """The whole document: what every model has first, then task by task."""
    groups: dict[frozenset[Task], list[str]] = {tasks: [] for tasks in _TITLES}
    for name, kind in DETECTORS.items():
        groups.setdefault(frozenset(kind.tasks), []).append(name)
    parts = [_HEAD]
    for tasks, names in groups.items():
        title = _TITLES.get(tasks) or " and ".join(task.value for task in Task if task in tasks).capitalize()
        parts += [f"## {title}", "", *_index(names), ""]
        parts += [line for name in names for line in (*_section(name), "")]
    return "\n".join(parts).rstrip() + "\n"


def note(name: str) -> str:
    """The note at the top of a detector's file."""
    return inspect.getdoc(sys.modules[DETECTORS[name].__module__]) or ""


def lead(name: str, *words: str) -> str | None:
    """What a detector's note says after the first of these words; None if it says nothing."""
    said = dict(part for block in _blocks(name)[1:] for part in _parts(block))
    return next((said[word] for word in words if word in said), None)


def _index(names: Iterable[str]) -> Iterator[str]:
    yield "| reading | reads | says | interval | parameters |"
    yield "|---|---|---|---|---|"
    for name in names:
        says = note(name).partition("\n")[0].removesuffix(".")
        interval = "none" if lead(name, "Interval") is None else "95 %"
        cells = (f"[`{name}`](#{name})", ", ".join(reads(name)), says, interval, ", ".join(parameters(name)))
        yield f"| {' | '.join(cells)} |"


def reads(name: str) -> list[str]:
    """The subjects of a detector, in the words of a rule; which features, where not all."""
    kind = DETECTORS[name]
    words = [subject.value for subject in Subject if subject in kind.subjects]
    if len(kind.kinds) == 1 < len(FeatureKind):
        return [f"{word} ({next(iter(kind.kinds)).value})" if word == "features" else word for word in words]
    return words


def parameters(name: str) -> list[str]:
    """Each parameter with its default, as a rule would write it."""
    kind: Any = DETECTORS[name]  # a dataclass, which no Protocol can say
    return [f"`{field.name}: {_default(field)}`" for field in dataclasses.fields(kind)]


def _default(field: "dataclasses.Field[Any]") -> str:
    if isinstance(field.default, float) and field.name.endswith("_s"):
        return str(Duration(field.default))
    return "null" if field.default is None else str(field.default)


def _section(name: str) -> Iterator[str]:
    yield f"### `{name}`"
    before = ""
    for part in _told(name):
        if not (before.startswith("- ") and part[0].startswith("- ")):
            yield ""
        yield from part
        before = part[0]


def _told(name: str) -> Iterator[list[str]]:
    """What a section says: paragraphs, formulas, and the entries of its lists."""
    kind, (says, *blocks) = DETECTORS[name], _blocks(name)
    yield _wrapped(says)
    for block in blocks:
        if block.startswith("    "):
            yield ["```text", *textwrap.dedent(block).splitlines(), "```"]
        else:
            yield from (_wrapped(f"- **{word}.** {_begun(text)}" if word else text) for word, text in _parts(block))
    yield _wrapped(f"- **Verdict.** {inspect.getdoc(kind)}")
    yield _wrapped(f"- **Shown as** {', '.join(f'`{metric}`' for metric in _metrics(name, kind))}.")


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def _blocks(name: str) -> list[str]:
    return [block for block in note(name).split("\n\n") if block]


def _parts(block: str) -> Iterator[tuple[str, str]]:
    """A paragraph cut where one of LEADS begins; what stands before the first has the word ''."""
    text = " ".join(block.split())
    before, *found = _LEAD.split(text)
    if before.strip():
        yield "", before.strip()
    yield from ((word, said.strip()) for word, said in zip(found[::2], found[1::2], strict=True))


def _wrapped(text: str) -> list[str]:
    text = re.sub(r"(?<=\. )UNKNOWN", "Unknown", text).replace("UNKNOWN", "unknown")
    plain = _NAMES.sub(r"`\1`", " ".join(text.split()))
    indent = "  " if plain.startswith("- ") else ""
    return textwrap.wrap(plain, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _metrics(name: str, kind: type[Detector] | type[Sequential]) -> list[str]:
    shown = (SHOWN.get((name, subject), GENERIC).name for subject in Subject if subject in kind.subjects)
    return list(dict.fromkeys(shown))


if __name__ == "__main__":
    sys.stdout.write(markdown())
