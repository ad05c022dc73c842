"""docs/settings.md holds every setting, with the bounds of the classes and the words of the example."""

import re
import subprocess
import sys

import pytest
from laid_out import EXAMPLE, ROOT

from monitor.settings.describe import markdown
from monitor.settings.structure import sections

PAGE = ROOT / "docs" / "settings.md"
SETTINGS = dict(sections())
LEAVES = [path for path in SETTINGS if not any(other.startswith(f"{path}.") for other in SETTINGS)]


def row(path: str) -> list[str]:
    """The cells of a setting's line."""
    line = next(line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{path}` |"))
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == markdown(EXAMPLE), "make it again, with the command in its first lines"


def test_the_page_is_made_by_the_command_it_names() -> None:
    named = re.search(r"`python (-m [\w. /]+)`", PAGE.read_text())
    assert named
    made = subprocess.run([sys.executable, *named[1].split()], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (made.stdout, made.stderr) == (markdown(EXAMPLE), "")


def test_every_setting_is_there_once() -> None:
    listed = re.findall(r"^\| `([\w.*]+)` \|", PAGE.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(LEAVES)


@pytest.mark.parametrize("path", LEAVES)
def test_every_setting_is_explained(path: str) -> None:
    section = path.rpartition(".")[0]
    alone = row(path)[4]
    assert alone or f"## `{section}`\n\n| setting" not in PAGE.read_text(), "neither it nor its section has a comment"


def test_bounds_and_defaults_are_those_of_the_classes() -> None:
    assert row("http.port")[1:4] == ["whole number, >= 0, <= 65,535", "`8470`", ""]
    assert row("metrics.render_every")[1:4] == ["duration, 100ms to 1m", "`5s`", ""]
    assert row("models.*.known_good.share")[1:4] == ["number, > 0, <= 1", "`0.1`", "yes"]
    assert row("models.*.rollback.mode")[1:4] == ["`observe`, `propose`, `approve`, `auto`", "`observe`", "yes"]
    assert row("models.*.release.index")[1:3] == ["path", "required"]
