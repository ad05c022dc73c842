"""The documents agree with the code: what a table says is all there is, and what it shows can be typed."""

import dataclasses
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitor.cli.exits import MEANS, Exit
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.export.collector import describe
from monitor.export.describe import markdown
from monitor.facts import FeatureKind, RejectReason, Subject
from monitor.ingest.accept import EXPLAINED
from monitor.settings.units import Duration

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
METRICS = ROOT / "docs" / "metrics.md"
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/metrics.md")]


def table(title: str) -> list[str]:
    """The rows of the first table below a heading of the README, its head left out."""
    _, found, rest = README.partition(f"\n## {title}\n")
    assert found, f"the README has no section {title!r}"
    lines = rest.partition("\n## ")[0].splitlines()
    return [line for line in lines if line.startswith("|")][2:]


# ---------------------------------------------------------------- detectors


def detector_row(name: str) -> str:
    kind = DETECTORS[name]
    says = (inspect.getdoc(sys.modules[kind.__module__]) or "").splitlines()[0].removesuffix(".")
    cells = (f"`{name}`", ", ".join(reads(kind)), says, ", ".join(parameters(kind)))
    return f"| {' | '.join(cells)} |"


def reads(kind: type) -> list[str]:
    """The subjects, in the words of a rule; which features, where not all."""
    words = [subject.value for subject in Subject if subject in kind.subjects]
    if len(kind.kinds) == 1 < len(FeatureKind):
        words = [f"{word} ({next(iter(kind.kinds)).value})" if word == "features" else word for word in words]
    return words


def parameters(kind: type) -> list[str]:
    return [f"`{field.name}: {default(field)}`" for field in dataclasses.fields(kind)]


def default(field: dataclasses.Field) -> str:
    if field.name.endswith("_s"):
        return str(Duration(field.default))
    return "null" if field.default is None else str(field.default)


def test_the_readme_has_every_detector_with_its_parameters_and_defaults() -> None:
    assert table("Detectors") == [detector_row(name) for name in DETECTORS]


@pytest.mark.parametrize("name", DETECTORS)
def test_what_the_table_says_is_what_a_rule_gets(name: str) -> None:
    _, subjects, _, cell = (part.strip() for part in detector_row(name).strip("|").split("|"))
    given = yaml.safe_load(f"{{{cell.replace('`', '')}}}")
    clock = "every" if hasattr(DETECTORS[name], "step") else "window"
    rule = {"name": "x", "subject": re.split(r"\W", subjects)[0], "detector": name, clock: "1h", **given}
    rule |= {"by": "group"} if rule["subject"] == "groups" else {}
    assert parse_pack({"version": 1, "readings": [rule]}, DETECTORS).rules[0].detector == DETECTORS[name]()


def test_a_default_in_the_table_is_written_as_a_rule_would_write_it() -> None:
    assert "`limit_s: 15m`" in detector_row("silence")
    assert "`limit: null`" in detector_row("error")


# ---------------------------------------------------------------- words of a closed list


def test_the_readme_has_every_reason_to_reject_a_row() -> None:
    rows = [f"| `{reason.value}` | {EXPLAINED[reason][1]} |" for reason in RejectReason]
    assert table("Why a row is rejected") == rows


def test_every_reason_is_explained_in_words_of_ours() -> None:
    assert EXPLAINED.keys() == set(RejectReason)


def test_the_readme_has_every_exit_code() -> None:
    assert table("Exit codes") == [f"| {code.value} | {MEANS[code]} |" for code in Exit]
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


# ---------------------------------------------------------------- what is pointed to


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_files_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    gone = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert gone == []


@pytest.mark.parametrize("name", ["README.md", "ARCHITECTURE.md", "docs/metrics.md"])
def test_a_document_fits_the_width_of_a_screen(name: str) -> None:
    lines = [line for line in (ROOT / name).read_text().splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 120] == []
