"""The loop closes: rows go in, a page comes out, the known-good model serves again. Real processes throughout."""

import signal

import httpx
import pytest
from loopworld import MODEL, ROWS, STEP_S, committed, poisoned
from servers import prometheus, query, wait_for


@pytest.fixture
def loop(make_loop):
    made = make_loop()
    made.start_receiver()
    return made.start()


def test_a_poisoned_retrain_is_found_paged_and_rolled_back(loop):
    poisoned(loop)
    status = loop.until(committed)
    [rollback] = committed(status)
    assert (status["served"]["name"], status["served"]["role"]) == ("v1", "known_good")
    assert rollback["decision"]["ruling"] == "act"
    assert (loop.directory / "current").read_bytes() == (loop.directory / "v1.json").read_bytes()
    page = loop.receiver.wait_for(lambda d: d.status == "firing", 60)
    assert page is not None
    assert page.body["commonLabels"]["model"] == MODEL


def test_after_the_rollback_parity_returns_and_the_incident_closes(loop):
    poisoned(loop)
    loop.until(committed)
    loop.until(lambda status: status["incident"] is None)
    [incident] = loop.get("/v1/incidents")
    assert incident["closed"] is not None
    assert loop.receiver.wait_for(lambda d: d.status == "resolved", 60)
    assert all(delivery.verified for delivery in loop.receiver.deliveries)


def test_a_second_delivery_pages_and_is_not_fought_over(loop):
    poisoned(loop)
    loop.until(committed)
    loop.until(lambda status: status["incident"] is None)
    loop.deploy("v2")
    loop.live(6)
    assert loop.receiver.wait_for(lambda d: "redelivered" in str(d.body), 60)
    status = loop.status
    assert (status["served"]["name"], len(status["rollbacks"])) == ("v2", 1)


def test_the_known_good_alone_causes_no_rollback_even_when_the_world_moves(loop):
    loop.advance()
    loop.live(3)
    loop.live(6, shift=0.3)  # output and feature drift hard, both models err alike
    assert loop.status["rollbacks"] == []
    assert loop.status["served"]["name"] == "v1"


def test_an_unregistered_checkpoint_pages_and_nothing_acts(loop):
    loop.advance()
    loop.live(1)
    loop.deploy("v2")  # never registered
    loop.live(6)
    assert loop.receiver.wait_for(lambda d: "unregistered" in str(d.body), 60)
    assert loop.status["rollbacks"] == []


def test_labels_of_a_source_that_is_not_trusted_roll_nothing_back(loop):
    poisoned(loop)
    for line in loop.due:
        line["source"] = "crowd/7"
    for _ in range(6):
        loop.due = [line | {"source": "crowd/7"} for line in loop.due]
        loop.live(1, label_source="crowd")
    assert loop.status["rollbacks"] == []


@pytest.mark.parametrize("mode", ["observe", "propose"])
def test_in_the_modes_that_do_not_act_nothing_is_switched(make_loop, mode):
    loop = make_loop(mode=mode)
    loop.start()
    poisoned(loop)
    loop.live(6)
    assert (loop.status["served"]["name"], committed(loop.status)) == ("v2", [])
    text = str(loop.get("/v1/incidents"))
    assert ("would roll back" in text) if mode == "observe" else ("tocsin rollback start" in text)


def test_in_mode_approve_a_person_decides(make_loop):
    loop = make_loop(mode="approve")
    loop.start()
    poisoned(loop)
    status = loop.until(lambda status: status["rollbacks"])
    assert (status["rollbacks"][0]["step"], status["served"]["name"]) == ("proposed", "v2")
    ident = status["rollbacks"][0]["id"]
    assert loop.call("POST", f"/v1/rollbacks/{ident}/approve", "ops").status_code == httpx.codes.FORBIDDEN
    assert loop.call("POST", f"/v1/rollbacks/{ident}/approve").status_code == httpx.codes.OK
    wait_for(lambda: committed(loop.status), "the rollback is committed")
    wait_for(lambda: loop.status["served"]["name"] == "v1", "the next proof says so, too")


def test_a_receiver_that_was_down_gets_everything_later_once_and_in_order(make_loop):
    loop = make_loop()
    loop.start()
    poisoned(loop)
    loop.until(committed)
    receiver = loop.start_receiver()
    incident = loop.get("/v1/incidents")[0]
    notices = [f"{incident['id']}.{number}" for number in range(1, incident["notices"] + 1)]
    wait_for(lambda: len(receiver.deliveries) >= len(notices), "all notices arrived", 90)
    assert [delivery.id for delivery in receiver.deliveries] == notices


def decisions(loop, between):
    """What a daemon decided over nine steps of the same stream, with `between` done before each but the first."""
    loop.start()
    poisoned(loop)
    loop.live()
    for _ in range(8):
        between(loop)
        loop.live()
    return repr((loop.get("/v1/incidents"), loop.status["alerts"], loop.status["rollbacks"], loop.status["totals"]))


def restart(loop):
    assert loop.stop() == 0
    loop.start()


def kill(loop):
    loop.kill()
    loop.start()


@pytest.mark.parametrize("between", [restart, kill])
def test_the_same_stream_gives_the_same_decisions_over_any_restart(make_loop, between):
    undisturbed = decisions(make_loop(), lambda _: None)
    assert "committed" in undisturbed
    assert decisions(make_loop(), between) == undisturbed


def test_a_bad_reload_changes_nothing_and_says_every_problem(loop):
    loop.advance()
    good = (loop.directory / "tocsin.yaml").read_text()
    (loop.directory / "tocsin.yaml").write_text(good.replace("mode: auto", "mode: reckless") + "nonsense: 1\n")
    answer = loop.call("POST", "/-/reload")
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert {problem["path"] for problem in answer.json()["problems"]} >= {"nonsense", "models.m.rollback.mode"}
    assert loop.status["mode"] == "auto"
    wait_for(lambda: "tocsin_config_last_reload_successful 0.0" in loop.metrics(), "the metric says so")
    (loop.directory / "tocsin.yaml").write_text(good.replace("mode: auto", "mode: observe"))
    loop.daemon.send_signal(signal.SIGHUP)
    wait_for(lambda: loop.status["mode"] == "observe", "the good settings are in force")


def test_a_reload_that_would_move_the_port_is_refused_as_a_whole(loop):
    settings = loop.directory / "tocsin.yaml"
    text = settings.read_text().replace(f"port: {loop.port}", "port: 8470").replace("mode: auto", "mode: observe")
    settings.write_text(text)
    answer = loop.call("POST", "/-/reload").json()
    assert (answer["type"], answer["waits_for_restart"]) == ("urn:tocsin:problem:restart_needed", ["http.port"])
    assert [problem["path"] for problem in answer["problems"]] == ["http.port"]
    assert loop.status["mode"] == "auto"
    waits = 'tocsin_config_settings_waiting_for_restart{section="http"} 1.0'
    wait_for(lambda: waits in loop.metrics(), "the metric says what waits")
    settings.write_text(text.replace("port: 8470", f"port: {loop.port}"))
    assert loop.call("POST", "/-/reload").json() == {"reloaded": True}
    wait_for(lambda: waits not in loop.metrics(), "nothing waits any more")


def test_nobody_but_the_clocks_token_moves_the_clock(loop):
    for token in ("ops", "gateway", "crowd"):
        answer = loop.call("POST", "/v1/clock", token, json={"now": loop.now + STEP_S})
        assert answer.status_code == httpx.codes.FORBIDDEN
    loop.advance(STEP_S)
    back = loop.call("POST", "/v1/clock", json={"now": loop.now - STEP_S})
    assert back.status_code == httpx.codes.UNPROCESSABLE_ENTITY


@pytest.mark.real
def test_a_real_prometheus_sees_the_loop(loop):
    target = f"127.0.0.1:{loop.metrics_port}"
    job = {"job_name": "tocsin", "scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
    with prometheus({"scrape_configs": [job]}) as url:
        poisoned(loop)
        loop.until(committed)

        def seen():
            found = query(url, 'tocsin_rollbacks_total{step="committed"}')
            return found and found[0]["value"][1] == "1"

        wait_for(seen, "Prometheus has the rollback")


def test_rejected_rows_move_no_reading_only_their_counters(loop):
    loop.advance()
    loop.live(1)
    before = loop.status
    bad = [{"time": loop.now, "prediction": "yes"}, {"id": "z", "time": "soon", "prediction": "yes"}, {"id": "y"}]
    answer = loop.call("POST", "/v1/predictions", "gateway", json=bad)
    assert answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    loop.advance()
    assert loop.status["readings"] == before["readings"]
    assert loop.status["totals"]["rows"] == ROWS
    rejected = [line for line in loop.metrics().splitlines() if line.startswith("tocsin_rows_rejected_total")]
    assert sum(float(line.split()[-1]) for line in rejected) == len(bad)


def test_the_kill_switch_keeps_automation_from_acting(loop):
    (loop.directory / "state" / "kill_switch").touch()
    poisoned(loop)
    loop.live(5)
    assert (loop.status["served"]["name"], loop.status["rollbacks"]) == ("v2", [])
    assert "kill_switch" in str(loop.get(f"/v1/incidents/{loop.status['incident']['id']}")["decision"])
    (loop.directory / "state" / "kill_switch").unlink()
    loop.until(committed, 2)
