"""A command that a notice prints is one that the command line takes: a person at night pastes it as it stands."""

import shlex

import pytest
from judged import DAY, V2, make_slots, make_state, make_terms
from msgspec.structs import replace
from typer.testing import CliRunner

from monitor.cli import app
from monitor.cli.api import Api
from monitor.decisions.judge import judge, start_command
from monitor.decisions.outcomes import declined
from monitor.facts import Incident, Mode, ModelName

BAD = {(rule, ""): make_slots(rule, 2, "bbo") for rule in ("paired_error", "error")}
NOW = 3 * DAY


def printed(judgement) -> list[str]:
    """The commands in the time line; each stands at the end of its line."""
    lines = [words for _, words in judgement.incidents[-1].timeline]
    return [f"tocsin {line.partition('tocsin ')[2]}" for line in lines if "tocsin " in line]


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch):
    """Type a command; what would be sent to the daemon, as (path, body)."""
    sent = []
    monkeypatch.setattr(Api, "post", lambda _, path, body=None: sent.append((path, body)) or {})

    def typing(command: str):
        name, *arguments = shlex.split(command)
        assert name == "tocsin"
        ended = CliRunner().invoke(app, arguments)
        assert (ended.exit_code, ended.exception) == (0, None), ended.output
        return sent.pop()

    return typing


def test_the_command_to_start_is_one(typed) -> None:
    judgement = judge(make_state(), make_terms(mode=Mode.PROPOSE), BAD, NOW)
    [command] = printed(judgement)
    body = {"model": "delays", "reason": judgement.incidents[-1].id}
    assert typed(command) == ("/v1/rollbacks", body)
    assert command in judgement.notices[0].summary


def test_the_command_to_approve_is_one(typed) -> None:
    judgement = judge(make_state(), make_terms(mode=Mode.APPROVE), BAD, NOW)
    [command] = printed(judgement)
    assert typed(command) == (f"/v1/rollbacks/{judgement.rollbacks[0].id}/approve", None)
    assert command in judgement.notices[0].summary


def test_after_a_no_the_command_to_start_is_told_too(typed) -> None:
    asked = judge(make_state(), make_terms(mode=Mode.APPROVE), BAD, NOW)
    terms, ident = make_terms(mode=Mode.APPROVE), asked.rollbacks[0].id
    judgement = declined(asked.state, terms, rollback_id=ident, actor="ann", now=NOW + 60)
    assert typed(printed(judgement)[-1]) == ("/v1/rollbacks", {"model": "delays", "reason": asked.incidents[-1].id})


@pytest.mark.parametrize("model", ["delays", "v-1.2_x", "0", "a b; rm -rf $HOME", "it's"])
@pytest.mark.parametrize("incident", [None, "delays-1", "$(reboot)"])
def test_whatever_the_names_are_a_shell_reads_them_as_they_are(typed, model: str, incident: str | None) -> None:
    opened = incident and Incident(incident, ModelName(model), NOW, 2, V2, "error", ())
    state = replace(make_state(), model=ModelName(model), incident=opened)
    assert typed(start_command(state)) == ("/v1/rollbacks", {"model": model, "reason": incident or "by hand"})
