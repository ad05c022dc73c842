"""The example is the documentation of the settings: it holds all of them, and the defaults it shows are theirs."""

from pathlib import Path

import pytest
from laid_out import EXAMPLE, ROOT
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from monitor.settings.document import Document, Plain, read_document
from monitor.settings.structure import draft, sections
from monitor.settings.values import Section
from monitor.turns.reloading import MAY_CHANGE

DOCUMENT: Document = read_document(EXAMPLE)
SETTINGS = dict(sections())
# What has no default, or None, is shown with a value of the example's.
LEAVES = {path: info for path, info in SETTINGS.items() if not any(other.startswith(f"{path}.") for other in SETTINGS)}
DEFAULTS = {
    path: info for path, info in LEAVES.items() if not any(info.default is each for each in (PydanticUndefined, None))
}


def shown(path: str) -> Plain:
    """Return what the example says at `path`, `*` being its only model or receiver."""
    value = DOCUMENT.value
    for part in path.split("."):
        if isinstance(value, dict):
            value = next(iter(value.values())) if part == "*" else value[part]
        elif isinstance(value, list):
            value = value[0]
    return value


def test_the_example_has_no_structural_problem() -> None:
    assert draft(DOCUMENT, ROOT).problems == []


@pytest.mark.parametrize("path", SETTINGS)
def test_every_setting_is_in_the_example(path: str) -> None:
    shown(path)


@pytest.mark.parametrize(("path", "info"), DEFAULTS.items(), ids=DEFAULTS)
def test_what_the_example_shows_is_the_default(path: str, info: FieldInfo) -> None:
    value, default = shown(path), info.default
    if isinstance(default, tuple):
        assert value == list(default)
    elif isinstance(default, Path):
        assert Path(str(value)) == default
    else:
        assert value == getattr(default, "value", default) or str(value) == str(default)


def test_an_optional_section_is_shown_in_full() -> None:
    """What the file leaves out is a default; nothing may be left out of the example."""
    settings = draft(DOCUMENT, ROOT).settings
    assert settings is not None
    unset = [
        f"{path}.{name}"
        for path, section in walk(settings, "")
        for name in type(section).model_fields
        if name not in section.model_fields_set
    ]
    assert unset == []


def walk(section: Section, path: str) -> list[tuple[str, Section]]:
    found = [(path, section)]
    for name in type(section).model_fields:
        value = getattr(section, name)
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
        for each in inner:
            found += walk(each, f"{path}.{name}") if isinstance(each, Section) else []
    return found


def marked(path: str) -> bool:
    """Whether the example says (reload) at a setting or at a section around it."""
    lines = EXAMPLE.read_text().splitlines()
    names = path.split(".")
    for end in range(1, len(names) + 1):
        number = DOCUMENT.line(concrete(".".join(names[:end])))
        assert number is not None
        block = [lines[number - 1]]
        above = number - 2
        while lines[above].lstrip().startswith("#"):
            block.append(lines[above])
            above -= 1
        if any("(reload)" in line for line in block):
            return True
    return False


def concrete(path: str) -> str:
    """Put the example's only model and receiver in the place of `*`."""
    named = path.replace("models.*", "models.delays").replace("receivers.*", "receivers.0")
    return named.replace("evidence.metrics.*", "evidence.metrics.distance_drift")


@pytest.mark.parametrize("path", LEAVES)
def test_the_example_says_what_a_reload_may_change(path: str) -> None:
    assert marked(path) is bool(MAY_CHANGE.fullmatch(concrete(path).replace(".", "/")))


@pytest.mark.parametrize("variable", ["TOCSIN_TOKENS_FILE", "TOCSIN_SECRET_FILE_"])
def test_the_environment_is_documented(variable: str) -> None:
    assert variable in EXAMPLE.read_text()


def test_the_example_fits_the_width_of_a_screen() -> None:
    assert max(map(len, EXAMPLE.read_text().splitlines())) <= 120
