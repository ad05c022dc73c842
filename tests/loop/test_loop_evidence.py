"""The real evidence worker taken away from a running daemon, and the daemon from it."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import yaml
from loopworld import MODEL, poisoned
from servers import wait_for

DIED = f'tocsin_evidence_failures_total{{model="{MODEL}",reason="worker_died"}} 1.0'
START_S = 120.0  # of a worker beside busy neighbours


@pytest.fixture
def loop(make_loop):
    """A loop that is about to write the report of an incident, as two things moved."""
    made = make_loop(mode="observe")
    made.write_settings()
    settings = made.directory / "tocsin.yaml"
    document = yaml.safe_load(settings.read_text())
    document["models"][MODEL] |= {"samples": {"share": 1.0}, "evidence": {"incidents": True, "every": "1h"}}
    settings.write_text(yaml.safe_dump(document))
    made.start()
    poisoned(made)
    made.until(lambda status: status["alerts"])
    return made


def workers(loop):
    """The processes that the daemon started, dead ones that it did not take note of among them."""
    found = []
    for thread in Path(f"/proc/{loop.daemon.pid}/task").iterdir():
        with suppress(OSError):  # a thread that ended since; the next looks after what it started
            found += map(int, (thread / "children").read_text().split())
    return found


def at_work(loop):
    """The worker, once it has a job."""
    wait_for(
        lambda: "event=evidence_worker_started" in (loop.directory / "daemon.log").read_text(), "it began", START_S
    )
    [worker] = wait_for(lambda: workers(loop), "its process")
    return worker


def files(loop):
    return {path.suffix for path in (loop.directory / "state" / "evidence").glob(f"{MODEL}/*")}


def test_a_worker_that_is_killed_costs_its_report_alone(loop):
    os.kill(at_work(loop), signal.SIGKILL)
    wait_for(lambda: DIED in loop.metrics(), "it is counted by its name")
    loop.live(8)  # and the next period has a report
    wait_for(lambda: ".html" in files(loop), "another worker wrote the next", START_S)
    wait_for(lambda: "tocsin_evidence_running 0.0" in loop.metrics(), "all is done", START_S)
    wait_for(lambda: files(loop) == {".html"}, "reports, and nothing else", START_S)
    assert len(workers(loop)) <= 1
    assert loop.stop() == 0


def test_no_worker_outlives_a_daemon_that_is_killed(loop):
    worker = at_work(loop)
    loop.kill()
    wait_for(lambda: not Path(f"/proc/{worker}").exists() or state(worker) == "Z", "the worker ends, too")


def state(pid):
    """As in ps; Z waits for somebody to take note of its end, which is init's part here."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_hung_worker_holds_nothing_up(loop):
    worker = at_work(loop)
    os.kill(worker, signal.SIGSTOP)
    loop.live(2)
    assert loop.http.get(f"{loop.url}/-/healthy").status_code == httpx.codes.OK
    assert loop.status["totals"]["rows"] == loop.sent
    assert loop.stop() == 0
    assert state(worker) == "Z"
