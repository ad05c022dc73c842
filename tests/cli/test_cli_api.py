"""Commands that talk to the daemon, over the real API: routes, tokens and scopes are the daemon's own."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from laid_out import private

from monitor.cli.exits import Exit
from monitor.decisions.clearance import Asked
from monitor.errors import Rejected, Transient
from monitor.facts import Family, Severity
from monitor.ingest.tokens import Scope

Tocsin = Callable[..., Any]
INCIDENT = {"id": "i1", "model": "delays", "cause": "paired_error", "opened": 1_362_132_900.0, "closed": None}


@pytest.fixture
def ask(tocsin: Tocsin, api: Any) -> Tocsin:
    """Run a command against the API with a token of all scopes a person may need."""
    token_file = api.token_file(Scope.READ, Scope.APPROVE)
    return lambda *arguments: tocsin(*arguments, "--url", api.url, "--token-file", token_file)


def test_status_is_shown_and_comes_as_json(ask: Tocsin, api: Any) -> None:
    api.control.results["status"] = {"now": 1_362_132_900.0, "models": {"delays": {"served": {"name": "v1"}}}}
    brief = ask("status").out.splitlines()
    assert brief[:3] == ["now: 2013-03-01T10:15:00Z", "delays:", "  served: v1, unknown"]
    every = ask("status", "--all").out.splitlines()
    assert every == ["now: 2013-03-01T10:15:00Z", "models:", "  delays:", "    served:", "      name: v1"]
    assert ask("status", "--json").json == api.control.results["status"]


def test_incidents_are_listed(ask: Tocsin, api: Any) -> None:
    api.control.results["incidents"] = [INCIDENT]
    ended = ask("incidents", "list")
    assert ended.code == Exit.OK
    assert "2013-03-01T10:15:00Z" in ended.out
    assert ask("incidents", "list", "--json").json == [INCIDENT]


def test_no_incidents_is_an_answer(ask: Tocsin, api: Any) -> None:
    api.control.results["incidents"] = []
    ended = ask("incidents", "list")
    assert (ended.code, ended.out) == (Exit.OK, "There are no incidents.\n")


def test_an_incident_is_shown(ask: Tocsin, api: Any) -> None:
    api.control.results["incident"] = {**INCIDENT, "timeline": [[1_362_132_900.0, "fired"]]}
    assert "cause: paired_error" in ask("incidents", "show", "i1").out
    assert api.control.asked == [("incident", "i1")]


def test_an_id_is_one_part_of_the_path(ask: Tocsin, api: Any) -> None:
    assert ask("incidents", "show", "../rollbacks").code == Exit.PROBLEMS
    assert ask("rollback", "approve", "r1/../../v1").code == Exit.PROBLEMS
    assert not [asked for asked in api.control.asked if asked[0] in {"rollbacks", "start_rollback"}]


def test_rollbacks_are_listed(ask: Tocsin, api: Any) -> None:
    api.control.results["rollbacks"] = [{"id": "r1", "model": "delays", "step": "proposed", "planned": 1.0}]
    assert "proposed" in ask("rollback", "list").out


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("start", "delays", "--reason", "it errs"), ("start_rollback", "delays", "it errs", "t2")),
        (("approve", "r1"), ("approve", "r1", "t2")),
        (("decline", "r1"), ("decline", "r1", "t2")),
        (("unlatch", "delays"), ("unlatch", "delays", "t2")),
    ],
)
def test_a_decision_reaches_the_daemon_with_its_actor(
    ask: Tocsin, api: Any, arguments: tuple[str, ...], asked: tuple[str, ...]
) -> None:
    ended = ask("rollback", *arguments)
    assert ended.code == Exit.OK
    assert api.control.asked == [asked]
    assert ask("rollback", *arguments, "--json").json == {"did": asked[0]}


@pytest.mark.parametrize(("command", "asked"), [("stop", "stop_automation"), ("go", "let_automation_go")])
def test_the_kill_switch_reaches_the_daemon_with_its_actor(tocsin: Tocsin, api: Any, command: str, asked: str) -> None:
    token = api.token_file(Scope.OPERATE)
    words = ("rollback", command, "--reason", "the index is wrong", "--url", api.url)
    assert tocsin(*words, "--token-file", token).code == Exit.OK
    [found] = api.control.asked
    assert found[:2] == (asked, "the index is wrong")


def test_letting_go_of_a_latch_reaches_the_daemon_with_its_actor(tocsin: Tocsin, api: Any) -> None:
    token = api.token_file(Scope.OPERATE)
    words = ("incidents", "release", "delays", "features_page/age", "--reason", "mended", "--url", api.url)
    assert tocsin(*words, "--token-file", token).code == Exit.OK
    [asked] = api.control.asked
    assert asked[:4] == ("release", "delays", "features_page/age", "mended")
    api.control.results["release"] = Rejected("not_latched", "nothing of that name is latched")
    assert tocsin(*words, "--token-file", token).code == Exit.REFUSED
    assert "lacks the scope operate" in tocsin(*words, "--token-file", api.token_file(Scope.READ, Scope.ADMIN)).err


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("bad", 6), ("unknown", 7), ("news", 7)])
def test_a_gate_ends_as_its_state_says(ask: Tocsin, api: Any, state: str, code: int) -> None:
    data = {"ok": state == "ok", "state": state, "value": None}
    api.control.results["gate"] = {"data": data, "model": "delays", "why": "so it is"}
    ended = ask("gate", "delays", "--bundle", "v2", "--needs", "output,labels", "--severity", "warning")
    assert (ended.code, ended.out.splitlines()[0]) == (code, f"state: {state}")
    assert "why: so it is" in ended.out
    needs = frozenset({Family.OUTPUT, Family.LABELS})
    assert api.control.asked == [("gate", "delays", Asked("v2", "", Severity.WARNING, needs))]
    again = ask("gate", "delays", "--json")
    assert (again.code, again.json["data"]) == (code, data)


@pytest.mark.parametrize("result", [LookupError(), Transient("busy"), ZeroDivisionError()])
def test_a_gate_that_does_not_answer_is_no_answer(ask: Tocsin, api: Any, result: Exception) -> None:
    api.control.results["gate"] = result
    assert ask("gate", "delays").code == Exit.PROBLEMS
    assert ask("gate", "delays", "--severity", "loud").code == Exit.REFUSED


@pytest.mark.parametrize(
    ("result", "code", "said"),
    [
        (Rejected("cooldown", "the last rollback was an hour ago"), Exit.REFUSED, "an hour ago"),
        (Transient("busy"), Exit.PROBLEMS, "try again"),
        (LookupError(), Exit.PROBLEMS, "tocsin status lists the models"),
        (ZeroDivisionError(), Exit.PROBLEMS, "its log tells more"),
    ],
)
def test_a_refusal_says_why_and_what_next(ask: Tocsin, api: Any, result: Exception, code: Exit, said: str) -> None:
    api.control.results["approve"] = result
    ended = ask("rollback", "approve", "r1", "--json")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_without_a_token_nothing_is_told(tocsin: Tocsin, api: Any) -> None:
    ended = tocsin("status", "--url", api.url)
    assert ended.code == Exit.REFUSED
    assert "--token-file or TOCSIN_TOKEN_FILE" in ended.err
    assert "tocsin token create NAME --scope read --file TOKENS_FILE" in ended.err


def test_a_token_that_is_unknown_is_told_apart_from_none(tocsin: Tocsin, api: Any, tmp_path: Path) -> None:
    ended = tocsin("status", "--url", api.url, "--token-file", private(tmp_path / "old", "tcs_unknown"))
    assert ended.code == Exit.REFUSED
    assert "unknown or revoked" in ended.err


def test_a_daemon_that_is_stuck_is_told_apart_from_one_that_is_not_there(
    tocsin: Tocsin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.cli.api.Api.__init__.__defaults__", (0.05,))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended = tocsin("status", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert ended.code == Exit.UNREACHABLE
    assert "tocsin healthy says which part" in ended.err


def test_a_token_without_the_scope_is_refused(tocsin: Tocsin, api: Any) -> None:
    ended = tocsin("rollback", "approve", "r1", "--url", api.url, "--token-file", api.token_file(Scope.READ))
    assert ended.code == Exit.REFUSED
    assert "lacks the scope approve" in ended.err
    assert "tocsin token create NAME --scope approve" in ended.err
    assert api.control.asked == []


def test_the_environment_may_name_the_token_file(tocsin: Tocsin, api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_TOKEN_FILE", str(api.token_file(Scope.READ)))
    assert tocsin("status", "--url", api.url).code == Exit.OK


def test_a_daemon_that_is_not_there_is_told(tocsin: Tocsin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ended = tocsin("status", "--url", f"http://127.0.0.1:{port}", "--json")
    assert (ended.code, ended.out) == (Exit.UNREACHABLE, "")
    assert "is `tocsin run` running" in ended.err
    assert "http.host and http.port" in ended.err
    assert ("refused" in ended.err, "Errno" in ended.err) == (True, False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n<>", b"SSH-2.0\r\n", b"[" * 9])
def test_another_program_at_the_address_is_told(tocsin: Tocsin, answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once, args=(listener, answer))
        thread.start()
        ended = tocsin("status", "--url", f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert ended.code == Exit.UNREACHABLE


def answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(answer)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1", "must begin with https:// or http://"),
        ("127.0.0.1:8470", "must begin"),
        ("http://user@127.0.0.1", "holds a user or password"),
        ("http://tocsin.example.org", "in the clear"),
        ("http://10.0.0.1:8470", "in the clear"),
    ],
)
def test_a_url_that_would_tell_the_token_is_refused(tocsin: Tocsin, url: str, said: str) -> None:
    ended = tocsin("status", "--url", url)
    assert ended.code == Exit.USAGE
    assert said in ended.err


def test_a_proxy_in_the_environment_never_sees_the_token(
    ask: Tocsin, api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.1)
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        assert ask("status").code == Exit.OK
        with pytest.raises(TimeoutError):
            proxy.accept()


@pytest.mark.parametrize("text", ["", "two words", "tcs_\x1b[2J", "é"])
def test_a_file_that_holds_no_token_is_told_and_not_shown(tocsin: Tocsin, api: Any, tmp_path: Path, text: str) -> None:
    ended = tocsin("status", "--url", api.url, "--token-file", private(tmp_path / "bad", text))
    assert ended.code == Exit.USAGE
    assert "holds no token" in ended.err
    assert not text or text not in ended.err


def test_a_token_that_others_can_read_is_not_used(tocsin: Tocsin, api: Any) -> None:
    token_file = api.token_file(Scope.READ)
    token_file.chmod(0o644)
    ended = tocsin("status", "--url", api.url, "--token-file", token_file)
    assert ended.code == Exit.USAGE
    assert f"chmod 600 {token_file}" in ended.err


def test_a_missing_token_file_is_told(tocsin: Tocsin, api: Any) -> None:
    ended = tocsin("status", "--url", api.url, "--token-file", "gone")
    assert ended.code == Exit.USAGE
    assert "cannot be read" in ended.err
