"""A daemon on live traffic: the copy a rollback would be switched to is there before anybody asks for it."""

from loopworld import wait_for

STAGED = ".tocsin-staged-current"
PATIENT_S = 60.0


def roomy(document):
    document["models"]["m"]["target"]["stage_free_min"] = "0B"


def test_what_a_rollback_would_go_to_is_copied_while_something_else_serves(make_loop):
    loop = make_loop(replay=False, mode="observe")
    loop.register("v2")
    loop.deploy("v2")
    loop.write_settings()
    loop.rewrite(roomy)
    loop.start()
    wait_for(lambda: 'tocsin_staged_copies{model="m"} 1.0' in loop.metrics(), "the copy is told", PATIENT_S)
    [copy] = [path for path in (loop.directory / STAGED).iterdir() if not path.name.startswith(".")]
    assert copy.read_bytes() == (loop.directory / "v1.json").read_bytes()
    assert (loop.directory / "current").readlink().name == "v2.json"
    loop.stop()
