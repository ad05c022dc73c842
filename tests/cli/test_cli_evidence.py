"""Reports from the command line: listed, fetched into a file of one's own, and all links to them ended."""

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.exits import Exit
from monitor.evidence.links import KEY_FILE, read_key, rotate
from monitor.ingest.tokens import Scope

Tocsin = Callable[..., Any]
PAGE = b"<!doctype html>\xc3\xa9"
REPORT = "/v1/evidence/delays/delays-1"


@pytest.fixture
def ask(tocsin: Tocsin, api: Any) -> Tocsin:
    """Run a command against the API with a token that may read."""
    token_file = api.token_file(Scope.READ)
    return lambda *arguments: tocsin(*arguments, "--url", api.url, "--token-file", token_file)


@pytest.fixture
def told(api: Any) -> Any:
    api.control.results |= {"incident": {"id": "delays-1", "report": REPORT}, "report": PAGE}
    return api


def test_a_report_is_fetched_into_a_file_of_its_owner_alone(ask: Tocsin, told: Any, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_bytes(b"older")
    ended = ask("evidence", "fetch", "delays-1", "-o", tmp_path / "page.html")
    assert (ended.code, ended.out) == (Exit.OK, "")
    assert (tmp_path / "page.html").read_bytes() == PAGE
    assert stat.S_IMODE((tmp_path / "page.html").stat().st_mode) == 0o600
    assert told.control.asked == [("incident", "delays-1"), ("report", "delays", "delays-1")]
    assert [path.name for path in tmp_path.glob("*page*")] == ["page.html"]
    answer = ask("evidence", "fetch", "delays-1", "-o", tmp_path / "page.html", "--json").json
    assert answer == {"incident": "delays-1", "file": str(tmp_path / "page.html"), "bytes": len(PAGE)}


@pytest.mark.parametrize("report", [None, "https://elsewhere.example/x", "/v1/rollbacks"])
def test_without_a_report_it_says_when_one_is_made_and_asks_nowhere_else(
    ask: Tocsin, told: Any, tmp_path: Path, report: str | None
) -> None:
    told.control.results["incident"]["report"] = report
    ended = ask("evidence", "fetch", "delays-1", "-o", tmp_path / "page.html")
    assert (ended.code, "evidence.incidents" in ended.err) == (Exit.PROBLEMS, True)
    assert [name for name, *_ in told.control.asked] == ["incident"]
    assert not (tmp_path / "page.html").exists()


def test_an_incident_that_is_not_there_is_said_to_be_so(ask: Tocsin, told: Any) -> None:
    told.control.results["incident"] = None
    assert ask("evidence", "fetch", "none", "-o", "x.html").code == Exit.PROBLEMS


def test_a_file_that_cannot_be_written_is_named(ask: Tocsin, told: Any, tmp_path: Path) -> None:
    ended = ask("evidence", "fetch", "delays-1", "-o", tmp_path / "gone" / "page.html")
    assert (ended.code, "cannot be written" in ended.err) == (Exit.PROBLEMS, True)


def test_reports_are_listed(ask: Tocsin, api: Any) -> None:
    api.control.results["evidence"] = [{"id": "delays-1", "model": "delays", "bytes": 5, "written": 1_362_132_900.0}]
    assert "2013-03-01T10:15:00Z" in ask("evidence", "list").out
    assert ask("evidence", "list", "--json").json == api.control.results["evidence"]


def test_the_link_of_an_incident_is_shown(ask: Tocsin, api: Any) -> None:
    link = "https://tocsin.example.org/v1/evidence/delays/delays-1?expires=1&signature=s"
    api.control.results["incident"] = {"id": "delays-1", "link": link}
    assert f"link: {link}" in ask("incidents", "show", "delays-1").out


def test_a_rotation_makes_another_key(tocsin: Tocsin, home: Path) -> None:
    key = home / "state" / KEY_FILE
    key.parent.mkdir(exist_ok=True)
    rotate(key)
    before = read_key(key)
    ended = tocsin("evidence", "rotate")
    assert (ended.code, read_key(key) != before, key.read_text().strip() in ended.err) == (Exit.OK, True, False)


def test_without_a_state_directory_there_is_nothing_to_rotate(tocsin: Tocsin, home: Path) -> None:
    ended = tocsin("evidence", "rotate")
    assert (ended.code, "cannot be written" in ended.err) == (Exit.PROBLEMS, True)
