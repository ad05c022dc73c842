"""The live commands, in this process where lines suffice and in a real pseudo-terminal where a screen is wanted."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from statuses import BOTH, NOW, status

from monitor.cli.exits import Exit, Stop
from monitor.cli.live import Seen, watch
from monitor.ingest.tokens import Scope

WAIT_S = 60.0


@pytest.fixture
def asked(api: Any) -> list[str]:
    """The options that lead to a daemon which says BOTH."""
    api.control.results["status"] = BOTH
    return ["--url", api.url, "--token-file", str(api.token_file(Scope.READ))]


# ---------------------------------------------------------------- without a terminal


def test_top_prints_one_page_where_there_is_no_terminal(tocsin: Any, asked: list[str]) -> None:
    ended = tocsin("top", *asked)
    assert ended.code == Exit.OK
    assert "\x1b" not in ended.out
    assert ended.out.index("fares") < ended.out.index("delays")


def test_top_once_is_sorted_as_asked(tocsin: Any, asked: list[str]) -> None:
    out = tocsin("top", "--once", "--sort", "name", *asked).out
    assert out.index("delays") < out.index("fares")


def test_an_order_that_is_not_there_is_told(tocsin: Any, asked: list[str]) -> None:
    ended = tocsin("top", "--sort", "size", *asked)
    assert ended.code == Exit.USAGE
    assert "trouble, name, rate, lag" in ended.err


def test_top_in_json_has_every_model_and_reading(tocsin: Any, asked: list[str]) -> None:
    found = tocsin("top", "--json", *asked).json
    assert [line["model"] for line in found["models"]] == ["fares", "delays"]
    assert found["readings"][0]["rule"] == "paired_error"


def test_a_daemon_that_is_not_there_at_first_ends_the_command(tocsin: Any) -> None:
    assert tocsin("top", "--url", "http://127.0.0.1:9").code == Exit.UNREACHABLE
    assert tocsin("status", "--watch", "--url", "http://127.0.0.1:9").code == Exit.UNREACHABLE


def started(*arguments: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "monitor.cli", *arguments]
    return subprocess.Popen(command, text=True, stderr=subprocess.PIPE, **more)


def test_watch_prints_a_line_a_model_until_it_is_interrupted(asked: list[str]) -> None:
    child = started("status", "--watch", "--every", "0.2", *asked, stdout=subprocess.PIPE)
    assert child.stdout
    lines = [child.stdout.readline() for _ in range(4)]
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=WAIT_S)
    assert (child.returncode, errors) == (Exit.OK, "")
    assert [re.search(r" model=(\w+)", line)[1] for line in lines] == ["delays", "fares"] * 2  # type: ignore[index]
    assert "firing=paired_error" in lines[1]


def test_watch_in_json_is_a_document_a_line(asked: list[str]) -> None:
    child = started("status", "--watch", "--json", "--every", "0.2", *asked, stdout=subprocess.PIPE)
    assert child.stdout
    found = [json.loads(child.stdout.readline()) for _ in range(2)]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=WAIT_S)
    assert found == [BOTH, BOTH]


# ---------------------------------------------------------------- the loop


def test_a_daemon_that_stops_answering_is_said_and_asked_again() -> None:
    answers: Iterator[Any] = iter([status(), Stop(Exit.UNREACHABLE, "gone"), status(NOW + 1)])
    shown: list[tuple[float, str]] = []

    def ask() -> Any:
        answer = next(answers)
        if isinstance(answer, Stop):
            raise answer
        return answer

    watch(ask, 0.0, lambda seen: shown.append((seen.status["now"], seen.problem)), frames=3)
    assert shown == [(NOW, ""), (NOW, "gone"), (NOW + 1, "")]


def test_a_refusal_ends_the_loop() -> None:
    def refused() -> Any:
        raise Stop(Exit.REFUSED, "revoked")

    with pytest.raises(Stop, match="revoked"):
        Seen(status()).renew(refused)


def test_rates_are_of_the_last_few_answers_and_no_more_are_kept() -> None:
    times = iter(range(1, 100))
    seen = Seen(status(0.0))
    for _ in range(50):
        seen.renew(lambda: status(float(next(times))))
    assert seen.before is not None
    assert (seen.before["now"], seen.status["now"]) == (45.0, 50.0)


# ---------------------------------------------------------------- on a terminal


class Terminal:
    """A command on a pseudo-terminal of 80 columns and 24 lines."""

    def __init__(self, *arguments: str) -> None:
        self.handle, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(inner)
        self.inner = inner
        environ = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(Path(__file__).parents[2])}
        environ = {name: value for name, value in environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
        self.child = started(*arguments, stdin=inner, stdout=inner, env=environ, start_new_session=True)
        self.seen = ""

    def until(self, text: str) -> str:
        """Everything written so far, once `text` is in it."""
        end = time.monotonic() + WAIT_S
        while text not in self.seen:
            assert time.monotonic() < end, f"no {text!r} in {self.seen!r}"
            if select.select([self.handle], [], [], 0.5)[0]:
                self.seen += os.read(self.handle, 65536).decode()
        return self.seen

    def press(self, key: str) -> None:
        self.seen = ""
        os.write(self.handle, key.encode())

    def ended(self) -> int:
        code = self.child.wait(WAIT_S)
        with contextlib.suppress(OSError):
            while select.select([self.handle], [], [], 0)[0]:
                self.seen += os.read(self.handle, 65536).decode()
        return code

    def close(self) -> None:
        self.child.kill()
        self.child.communicate()
        os.close(self.handle)
        os.close(self.inner)


@pytest.fixture
def top(asked: list[str]) -> Iterator[Terminal]:
    with contextlib.closing(Terminal("top", "--every", "0.5", *asked)) as terminal:
        yield terminal


def test_top_takes_a_screen_of_its_own_and_gives_it_back(top: Terminal) -> None:
    assert "\x1b[?1049h" in top.until("paired_error")
    top.press("q")
    assert top.ended() == Exit.OK
    assert "\x1b[?1049l" in top.seen
    assert termios.tcgetattr(top.inner) == top.before


def test_top_is_redrawn_without_clearing_so_that_nothing_flickers(top: Terminal) -> None:
    top.until("paired_error")
    top.seen = ""
    assert "\x1b[2J" not in top.until("paired_error")


def test_a_key_sorts_differently_at_once(top: Terminal) -> None:
    top.until("sort: trouble")
    top.press("s")
    top.until("sort: name")


def test_an_interrupt_ends_top_as_q_does(top: Terminal) -> None:
    top.until("paired_error")
    top.child.send_signal(signal.SIGINT)
    assert top.ended() == Exit.OK
    assert "Traceback" not in top.seen
    assert termios.tcgetattr(top.inner) == top.before


def test_watch_has_a_screen_too(asked: list[str]) -> None:
    with contextlib.closing(Terminal("status", "--watch", *asked)) as terminal:
        assert "\x1b[?1049h" in terminal.until("tocsin rollback approve fares-1.r1")
        terminal.press("q")
        assert terminal.ended() == Exit.OK
