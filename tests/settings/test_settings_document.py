from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.settings.document import BYTES_MAX, DEPTH_MAX, Document, parse_document, read_document


def parse(text: str) -> Document:
    return parse_document(text.encode("utf-8", "surrogatepass"), "tocsin.yaml")


def messages(text: str) -> list[str]:
    return [str(problem) for problem in parse(text).problems]


def test_reads_the_plain_kinds() -> None:
    text = "a: 1\nb: 1.5\nc: true\nd: null\ne: text\nf: [1, {g: 2}]\n"
    assert parse(text).value == {"a": 1, "b": 1.5, "c": True, "d": None, "e": "text", "f": [1, {"g": 2}]}


def test_remembers_the_line_of_everything() -> None:
    document = parse("a: 1\nb:\n  c: 2\n  d:\n    - x\n    - y\n")
    assert [document.line(path) for path in ("a", "b.c", "b.d.1", "b.gone", "gone")] == [1, 3, 6, 2, None]


def test_a_repeated_key_is_told_with_both_lines() -> None:
    assert messages("a: 1\nb: {x: 1}\na: 2\n") == ["a: is given twice (line 3, first on line 1)"]


def test_a_repeated_key_deep_down_is_told_too() -> None:
    assert messages("a:\n  - {x: 1, x: 2}\n") == ["a.0.x: is given twice (line 2, first on line 2)"]


def test_all_repeated_keys_are_told_at_once() -> None:
    assert len(messages("a: 1\na: 2\nb: 1\nb: 2\na: 3\n")) == 3


@pytest.mark.parametrize("text", ["no: 1", "1: 1", "2013-03-01: 1", "~: 1", "[a]: 1", "{a: b}: 1", "? - a\n: 1"])
def test_a_key_that_is_not_text_is_told(text: str) -> None:
    assert "has a key that is not text" in messages(text)[0]


@pytest.mark.parametrize(
    "text",
    [
        "a: 2013-03-01",
        "a: !!binary aGk=",
        "a: !!set {b}",
        "a: !!omap [b: 1]",
        "a: !thing b",
        "a: !!python/name:os.system",
    ],
)
def test_other_kinds_are_told(text: str) -> None:
    assert "a: is of the kind" in messages(text)[0]


def test_no_object_is_ever_constructed(tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    assert messages(f"a: !!python/object/apply:os.mkdir ['{trap}']")
    assert not trap.exists()


def test_a_merge_key_is_told() -> None:
    assert "uses a merge key" in messages("a: &a {x: 1}\nb:\n  <<: *a\n")[0]


def test_an_alias_stands_for_its_anchor() -> None:
    assert parse("a: &a {x: 1}\nb: *a\n").value == {"a": {"x": 1}, "b": {"x": 1}}


def test_nine_lines_do_not_become_a_billion_values() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "holds more than 50000 values" in messages("\n".join(lines))[0]


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "&a [*a, *a]"])
def test_what_contains_itself_is_refused(text: str) -> None:
    assert "contains itself" in messages(text)[0]


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 500, 20_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert "nested deeper" in messages("[" * depth + "]" * depth)[0]


def test_the_deepest_allowed_nesting_is_read() -> None:
    assert not parse("[" * DEPTH_MAX + "]" * DEPTH_MAX).problems


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\ta: 1", "a: 'x", "%", "a: *gone", "--- 1\n--- 2", "@"])
def test_bad_yaml_is_told_with_its_place(text: str) -> None:
    document = parse(text)
    assert document.value is None
    assert "is not YAML" in document.problems[0].message
    assert "line" in document.problems[0].hint


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_is_told(text: str) -> None:
    document = parse(text)
    assert document.value is None
    assert not document.value


def test_bytes_that_are_no_text_are_told() -> None:
    assert "is not UTF-8 at byte 3" in str(parse_document(b"a: \xff", "x").problems[0])


@pytest.mark.parametrize("text", ['a: "\\0"', 'a: "\\x1b[2J"', '"\\0": 1', 'a: "\\ud800"'])
def test_control_characters_are_told_and_not_echoed(text: str) -> None:
    assert "control characters" in messages(text)[0]
    assert messages(text)[0].isprintable()


@pytest.mark.parametrize("text", ["a: " + "9" * 5000, "a: !!int x", "a: !!bool maybe", "a: !!float y", "a: !!int ''"])
def test_a_number_that_is_none_is_told(text: str) -> None:
    assert messages(text) == ["a: cannot be read (line 1)"]


def test_a_large_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (BYTES_MAX + 1))
    assert "is larger than 256 KiB" in str(read_document(path).problems[0])


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert "No such file" in str(read_document(tmp_path / "gone.yaml").problems[0])
    assert "Is a directory" in str(read_document(tmp_path).problems[0])
    assert "is not a path" in str(read_document(Path("a\0b")).problems[0])


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="ascii", min_codepoint=32, exclude_characters="\x7f")),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(r"k[a-z]{1,8}", fullmatch=True), PLAIN, min_size=1))
def test_reads_back_what_yaml_writes(value: dict[str, object]) -> None:
    document = parse(yaml.safe_dump(value).replace("\nno:", "\n'no':"))
    assert document.problems or document.value == value
    assert all("not text" in problem.message for problem in document.problems)


@given(st.binary(max_size=200))
def test_never_raises_for_any_bytes(body: bytes) -> None:
    document = parse_document(body, "x")
    assert document.problems or document.value is not None or body


@given(st.text(st.sampled_from("ab:-[]{}&*!'\"|>%#?, \n\t1.~<"), max_size=60))
def test_never_raises_for_any_yaml_like_text(text: str) -> None:
    document = parse(text)
    assert all(problem.path for problem in document.problems)
