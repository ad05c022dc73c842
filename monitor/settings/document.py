"""The settings file as plain values, read as if a stranger had written it.

YAML is composed into nodes only (`SafeLoader`, no constructors of objects) and turned into dict, list, str, int,
float, bool and None here, which is where its traps are closed:

- a repeated key is a problem with both line numbers, where YAML keeps the last without a word;
- aliases count each time they are used, so that nine lines cannot become a billion values;
- `no: x` (a bool as key), `2013-03-01` (a date) and other tags are problems, not surprises further on;
- a file over 256 KiB, deeper than 32 levels or of more than 50,000 values is refused: PyYAML reads about 100 KB/s.

Every value remembers its line, so that any later problem can name it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from monitor.errors import Problem

BYTES_MAX = 256 * 1024
DEPTH_MAX = 32
VALUES_MAX = 50_000

Plain: TypeAlias = "dict[str, Plain] | list[Plain] | str | int | float | bool | None"

_TAG = "tag:yaml.org,2002:"
_SCALARS = {f"{_TAG}{kind}" for kind in ("null", "bool", "int", "float", "str")}
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(slots=True)
class Document:
    """What a file said: `value` as far as it could be read, `lines` by dotted path, and what was wrong with it."""

    value: Plain = None
    lines: dict[str, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: str) -> int | None:
        """Line of the value at `path`, or of the nearest thing around it; None if the file says nothing there."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path) if path else None


def read_document(path: Path) -> Document:
    """Read the YAML file at `path`. Never raises for what the file holds: see `Document.problems`."""
    try:
        with path.open("rb") as file:
            body = file.read(BYTES_MAX + 1)
    except OSError as error:
        return _broken(path, f"cannot be read: {error.strerror or error}", "check the path and its permissions")
    except ValueError:
        return _broken(path, "is not a path", "")
    if len(body) > BYTES_MAX:
        return _broken(path, f"is larger than {BYTES_MAX // 1024} KiB", "a settings file is a page or two")
    return parse_document(body, str(path))


def parse_document(body: bytes, name: str) -> Document:
    """Turn the bytes of a YAML file into plain values; `name` is what problems of the whole file are filed under."""
    try:
        node = yaml.compose(body.decode("utf-8"), Loader=yaml.SafeLoader)
    except UnicodeDecodeError as error:
        return _broken(Path(name), f"is not UTF-8 at byte {error.start}", "save it as UTF-8")
    except RecursionError:
        return _broken(Path(name), f"is nested deeper than {DEPTH_MAX} levels", "")
    except yaml.YAMLError as error:
        return _broken(Path(name), f"is not YAML: {_what(error)}", _where(error))
    if node is None:
        return _broken(Path(name), "is empty", "start from examples/tocsin.yaml")
    document = Document()
    try:
        document.value = _Reader(document).read(node, "", 0)
    except _TooMuchError as error:
        document.problems.append(Problem(name, str(error), f"line {node_line(error.node)}"))
        document.value = None
    return document


def node_line(node: yaml.Node) -> int:
    """Line a node starts at, counted from 1."""
    return int(node.start_mark.line) + 1


class _TooMuchError(Exception):
    def __init__(self, what: str, node: yaml.Node) -> None:
        super().__init__(what)
        self.node = node


class _Reader:
    """One walk over the nodes; holds what the walk has used up."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0
        self._scalars = yaml.SafeLoader("")

    def read(self, node: yaml.Node, path: str, depth: int) -> Plain:
        self._values += 1
        if self._values > VALUES_MAX:
            raise _TooMuchError(f"holds more than {VALUES_MAX} values, aliases counted as often as they are used", node)
        if depth >= DEPTH_MAX and not isinstance(node, yaml.ScalarNode):
            raise _TooMuchError(f"is nested deeper than {DEPTH_MAX} levels, or contains itself", node)
        self._document.lines.setdefault(path, node_line(node))
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return {key: self.read(value, _join(path, key), depth + 1) for key, value in self._pairs(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.read(value, _join(path, str(i)), depth + 1) for i, value in enumerate(node.value)]
        return self._scalar(node, path)

    def _pairs(self, node: yaml.MappingNode, path: str) -> Iterator[tuple[str, yaml.Node]]:
        first: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            if key in first:
                again = f"line {node_line(key_node)}, first on line {node_line(first[key])}"
                self._complain(_join(path, key), "is given twice", again)
                continue
            first[key] = key_node
            self._document.lines.setdefault(_join(path, key), node_line(key_node))
            yield key, value

    def _key(self, node: yaml.Node, path: str) -> str | None:
        where = f"line {node_line(node)}"
        if node.tag == f"{_TAG}merge":
            self._complain(path or "<<", "uses a merge key (<<)", f"{where}; write the settings out")
        elif not isinstance(node, yaml.ScalarNode) or node.tag != f"{_TAG}str":
            self._complain(path, "has a key that is not text", f"{where}; quote it")
        elif _UNPRINTABLE.search(node.value):
            self._complain(path, "has a key with control characters", where)
        else:
            return str(node.value)
        return None

    def _scalar(self, node: yaml.Node, path: str) -> Plain:
        where = f"line {node_line(node)}"
        if node.tag not in _SCALARS or not isinstance(node, yaml.ScalarNode):
            self._complain(path, f"is of the kind {node.tag.removeprefix(_TAG)!r}", f"{where}; quote it if it is text")
            return None
        try:
            value: Plain = self._scalars.construct_object(node)
        except (ValueError, KeyError, IndexError):  # a number of thousands of digits; `!!bool maybe`; `!!int ''`
            self._complain(path, "cannot be read", where)
            return None
        if isinstance(value, str) and _UNPRINTABLE.search(value):
            self._complain(path, "holds control characters", where)
            return None
        return value

    def _complain(self, path: str, message: str, hint: str) -> None:
        self._document.problems.append(Problem(path or "the top level", message, hint))


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _broken(path: Path, message: str, hint: str) -> Document:
    return Document(problems=[Problem(str(path), message, hint)])


def _what(error: yaml.YAMLError) -> str:
    return str(getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable")


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
