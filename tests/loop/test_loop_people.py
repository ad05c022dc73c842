"""What people do beside the loop: type what a notice prints, unlatch, start a daemon on a state that is not its own."""

import os
import re
import shlex
import signal
import subprocess
import sys

import httpx
import pytest
from loopworld import MODEL, ROOT, committed, poisoned
from servers import wait_for


def typed(loop, command):
    """Run a command as printed, in a shell's environment that says where the daemon and the token are."""
    token = loop.directory / "person.token"
    token.touch(mode=0o600)
    token.write_text(loop.tokens["person"])
    environ = os.environ | {"TOCSIN_URL": loop.url, "TOCSIN_TOKEN_FILE": str(token)}
    name, *arguments = shlex.split(command)
    assert name == "tocsin"
    command = [sys.executable, "-m", "monitor.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("mode", "command"), [("propose", "rollback start"), ("approve", "rollback approve")])
def test_the_command_that_the_notice_prints_rolls_back_when_it_is_pasted(make_loop, mode, command):
    loop = make_loop(mode=mode).start()
    poisoned(loop)
    loop.until(lambda _: f"tocsin {command}" in str(loop.get("/v1/incidents")))
    lines = [words for _, words in loop.get("/v1/incidents")[0]["timeline"]]
    printed = next(found[0] for line in lines if (found := re.search(f"tocsin {command}.*", line)))
    ended = typed(loop, printed)
    assert ended.returncode == 0, ended.stderr
    wait_for(lambda: committed(loop.status), "the rollback is committed")
    assert loop.status["served"]["name"] == "v1"


def test_unlatching_is_for_models_there_are_and_people_who_may(make_loop):
    loop = make_loop().start()
    body = {"model": MODEL}
    assert loop.call("POST", "/v1/rollbacks/unlatch", "ops", json=body).status_code == httpx.codes.FORBIDDEN
    assert loop.call("POST", "/v1/rollbacks/unlatch", json={"model": "x"}).status_code == httpx.codes.NOT_FOUND
    ended = typed(loop, f"tocsin rollback unlatch {MODEL} --json")
    assert (ended.returncode, '"latch": ""' in ended.stdout) == (0, True), ended.stderr


def test_letting_go_is_for_what_is_latched_and_people_who_may(make_loop):
    loop = make_loop().start()
    wanted = {"model": MODEL, "alert": "features_page/x", "reason": "mended"}
    assert loop.call("POST", "/v1/incidents/release", "ops", json=wanted).status_code == httpx.codes.FORBIDDEN
    answer = loop.call("POST", "/v1/incidents/release", json=wanted)
    assert (answer.status_code, answer.json()["type"]) == (httpx.codes.CONFLICT, "urn:tocsin:problem:not_latched")


def test_a_signal_stops_automation_over_a_restart_and_only_a_person_lets_it_go(make_loop):
    loop = make_loop().start()
    loop.daemon.send_signal(signal.SIGUSR1)
    wait_for(lambda: loop.get("/v1/status")["kill_switch"], "the signal is taken")
    assert loop.get("/v1/status")["kill_switch"]["reason"] == "SIGUSR1"
    wait_for((loop.directory / "state" / "kill_switch").exists, "it is on disk")
    assert loop.stop() == 0
    loop.start()
    assert loop.get("/v1/status")["kill_switch"]
    ended = typed(loop, "tocsin rollback go --reason 'looked at it'")
    assert ended.returncode == 0, ended.stderr
    assert loop.get("/v1/status")["kill_switch"] is None


def test_a_script_that_deploys_is_told_that_nobody_knows_yet(make_loop):
    loop = make_loop().start()
    ended = typed(loop, f"tocsin gate {MODEL}")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (7, "state: unknown"), ended.stderr
    hooks = [
        loop.call("POST", f"/v1/gate/{MODEL}/{hook}", json={"name": "m"}).status_code for hook in ("go", "rollback")
    ]
    assert hooks == [httpx.codes.CONFLICT] * 2


@pytest.mark.parametrize("first", ["replay", "live"])
def test_a_state_that_the_other_kind_has_used_is_refused(make_loop, first):
    loop = make_loop(replay=first == "replay").start()
    assert loop.stop() == 0
    loop.replay = not loop.replay
    loop.write_settings()
    command = [sys.executable, "-m", "monitor.cli", "run", "--config", str(loop.directory / "tocsin.yaml")]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "state_dir: holds the state of" in ended.stderr
    assert "Traceback" not in ended.stderr
    loop.replay = not loop.replay
    loop.write_settings()
    assert loop.start().status["mode"] == "auto"
