"""The running daemon broken on purpose: what stands beside it fails, lies, hangs or is taken away."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import apsw
import httpx
import pytest
import yaml
from loopworld import MODEL, ROOT, STEP_S, committed, poisoned, truth
from servers import answers, free_port, wait_for

from monitor.cli.exits import Exit

METADATA = f"/v2/models/{MODEL}"
FULL = 503


def honest(_path, ask):
    return ask()


class Between:
    """Stands between the daemon and the model server; `fault(path, ask)` may change an answer, or hold it back."""

    def __init__(self, url):
        between, self.fault = self, honest
        self.client = httpx.Client(base_url=url, timeout=60, trust_env=False)

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                asked = self.rfile.read(int(self.headers.get("content-length", 0)))

                def ask():
                    said = between.client.request(self.command, self.path, content=asked)
                    return said.status_code, said.content

                status, body = between.fault(self.path, ask)
                with suppress(OSError):  # who asked is gone
                    self.send_response(status)
                    self.end_headers()
                    self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 - http.server's names

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.client.close()


@contextmanager
def between(loop):
    """Put a faulty middle before the model server of a loop that is not started yet."""
    middle, url = Between(loop.server_url), loop.server_url
    loop.server_url = middle.url
    loop.write_settings()
    loop.server_url = url
    try:
        yield middle
    finally:
        middle.fault = honest
        middle.close()


def digest_of(body):
    return json.loads(body)["parameters"]["checkpoint_digest"]


# ---------------------------------------------------------------- the model server


def test_two_workers_that_take_turns_are_one_page_and_nothing_acts(make_loop):
    loop = make_loop(replay=False, extra={"fold": {"every": "50ms"}, "look_every": "1s"})
    answers = []

    def other(path, ask):
        status, body = ask()
        if path == METADATA:
            answers.append(path)
        if path == METADATA and len(answers) % 2:
            return status, body.replace(digest_of(body).encode(), b"sha256:" + b"0" * 64)
        return status, body

    with between(loop) as middle:
        loop.start_receiver()
        loop.start()
        middle.fault = other
        wait_for(lambda: len(answers) > 60, "many answers that contradict each other", 150)
        assert loop.status["served"]["bundle"] == "transition"
        assert loop.status["served"]["epoch"] < 10
        assert loop.receiver.wait_for(lambda each: each.status == "firing", 60)
        assert [delivery.status for delivery in loop.receiver.deliveries] == ["firing"]
        assert len(loop.get("/v1/incidents")) == 1
        assert loop.status["rollbacks"] == []
        middle.fault = honest
        assert loop.stop() == 0


def evidence_is_complete(loop):
    """Live until the next step of the clock starts the rollback, and leave everything for that step."""
    poisoned(loop)
    loop.live(3)
    assert loop.status["rollbacks"] == []
    lines = loop.rows(x := loop.rng.uniform(0, 1, 240), *loop.infer(x))
    loop.send("/v1/predictions", "gateway", lines)
    loop.send("/v1/labels", "ops", loop.due)
    loop.sent += len(lines)
    late = zip(lines, truth(x, loop.rng).tolist(), strict=True)
    loop.due = [{"id": line["id"], "time": loop.now + STEP_S, "label": ["no", "yes"][one]} for line, one in late]
    loop.now += STEP_S


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("loaded", [False, True], ids=["before the load", "after the load"])
def test_a_rollback_that_is_cut_off_in_the_reload_ends_with_one_switch(make_loop, end, loaded):
    loop, asked, go = make_loop(), threading.Event(), threading.Event()

    def slow(path, ask):
        if not path.endswith("/load"):
            return ask()
        answer = ask() if loaded else None
        asked.set()
        go.wait(60)
        return answer or ask()

    with between(loop) as middle:
        loop.start()
        evidence_is_complete(loop)
        middle.fault = slow
        step = threading.Thread(target=lambda: suppressed(loop))
        step.start()
        assert asked.wait(60)
        loop.daemon.send_signal(end)
        go.set()
        loop.daemon.wait(60)
        step.join(60)
        middle.fault = honest
        loop.start()
        wait_for(lambda: committed(loop.status), "the rollback is committed")
        loop.live(2)
        assert [one["step"] for one in loop.status["rollbacks"]] == ["committed"]
        assert loop.status["served"]["name"] == "v1"
        assert (loop.directory / "current").read_bytes() == (loop.directory / "v1.json").read_bytes()
        assert (loop.directory / "daemon.log").read_text().count("observed=switched") == 1


def observe(loop):
    settings = loop.directory / "tocsin.yaml"
    settings.write_text(settings.read_text().replace("mode: auto", "mode: observe"))


def kill_switch(loop):
    (loop.directory / "state" / "kill_switch").touch()


def planned(loop, middle):
    """Kill the daemon after the intent was committed and before the link was touched."""
    asked, go = threading.Event(), threading.Event()

    def held(path, ask):
        told = (loop.directory / "daemon.log").read_text().count("notice.queued")
        if path == METADATA and told > 1:  # the second notice says that it rolls back
            asked.set()
            go.wait(60)
        return ask()

    evidence_is_complete(loop)
    middle.fault = held
    step = threading.Thread(target=suppressed, args=(loop,))
    step.start()
    assert asked.wait(60)
    loop.kill()
    go.set()
    step.join(60)
    middle.fault = honest


@pytest.mark.parametrize("stop", [observe, kill_switch])
def test_automation_that_is_switched_off_while_the_daemon_is_down_switches_nothing(make_loop, stop):
    loop = make_loop()
    with between(loop) as middle:
        loop.start()
        planned(loop, middle)
        stop(loop)
        loop.start()
        wait_for(lambda: loop.status["rollbacks"][-1]["step"] == "refused", "it is refused")
        assert "switched off" in loop.status["rollbacks"][-1]["reason"]
        assert (loop.directory / "current").readlink().name == "v2.json"
        loop.stop()


def test_a_rollback_under_way_without_a_target_is_a_problem_of_the_settings(make_loop):
    loop = make_loop()
    with between(loop) as middle:
        loop.start()
        planned(loop, middle)
        observe(loop)
        settings = loop.directory / "tocsin.yaml"
        document = yaml.safe_load(settings.read_text())
        del document["models"]["m"]["target"]
        settings.write_text(yaml.safe_dump(document))
        ended = started(loop)
    assert ended.returncode == 1
    assert "a rollback is under way and has no target" in ended.stderr.splitlines()[-1]


def suppressed(loop):
    with suppress(httpx.HTTPError, AssertionError):
        loop.advance()


@pytest.mark.parametrize("taken", ["http", "metrics"])
def test_a_port_that_is_taken_is_said_in_a_line_and_nothing_is_left_open(make_loop, taken):
    loop = make_loop()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        setattr(loop, "port" if taken == "http" else "metrics_port", port)
        loop.write_settings()
        ended = started(loop)
    assert ended.returncode == 1
    assert f"{taken}.port: cannot listen on 127.0.0.1:{port}" in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    loop.port, loop.metrics_port = free_port(), free_port()
    loop.write_settings()
    loop.start()


def started(loop):
    """What becomes of a daemon that cannot start."""
    command = [sys.executable, "-m", "monitor.cli", "run", "--config", str(loop.directory / "tocsin.yaml")]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def lost(state):
    for file in state.glob("state.db*"):
        file.unlink()


def overwritten(state):
    (state / "state.db-wal").unlink(missing_ok=True)
    with (state / "state.db").open("r+b") as file:
        file.write(b"x" * 16)


def receipts_damaged(state):
    next(state.glob("receipts/*.run")).write_bytes(b"x" * 64)


def document_damaged(state):
    with closing(apsw.Connection(str(state / "state.db"))) as database:
        database.execute("UPDATE documents SET body = ? WHERE kind = 'ModelState'", (b'{"alerts": "\xff"}',))


HARM = {
    lost: "its receipts are there",
    overwritten: "file is not a database",
    receipts_damaged: "no receipts begin like this",
    document_damaged: "a stored ModelState cannot be read",
}


@pytest.mark.parametrize(("harm", "why"), HARM.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_a_damaged_state_is_not_begun_anew_and_ends_the_start_as_the_readme_says(make_loop, harm, why):
    loop = make_loop()
    loop.start()
    loop.advance()
    loop.live(1)
    loop.stop()
    harm(loop.directory / "state")
    ended = started(loop)
    assert (ended.returncode, why in ended.stderr.splitlines()[-1]) == (Exit.INTERNAL, True)
    assert "Traceback" not in ended.stderr


# ---------------------------------------------------------------- the disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 MB, of which 256 MiB are the reserve."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(hog, size=None):
    with suppress(OSError), hog.open("wb", buffering=0) as file:
        while size is None or file.tell() < size:
            file.write(b"x" * (1 << 16))


def row(loop, name):
    line = [{"id": name, "time": loop.now, "prediction": "yes", "features": {"x": 0.3}}]
    return loop.call("POST", "/v1/predictions", "gateway", json=line)


@pytest.mark.parametrize("size", [64 << 20, None], ids=["below the reserve", "full"])
def test_a_full_disk_refuses_rows_loses_none_and_recovers_by_itself(make_loop, small_disk, size):
    loop = make_loop(extra={"state_dir": str(small_disk / "state")})
    loop.start()
    loop.advance()
    loop.live(1)
    assert row(loop, "before").status_code == httpx.codes.OK
    fill(small_disk / "hog", size)
    refused = row(loop, "during")
    assert (refused.status_code, int(refused.headers["retry-after"]) > 0) == (FULL, True)
    stepped = loop.call("POST", "/v1/clock", json={"now": loop.now + STEP_S})
    assert stepped.status_code == (FULL if size is None else httpx.codes.OK)
    assert "tocsin_" in loop.metrics()
    (small_disk / "hog").unlink()
    wait_for(lambda: row(loop, "after").status_code == httpx.codes.OK, "rows are taken again")
    loop.advance(STEP_S)
    assert loop.status["totals"]["rows"] == 240 + len(["before", "after"])
    loop.kill()
    loop.start()
    assert loop.status["totals"]["rows"] == 240 + len(["before", "after"])
    loop.stop()


SAMPLED = {"m": {"samples": {"share": 1.0}, "evidence": {"incidents": True}}}


def of_small_disk(make_loop, small_disk):
    """A loop whose next step rolls back, its state on the small disk, every row sampled, evidence asked for."""
    loop = make_loop(extra={"state_dir": str(small_disk / "state")})
    loop.write_settings()
    settings = loop.directory / "tocsin.yaml"
    document = yaml.safe_load(settings.read_text())
    document["models"]["m"] |= SAMPLED["m"]
    settings.write_text(yaml.safe_dump(document))
    loop.start_receiver()
    loop.start()
    evidence_is_complete(loop)
    return loop


def number(loop, name):
    found = [line.split()[1] for line in loop.metrics().splitlines() if line.startswith(f"{name} ")]
    return float(found[0]) if found else None


def test_in_the_reserve_alerts_and_rollback_work_and_evidence_is_not_written(make_loop, small_disk):
    loop = of_small_disk(make_loop, small_disk)
    fill(small_disk / "hog", 64 << 20)
    loop.advance()
    assert loop.status["served"]["name"] == "v1"
    wait_for(lambda: "critical" in json.dumps([one.body for one in loop.receiver.deliveries]), "it was paged")
    failed = 'tocsin_evidence_failures_total{model="m",reason="disk"}'
    wait_for(lambda: number(loop, failed), "the report came to nothing, and is counted", 120)
    assert [path.suffix for path in (small_disk / "state" / "evidence" / MODEL).iterdir()] in ([], [".labels"])
    assert loop.stop() == 0


def test_what_a_full_disk_held_up_is_done_once_there_is_room_again_after_a_kill_too(make_loop, small_disk):
    loop = of_small_disk(make_loop, small_disk)
    fill(small_disk / "hog")
    assert loop.call("POST", "/v1/clock", json={"now": loop.now}).status_code == FULL
    loop.kill()
    start = threading.Thread(target=loop.start)
    start.start()  # it runs, and is not ready: no row can be taken
    wait_for(lambda: answers(f"{loop.url}/-/healthy"), "it started on the full disk")
    assert row(loop, "during").status_code == FULL
    (small_disk / "hog").unlink()
    start.join(90)
    loop.advance()
    wait_for(lambda: committed(loop.status), "the rollback is committed")
    assert (loop.status["served"]["name"], loop.status["totals"]["rows"]) == ("v1", loop.sent)
    assert loop.stop() == 0
