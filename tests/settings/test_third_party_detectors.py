"""Detectors of others: docs/detectors.md, installed and run as a stranger's package; and packages that are none."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laid_out import ROOT

from monitor.detectors import DETECTORS
from monitor.errors import SettingsError
from monitor.facts import Histogram, Verdict
from monitor.settings.detectors import detectors_for
from monitor.settings.rules import read_rules

PAGE = (ROOT / "docs" / "detectors.md").read_text()
MODULE, PACKAGE, PACK = (
    re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0] for kind in ("python", "toml", "yaml")
)
ENTRY = re.findall(r"^median_shift = .*$", PACKAGE, re.MULTILINE)[0].replace(chr(34), "")
Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install a module as pip would lay it out: the module, and its metadata with an entry point."""

    def installed(module: str = MODULE, name: str = "median_shift", entry: str = ENTRY) -> Path:
        site = tmp_path / name
        site.mkdir()
        (site / f"{name}.py").write_text(module)
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[monitor.detectors]\n{entry}\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, name, raising=False)
        return site

    return installed


def pack(**rule: Any) -> dict[str, Any]:
    return {"version": 1, "readings": [{"name": "x", "subject": "features", "window": "1d", **rule}]}


def numeric(bins: tuple[int, ...]) -> Histogram:
    return Histogram("x", True, bins, edges=(0.0, 1.0, 2.0), mean=1.0, std=0.5)


def refused(document: object) -> str:
    with pytest.raises(SettingsError) as error:
        detectors_for(document)
    return "; ".join(map(str, error.value.problems))


def test_the_page_can_be_followed(install: Install, tmp_path: Path) -> None:
    install()
    (tmp_path / "rules.yaml").write_text(PACK)
    rule = read_rules(tmp_path / "rules.yaml").rules[0]
    assert (rule.name, rule.detector.limit) == ("median_moved", 0.3)


def test_what_the_page_teaches_is_right(install: Install) -> None:
    install()
    detector = detectors_for(pack(detector="median_shift"))["median_shift"]()
    even, late = numeric((0, 400, 400, 0)), numeric((0, 200, 600, 0))
    reading = detector.read(even, late)
    assert reading.value == pytest.approx((1 + 1 / 3 - 1.0) / 0.5)
    assert (reading.verdict, detector.read(even, even).value) == (Verdict.BREACH, 0.0)
    assert detector.read(even, numeric((0, 9, 9, 0))).verdict is Verdict.UNKNOWN
    assert detector.read(even, numeric((900, 0, 0, 0))).verdict is Verdict.UNKNOWN


def test_ours_are_not_replaced_by_a_package_that_takes_their_name(install: Install) -> None:
    install(entry=ENTRY.replace("median_shift =", "psi ="))
    assert detectors_for(pack(detector="psi")) == DETECTORS


def test_nothing_is_imported_that_no_rule_names(install: Install) -> None:
    install("raise SystemExit('imported')")
    assert "median_shift" not in detectors_for(pack(detector="psi"))


def test_an_import_that_fails_is_told_with_the_name(install: Install) -> None:
    install("import a_module_that_is_not_there")
    assert "median_shift: cannot be imported: ModuleNotFoundError" in refused(pack(detector="median_shift"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("frozen=True", "frozen=False"), "the dataclass must be frozen"),
        (("@dataclass(frozen=True, slots=True)\n", ""), "it must be a frozen dataclass"),
        (("def read(", "def look("), "it has neither read nor step"),
        (("frozenset({Subject.FEATURES})", "frozenset({'features'})"), "subjects must be a frozenset of Subject"),
    ],
)
def test_what_is_no_detector_is_told(install: Install, change: tuple[str, str], why: str) -> None:
    assert change[0] in MODULE
    install(MODULE.replace(*change))
    assert why in refused(pack(detector="median_shift"))


def test_a_name_that_two_packages_offer_is_told_with_both(install: Install) -> None:
    install()
    install(MODULE, "other", ENTRY.replace(": ", ":"))
    assert "is offered by median_shift and other" in refused(pack(detector="median_shift"))


def test_the_problem_bears_the_name_of_the_file(install: Install, tmp_path: Path) -> None:
    install("import a_module_that_is_not_there")
    (tmp_path / "rules.yaml").write_text(PACK)
    with pytest.raises(SettingsError) as error:
        read_rules(tmp_path / "rules.yaml")
    assert str(error.value.problems[0]).startswith(f"{tmp_path / 'rules.yaml'}:detector median_shift")


@pytest.mark.parametrize("document", [None, [], {}, {"rules": 5}, {"rules": [5, {"detector": ["x"]}]}])
def test_a_pack_that_is_wrong_in_other_ways_is_left_to_others(document: object) -> None:
    assert detectors_for(document) == DETECTORS
