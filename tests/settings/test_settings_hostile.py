"""Whatever the file says, the answer is settings or a list of problems, each with a path; never a crash or a guess."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laid_out import EXAMPLE, lay_out

from monitor.errors import SettingsError
from monitor.settings import check, load

GOOD: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())

JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["0s", "90s", "-1s", "16MiB", "observe", "127.0.0.1", "0.0.0.0", "http://a", "..", "/", "~", "*", ""]
    ),
    st.lists(st.integers() | st.text(max_size=3), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


PLACES = [place for place in places(GOOD) if place]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay_out(tmp_path_factory.mktemp("hostile")) / "tocsin.yaml"


def loads_or_tells(file: Path) -> None:
    problems = check(file, {})
    assert all(problem.path and problem.message for problem in problems)
    assert "Traceback" not in str(problems)
    if problems:
        with pytest.raises(SettingsError):
            load(file, {})
    else:
        load(file, {})


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(PLACES), JUNK), min_size=1, max_size=4))
def test_values_replaced_by_junk(file: Path, changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    document = copy.deepcopy(GOOD)
    for place, junk in changes:
        holder: Any = document
        for part in place[:-1]:  # an earlier change may have put junk in the way
            fits = isinstance(holder, dict) or (isinstance(holder, list) and isinstance(part, int))
            inside = fits and (part in holder if isinstance(holder, dict) else part < len(holder))
            holder = holder[part] if inside else None
        if isinstance(holder, dict) or (
            isinstance(holder, list) and isinstance(place[-1], int) and place[-1] < len(holder)
        ):
            holder[place[-1]] = junk
    file.write_text(yaml.safe_dump(document, allow_unicode=False))
    loads_or_tells(file)


@settings(max_examples=40)
@given(st.sampled_from(PLACES), st.text(max_size=12))
def test_unknown_keys_are_always_told(file: Path, place: tuple[Any, ...], name: str) -> None:
    document = copy.deepcopy(GOOD)
    holder: Any = document
    for part in place:
        holder = holder[part]
    if not isinstance(holder, dict) or name in holder or place == ("models",):
        return
    holder[name] = 1
    file.write_text(yaml.safe_dump(document))
    assert check(file, {})
    loads_or_tells(file)


@settings(max_examples=40)
@given(st.integers(min_value=0, max_value=len(EXAMPLE.read_bytes())), st.binary(max_size=8), st.integers(0, 40))
def test_bytes_replaced_in_the_file(file: Path, start: int, junk: bytes, length: int) -> None:
    body = EXAMPLE.read_bytes()
    file.write_bytes(body[:start] + junk + body[start + length :])
    loads_or_tells(file)


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(EXAMPLE.read_text().splitlines()) - 1), min_size=1, max_size=5))
def test_lines_given_twice_or_left_out(file: Path, lines: list[int]) -> None:
    text = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if number % 2:
            text[line] = ""
        else:
            text.insert(line, text[line])
    file.write_text("\n".join(text))
    loads_or_tells(file)
