"""What is particular to one kind of target."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from relays import CANARY
from servers import wait_for
from targetworlds import (
    CommandWorld,
    DeploymentWorld,
    KserveWorld,
    MlflowWorld,
    OpenInferenceWorld,
    VariableWorld,
    WebhookWorld,
)

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.rollback.targets.command import CommandTarget, environment, program_problem
from monitor.rollback.targets.contract import Conflict
from monitor.rollback.targets.webhook import WebhookTarget


def place(world):
    return asyncio.run(world.make().place(world.source, world.goal))


def switch(world):
    return asyncio.run(world.make().switch(world.source, world.goal))


@pytest.fixture
def made(tmp_path):
    """Make the world of a kind, and close it."""
    worlds = []

    def make(kind):
        worlds.append(kind(tmp_path))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


# ---------------------------------------------------------------- a locator is needed


@pytest.mark.parametrize("kind", [OpenInferenceWorld, MlflowWorld, KserveWorld, DeploymentWorld])
def test_a_target_without_a_locator_is_never_switched_to(made, kind):
    world = made(kind)
    world.locators["v1"] = ""
    with pytest.raises(Permanent, match="v1 has no locator"):
        switch(world)
    assert (place(world), world.now()) == (Place.SOURCE, "v2")


# ---------------------------------------------------------------- Open Inference


def test_the_target_is_loaded_and_the_source_unloaded(made):
    world = made(OpenInferenceWorld)
    switch(world)
    assert world.repository.loaded == {"v1"}


def test_a_known_good_that_is_loaded_beside_the_source_is_not_what_serves(made):
    world = made(OpenInferenceWorld)
    world.repository.loaded = {"v1", "v2"}
    assert place(world) is Place.SOURCE
    assert switch(world) is True
    assert world.repository.loaded == {"v1"}


def test_a_model_that_does_not_load_leaves_the_source_serving(made):
    world = made(OpenInferenceWorld)
    world.repository.known = {"v2"}
    with pytest.raises(Transient):
        switch(world)
    assert (world.repository.loaded, place(world)) == ({"v2"}, Place.SOURCE)


def test_a_model_that_is_said_to_be_loaded_and_is_not_ready_leaves_the_source_serving(made):
    world = made(OpenInferenceWorld)
    world.repository.lies = True
    with pytest.raises(Transient, match="not ready"):
        switch(world)
    assert world.repository.loaded == {"v2"}


def test_a_server_that_starts_and_has_neither_is_unknown(made):
    world = made(OpenInferenceWorld)
    world.repository.loaded, world.repository.ready = set(), False
    assert place(world) is Place.UNKNOWN
    world.repository.ready = True
    assert place(world) is Place.OTHER


# ---------------------------------------------------------------- MLflow


def test_an_alias_that_is_not_set_is_not_set_by_a_rollback(made):
    world = made(MlflowWorld)
    world.registry.aliases.clear()
    assert place(world) is Place.OTHER
    with pytest.raises(Conflict):
        switch(world)
    assert world.registry.aliases == {}


def test_a_version_that_is_not_there_is_permanent(made):
    world = made(MlflowWorld)
    world.locators["v1"] = "9"
    with pytest.raises(Permanent, match="404"):
        switch(world)
    assert world.now() == "v2"


# ---------------------------------------------------------------- Kubernetes


def test_a_canary_is_ended_so_that_the_target_gets_all_the_traffic(made):
    world = made(KserveWorld)
    switch(world)
    predictor = world.api.document["spec"]["predictor"]
    assert "canaryTrafficPercent" not in predictor
    assert predictor["model"] == {"modelFormat": {"name": "sklearn"}, "storageUri": world.locators["v1"]}


def test_a_canary_that_moves_meanwhile_is_looked_at_again(made):
    world = made(KserveWorld)
    world.relay.before = lambda: world.api.write(lambda d: d["spec"]["predictor"].update(canaryTrafficPercent=50))
    with pytest.raises(Transient):
        switch(world)
    assert world.now() == "v2"
    assert switch(world) is True


@pytest.mark.parametrize("kind", [KserveWorld, DeploymentWorld])
def test_a_status_that_is_written_meanwhile_is_no_conflict(made, kind):
    world = made(kind)
    world.relay.before = lambda: world.api.write(lambda document: document.update(status={"ready": True}))
    assert switch(world) is True


@pytest.mark.parametrize("kind", [KserveWorld, DeploymentWorld])
def test_another_object_of_the_same_name_is_not_patched(made, kind):
    world = made(kind)
    world.relay.before = lambda: world.api.write(lambda document: document["metadata"].update(uid="u-2"))
    with pytest.raises(Transient):  # it names the source, so it may be switched once it was read
        switch(world)
    assert world.now() == "v2"


@pytest.mark.parametrize("kind", [DeploymentWorld, VariableWorld])
def test_a_container_put_in_front_meanwhile_is_not_hit(made, kind):
    world = made(kind)
    containers = world.api.document["spec"]["template"]["spec"]["containers"]
    intruder = {**json.loads(json.dumps(containers[1])), "name": "intruder"}

    def insert(document):
        document["spec"]["template"]["spec"]["containers"].insert(1, intruder)

    world.relay.before = lambda: world.api.write(insert)
    with pytest.raises(Transient):
        switch(world)
    assert world.now() == "v2"
    assert switch(world) is True
    assert world.api.document["spec"]["template"]["spec"]["containers"][1] == intruder


def test_an_object_without_the_field_is_unknown(made):
    world = made(VariableWorld)
    world.api.write(lambda document: document["spec"].clear())
    assert place(world) is Place.UNKNOWN
    with pytest.raises(Permanent, match="field"):
        switch(world)


def test_who_may_not_is_told_so_and_knows_nothing(made):
    world = made(KserveWorld)
    world.api.token = "another"
    assert place(world) is Place.UNKNOWN
    with pytest.raises(Permanent, match="401"):
        switch(world)


# ---------------------------------------------------------------- webhook


def test_a_message_says_all_of_both_releases_and_is_signed(made):
    world = made(WebhookWorld)
    assert switch(world) is True  # the receiver believes what the reference implementation verifies, and nothing else
    method, path, headers, body = world.relay.calls[-1]
    said = json.loads(body)
    assert (method, path, headers["webhook-id"], said["verb"]) == ("POST", "/", "message-0", "switch")
    assert said["target"] == {
        "bundle": "sha256:v1",
        "name": "v1",
        "digest": world.goal.digest,
        "path": str(world.folder / "v1.bin"),
        "locator": "v1",
    }


def test_a_receiver_that_does_not_believe_us_is_permanent(made):
    world = made(WebhookWorld)
    world.relay.status = 401
    assert place(world) is Place.UNKNOWN
    with pytest.raises(Permanent, match="401"):
        switch(world)


def test_a_secret_that_cannot_be_read_is_unknown(made):
    world = made(WebhookWorld)

    def keys():
        raise SettingsError([Problem("secret", CANARY)])

    target = WebhookTarget(world.caller(), keys, None, str)
    assert asyncio.run(target.place(world.source, world.goal)) is Place.UNKNOWN
    with pytest.raises(Permanent) as raised:
        asyncio.run(target.switch(world.source, world.goal))
    assert (CANARY in str(raised.value), world.relay.calls) == (False, [])


# ---------------------------------------------------------------- command


def test_the_program_gets_its_arguments_as_they_are_and_no_shell(made):
    world = made(CommandWorld)
    switch(world)
    assert not any((world.folder / name).exists() for name in ("shell", "$(touch", "canary-token"))


def test_the_environment_holds_nothing_of_ours(made, monkeypatch):
    world = made(CommandWorld)
    monkeypatch.setenv("TOCSIN_TOKENS_FILE", CANARY)
    world.script.write_text(f"#!/bin/sh\nexport -p >{world.folder}/seen; pwd >>{world.folder}/seen; exit 10\n")
    assert place(world) is Place.SOURCE
    seen = (world.folder / "seen").read_text()
    assert CANARY not in seen
    assert seen.count("TOCSIN_") == len(environment(world.source, world.goal)) - 2
    assert seen.splitlines()[-1] == "/"


@pytest.mark.parametrize(
    ("code", "expected"),
    [(0, True), (11, False), (12, Conflict), (75, Transient), (1, Permanent), (2, Permanent), (10, Permanent)],
)
def test_exit_codes_of_a_switch_mean_what_is_documented(made, code, expected):
    world = made(CommandWorld)
    world.script.write_text(f"#!/bin/sh\nexit {code}\n")
    if isinstance(expected, bool):
        assert switch(world) is expected
        return
    with pytest.raises(expected) as raised:
        switch(world)
    assert type(raised.value) is expected


@pytest.mark.parametrize("code", [0, 1, 75, 127])
def test_a_script_that_does_not_say_where_it_stands_is_unknown(made, code):
    world = made(CommandWorld)
    world.script.write_text(f"#!/bin/sh\nexit {code}\n")
    assert place(world) is Place.UNKNOWN


def test_a_program_that_hangs_is_killed_with_its_children(made):
    world = made(CommandWorld)
    world.script.write_text(f"#!/bin/sh\nsleep 600 & echo $! >{world.folder}/child; wait\n")
    child = world.folder / "child"
    target = CommandTarget([str(world.script)], 0.5)

    async def run():
        while True:  # until it got as far as to have a child
            with pytest.raises(Transient, match="killed"):
                await target.switch(world.source, world.goal)
            if child.exists() and child.read_text().strip():
                return

    asyncio.run(run())
    wait_for(lambda: _gone(int(child.read_text())), "the child to be gone")


def _gone(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_program_that_floods_its_output_is_not_listened_to(made):
    world = made(CommandWorld)
    world.script.write_text(f"#!{sys.executable}\nimport sys\nsys.stdout.write('x' * (1 << 24))\nsys.exit(11)\n")
    assert place(world) is Place.TARGET


def test_a_program_that_is_not_there_is_permanent_and_unknown(made):
    world = made(CommandWorld)
    world.script.unlink()
    assert place(world) is Place.UNKNOWN
    with pytest.raises(Permanent) as raised:
        switch(world)
    assert "canary" not in str(raised.value)


def test_cancelling_kills_the_program(made):
    world = made(CommandWorld)
    world.script.write_text(f"#!/bin/sh\necho $$ >{world.folder}/pid; exec sleep 600\n")

    async def run():
        task = asyncio.create_task(world.make().load())
        await asyncio.to_thread(wait_for, lambda: _pid(world.folder / "pid"), "the program to start")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
    assert _gone(_pid(world.folder / "pid"))


def _pid(path):
    return int(path.read_text() or 0) if path.exists() else 0


def test_a_program_that_everybody_may_write_is_refused(tmp_path):
    program = tmp_path / "deploy"
    assert "cannot be read" in program_problem(program)
    program.write_text("#!/bin/sh\n")
    assert "may be run" in program_problem(program)
    program.chmod(0o755)
    assert program_problem(program) == ""
    program.chmod(0o757)
    assert "every user" in program_problem(program)
