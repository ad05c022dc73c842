"""The documents agree with the code: a table says all there is, what is named exists, and links lead somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from monitor.audit.records import Kind
from monitor.cli import app
from monitor.cli.exits import MEANS, Exit
from monitor.detectors import DETECTORS
from monitor.export.collector import describe
from monitor.export.describe import markdown
from monitor.facts import EVERY_TASK, RejectReason, Task
from monitor.ingest.accept import EXPLAINED
from monitor.settings.structure import sections

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
INTAKE = ROOT / "docs" / "intake.md"
METRICS = ROOT / "docs" / "metrics.md"
DOCUMENTS = [README, ROOT / "ARCHITECTURE.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def table(document: Path, title: str) -> list[str]:
    """The rows of the first table below a heading of a document, its head left out."""
    _, found, rest = document.read_text().partition(f"\n## {title}\n")
    assert found, f"{document.name} has no section {title!r}"
    lines = rest.partition("\n## ")[0].splitlines()
    return [line for line in lines if line.startswith("|")][2:]


# ---------------------------------------------------------------- words of a closed list


def test_the_readme_names_every_detector_where_its_models_are() -> None:
    parts = {"every": EVERY_TASK, **{task.value: frozenset({task}) for task in Task}}
    named = {title: [name for name, kind in DETECTORS.items() if kind.tasks == tasks] for title, tasks in parts.items()}
    assert sorted(name for names in named.values() for name in names) == sorted(DETECTORS)
    rows = [f"| {title} | {', '.join(f'`{name}`' for name in names)} |" for title, names in named.items()]
    assert table(README, "What can be read") == rows


def test_every_reason_to_reject_a_row_is_told() -> None:
    rows = [f"| `{reason.value}` | {EXPLAINED[reason][1]} |" for reason in RejectReason]
    assert table(INTAKE, "Why a row is rejected") == rows


def test_every_reason_is_explained_in_words_of_ours() -> None:
    assert EXPLAINED.keys() == set(RejectReason)


def test_the_readme_has_every_exit_code() -> None:
    assert table(README, "Exit codes") == [f"| {code.value} | {MEANS[code]} |" for code in Exit]
    assert MEANS.keys() == set(Exit)


# ---------------------------------------------------------------- metrics


def test_the_table_of_metrics_is_current() -> None:
    made = "python -m monitor.export.describe > docs/metrics.md"
    assert METRICS.read_text() == markdown(), f"make it again: {made}"


def test_the_table_of_metrics_has_every_metric_once() -> None:
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$", METRICS.read_text(), re.MULTILINE)
    named = [(name, kind, tuple(labels.replace("`", "").split()), text) for name, kind, labels, text in listed]
    assert sorted(named) == sorted(describe())


def test_the_table_of_metrics_is_made_by_the_command_it_names() -> None:
    named = re.search(r"`python (-m [\w.]+)`", METRICS.read_text())
    assert named
    made = subprocess.run([sys.executable, *named[1].split()], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (made.stdout, made.stderr) == (markdown(), "")


# ---------------------------------------------------------------- what is named


@every_document
def test_every_metric_that_is_named_is_exported(document: Path) -> None:
    known = {name for name, *_ in describe()}
    known |= {f"{name}_{end}" for name, kind, *_ in describe() for end in ("count", "sum") if kind == "summary"}
    named = set(re.findall(r"\btocsin_[a-z_0-9]+[a-z0-9]\b(?![{*]?[_*])", document.read_text()))
    assert named - known - OTHER_NAMES == set()


OTHER_NAMES = {"tocsin_drift"}  # a package of the example in docs/detectors.md


@every_document
def test_every_setting_that_is_named_exists(document: Path) -> None:
    paths = [path.split(".") for path, _ in sections()]
    known = {".".join(parts[at:]) for parts in paths for at in range(len(parts)) if parts[at] != "*"}
    sections_of_ours = {path.partition(".")[0] for path in known if "." in path}
    known |= {kind.value for kind in Kind}  # of audit records; some begin like a section
    named = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)(?:: [^`]*)?`", document.read_text()))
    assert {path for path in named if path.partition(".")[0] in sections_of_ours} - known == set()


def commands(group: Any, *before: str) -> Iterator[tuple[str, ...]]:
    yield before
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, *before, name)


@every_document
def test_every_command_that_is_named_exists(document: Path) -> None:
    known = {words[0] for words in commands(typer.main.get_command(app)) if words}
    below = {words[:2] for words in commands(typer.main.get_command(app)) if len(words) > 1}
    groups = {first for first, _ in below}
    named = re.findall(r"(?:`|^|\n| tocsin )tocsin ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", document.read_text())
    wrong = [
        words for words in named if words[0] not in known or (words[0] in groups and words[1] and words not in below)
    ]
    assert wrong == []


# ---------------------------------------------------------------- what is pointed to


def links(document: Path) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", document.read_text())


def anchors(document: Path) -> set[str]:
    """The names that headings have, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_document
def test_links_between_files_lead_somewhere(document: Path) -> None:
    own = [link.partition("#") for link in links(document) if "://" not in link]
    gone = [path for path, _, _ in own if path and not (document.parent / path).exists()]
    assert gone == []
    targets = [((document.parent / path) if path else document, anchor) for path, _, anchor in own if anchor]
    assert [(target.name, anchor) for target, anchor in targets if anchor not in anchors(target)] == []


def test_every_document_can_be_reached_from_the_readme() -> None:
    folders = {(README.parent / link).resolve() for link in links(README) if "://" not in link}
    unreached = [path.name for path in DOCUMENTS[1:] if path not in folders and path.parent not in folders]
    assert unreached == []


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.name != "CHANGELOG.md"], ids=lambda path: path.name
)
def test_a_document_fits_the_width_of_a_screen(document: Path) -> None:
    lines = [line for line in document.read_text().splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 120] == []


@every_document
def test_a_table_has_as_many_cells_in_every_row(document: Path) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", document.read_text(), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in block.splitlines()}) == 1, block.splitlines()[0]


# ---------------------------------------------------------------- answers of a backtest


def test_every_field_of_a_backtest_is_in_its_page() -> None:
    from monitor.backtest.report import Delay, Fired, Moved, Planted, Rate, Report

    said = set(re.findall(r"`([a-z_]+)`", (ROOT / "docs" / "backtest.md").read_text()))
    fields = {name for kind in (Report, Rate, Fired, Moved, Planted, Delay) for name in kind.__struct_fields__}
    assert fields <= said
