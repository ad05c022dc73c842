"""`tocsin healthy`, asked of the daemon's own listener."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from snapshots import full

from monitor.cli.exits import Exit
from monitor.clock import ManualClock
from monitor.export.collector import Collector
from monitor.export.listener import Listener
from monitor.export.page import Page

HEAVY = ("httpx", "numpy", "pydantic", "rich", "starlette")


@pytest.fixture
def beat() -> dict[str, float]:
    return {"at": 100.0}


@pytest.fixture
def url(beat: dict[str, float]) -> Iterator[str]:
    """Where a daemon whose loop last moved at `beat` shows its metrics; it is 100 s past its start."""
    clock = ManualClock(100.0)
    page = Page(clock, Collector(), 5.0, {"loop": lambda: beat["at"]})
    page.render(full())
    listener = Listener(page, lambda: (True, "ready"), clock)
    listener.start()
    yield f"http://127.0.0.1:{listener.port}"
    listener.stop()


def test_a_daemon_that_lives_is_healthy(tocsin: Any, url: str) -> None:
    assert tocsin("healthy", "--url", url).code == Exit.OK
    assert tocsin("healthy", "--url", url, "--json").json["healthy"] is True


def test_a_part_that_stands_still_is_named(tocsin: Any, url: str, beat: dict[str, float]) -> None:
    beat["at"] = 10.0
    ended = tocsin("healthy", "--url", url)
    assert ended.code == Exit.PROBLEMS
    assert "loop" in ended.err
    assert tocsin("healthy", "--url", url, "--json").json["healthy"] is False


def test_a_url_with_a_path_is_asked_as_it_is(tocsin: Any, url: str) -> None:
    assert tocsin("healthy", "--url", f"{url}/-/ready").out == "ready\n"
    assert tocsin("healthy", "--url", f"{url}/nothing").code == Exit.PROBLEMS


def test_nobody_there_is_told_with_the_settings_to_look_at(tocsin: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody else can be there
        ended = tocsin("healthy", "--url", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert ended.code == Exit.UNREACHABLE
    assert "metrics.host and metrics.port" in ended.err


@pytest.mark.parametrize("url", ["127.0.0.1:9470", "https://127.0.0.1", "http://", "http://h:port", "http://[", ""])
def test_what_is_no_address_is_told(tocsin: Any, url: str) -> None:
    ended = tocsin("healthy", "--url", url)
    assert ended.code == Exit.USAGE
    assert "as in --url http://127.0.0.1:9470" in ended.err


def test_a_check_every_few_seconds_loads_nothing_heavy(url: str) -> None:
    program = (
        "import sys\nfrom monitor.cli.probe import healthy\n"
        f"healthy({url!r})\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[1] == ""
