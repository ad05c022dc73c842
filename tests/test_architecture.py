"""The laws of the tree, as tests: layers, laws of packages, what ARCHITECTURE.md names, what must never be called."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MONITOR = ROOT / "monitor"
SOURCES = sorted(MONITOR.rglob("*.py"))
PACKAGES = [path for path in SOURCES if path.name == "__init__.py"]
ARCHITECTURE = ROOT / "ARCHITECTURE.md"

# Safety S10: whatever turns bytes of a stranger into code or objects.
FORBIDDEN_CALLS = {"pickle", "joblib", "shelve", "marshal", "dill", "cloudpickle", "torch"}
FORBIDDEN_YAML = {"load", "load_all", "full_load", "unsafe_load", "unsafe_load_all", "full_load_all"}

# Where an error that nobody foresaw ends: something stops and says so; a detector of a third party reads BROKEN.
SUPERVISORS = {
    "monitor/cli/__init__.py",
    "monitor/daemon.py",
    "monitor/evidence/worker/findings.py",
    "monitor/store/faults.py",
    "monitor/settings/detectors.py",
    "monitor/turns/reading.py",
    "monitor/turns/supervisor.py",
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_imports_go_only_upwards() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", PACKAGES, ids=named)
def test_a_package_states_its_law_in_two_sentences(path: Path) -> None:
    law = ast.get_docstring(ast.parse(path.read_text()))
    assert law, f"{named(path)} has no docstring"
    assert 1 <= len(re.findall(r"[.!?](?:\s|$)", law)) <= 4


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_nothing_unpickles(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not FORBIDDEN_CALLS & {module.partition(".")[0] for module in imports(tree)}
    yaml_calls = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "yaml"
    }
    assert not FORBIDDEN_YAML & yaml_calls


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_every_ignore_gives_its_reason(path: Path) -> None:
    for number, line in enumerate(path.read_text().splitlines(), 1):
        ignore = re.search(r"#\s*(?:noqa|type: ignore|nosec)\b[^#\n-]*(?P<reason>.*)", line)
        assert ignore is None or len(ignore["reason"].strip("-# ")) > 5, f"{named(path)}:{number}: {line.strip()}"


@pytest.mark.parametrize("path", SOURCES, ids=named)
def test_one_place_alone_catches_everything(path: Path) -> None:
    """`except Exception` exists in the supervisor only, and at the top of the command line; cleaning up is no catch."""
    handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
    broad = [node for node in handlers if node.type is None or name_of(node.type) in {"BaseException", "Exception"}]
    catching = [
        node.lineno for node in broad if not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None)
    ]
    assert not catching or named(path) in SUPERVISORS


def name_of(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def symbols() -> list[str]:
    """Return what ARCHITECTURE.md names in backticks that looks like a path or a dotted name of ours."""
    if not ARCHITECTURE.exists():
        return []
    quoted = re.findall(r"`([^`\s]+)`", ARCHITECTURE.read_text())
    ours = (r"monitor(\.\w+)+", r"(monitor|tests|rules|examples|bench|grafana|\.ci)/[\w./-]*")
    return sorted({text for text in quoted if any(re.fullmatch(pattern, text) for pattern in ours)})


@pytest.mark.parametrize("symbol", symbols())
def test_what_the_architecture_names_exists(symbol: str) -> None:
    assert (ROOT / symbol).exists() if "/" in symbol else found(symbol), f"{symbol} is in ARCHITECTURE.md only"


def test_the_architecture_fits_on_three_pages() -> None:
    if not ARCHITECTURE.exists():
        pytest.skip("ARCHITECTURE.md is not written yet")
    assert len(ARCHITECTURE.read_text().splitlines()) <= 150


def found(symbol: str) -> bool:
    """Whether a dotted name is a module, or something in one."""
    parts = symbol.split(".")
    for end in range(len(parts), 0, -1):
        try:
            thing: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for name in parts[end:]:
            thing = getattr(thing, name, None)
        return thing is not None
    return False
