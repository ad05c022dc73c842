"""`docs/readings.md` says of every detector what its note says: formula, interval, bins, when it is unknown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.facts import FeatureKind, Subject, Task
from monitor.settings.readings import LEADS, lead, markdown, note, parameters, reads

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "readings.md"
SECTIONS = dict(zip(*[iter(re.split(r"^### `(\w+)`$", PAGE.read_text(), flags=re.MULTILINE)[1:])] * 2, strict=True))
BINNED = {
    name
    for name, kind in DETECTORS.items()
    if {Subject.FEATURES, Subject.OUTPUT, Subject.SCORE} <= kind.subjects and kind.kinds & set(FeatureKind)
}
OF_SCORES = {"roc_auc", "average_precision", "calibration_error", "label_lag"}


def words(text: str) -> str:
    """A text without what marks it up, and on one line."""
    return " ".join(re.sub(r"[`*]|^- |```text", "", text, flags=re.MULTILINE).split())


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == markdown(), "make it again: python -m monitor.settings.readings > docs/readings.md"


def test_the_page_is_made_by_the_command_it_names() -> None:
    named = re.search(r"`python (-m [\w.]+)`", PAGE.read_text())
    assert named
    made = subprocess.run([sys.executable, *named[1].split()], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (made.stdout, made.stderr) == (markdown(), "")


@pytest.mark.parametrize("name", DETECTORS)
def test_the_parameters_shown_are_what_a_rule_gets(name: str) -> None:
    given = yaml.safe_load(f"{{{', '.join(parameters(name)).replace('`', '')}}}")
    clock = "every" if hasattr(DETECTORS[name], "step") else "window"
    rule = {"name": "x", "subject": reads(name)[0].partition(" ")[0], "detector": name, clock: "1h", **given}
    rule |= {"by": "group"} if rule["subject"] == "groups" else {}
    assert parse_pack({"version": 1, "readings": [rule]}, DETECTORS).rules[0].detector == DETECTORS[name]()


def test_a_default_is_written_as_a_rule_would_write_it() -> None:
    assert "`limit_s: 15m`" in parameters("silence")
    assert "`limit: null`" in parameters("error")


def test_every_detector_has_one_section_and_no_other_has() -> None:
    assert sorted(SECTIONS) == sorted(DETECTORS)


@pytest.mark.parametrize("task", Task)
def test_a_task_finds_its_readings_in_its_part_or_in_the_common_one(task: Task) -> None:
    parts = dict(zip(*[iter(re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:])] * 2, strict=True))
    found = re.findall(r"^### `(\w+)`$", parts["Every model"] + parts[task.value.capitalize()], re.MULTILINE)
    assert sorted(found) == sorted(name for name, kind in DETECTORS.items() if task in kind.tasks)


@pytest.mark.parametrize("name", DETECTORS)
def test_a_section_says_all_that_the_note_says(name: str) -> None:
    said = words(SECTIONS[name]).lower()
    blocks = map(words, note(name).split("\n\n"))
    sentences = [part for block in blocks for part in re.split(rf"(?:{'|'.join(LEADS)})[:,] ?", block)]
    missing = [sentence for sentence in sentences if sentence.lower() not in said]
    assert missing == []


@pytest.mark.parametrize("name", DETECTORS)
def test_a_note_has_a_formula_says_whether_there_is_an_interval_and_when_it_speaks(name: str) -> None:
    assert "```text" in SECTIONS[name]
    assert (lead(name, "Interval") is None) != (lead(name, "No interval") is None)
    assert re.search(r"^- \*\*Verdict\.\*\* Breach", SECTIONS[name], re.MULTILINE)
    assert re.search(r"^- \*\*Shown as\*\* `tocsin_\w+`", SECTIONS[name], re.MULTILINE)


@pytest.mark.parametrize("name", sorted(BINNED | OF_SCORES))
def test_a_reading_of_bins_says_what_they_cost(name: str) -> None:
    assert lead(name, "Bins")
