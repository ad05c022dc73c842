"""A page per alert, and every command, metric, file and setting that a page names exists."""

import re
from pathlib import Path

import pytest
import typer
import yaml

from monitor.cli import app
from monitor.export.collector import describe
from monitor.settings.structure import sections

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "rules" / "tocsin.rules.yml").read_text())
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
PAGES = {path.stem: path.read_text() for path in (ROOT / "docs" / "runbooks").glob("*.md")}
EXPORTED = {name + suffix for name, *_ in describe() for suffix in ("", "_count", "_sum")}
SETTINGS = {path.replace("models.*.", "").replace("receivers.*.", "") for path, _ in sections()}


def commands() -> set[str]:
    """Every command as it is typed, without its arguments."""
    root = typer.main.get_command(app)
    found = set()
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", {})
        found |= {f"tocsin {name} {each}" for each in below} | {f"tocsin {name}"}
    return found


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert set(PAGES) == set(ALERTS)
    for name, rule in ALERTS.items():
        assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_is_and_what_to_do_first(name: str) -> None:
    text = PAGES[name]
    assert text.startswith(f"# {name}\n\n**")
    assert "\n## First\n1. " in text
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_tells_to_type_exists(name: str) -> None:
    typed = re.findall(r"`(tocsin [a-z-]+(?: [a-z]+)?)", PAGES[name])
    known = commands()
    assert [each for each in typed if each not in known and each.rsplit(" ", 1)[0] not in known] == []
    assert [each for each in typed if each not in known and len(each.split()) == 3 and takes_words(each)] == []


def takes_words(typed: str) -> bool:
    """Whether the second word should be a sub-command: the first one has some."""
    return any(each.startswith(f"{typed.rsplit(' ', 1)[0]} ") for each in commands())


@pytest.mark.parametrize("name", PAGES)
def test_the_metrics_a_page_names_are_exported(name: str) -> None:
    assert set(re.findall(r"\btocsin_[a-z_]+", PAGES[name])) <= EXPORTED


@pytest.mark.parametrize("name", PAGES)
def test_the_settings_a_page_names_exist(name: str) -> None:
    named = re.findall(r"`((?:http|panes|fold|metrics|serving|known_good|labels|rollback)\.[a-z_]+)`", PAGES[name])
    assert set(named) <= SETTINGS


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGES[name])
    assert [link for link in links if not (ROOT / "docs" / "runbooks" / link).exists()] == []
