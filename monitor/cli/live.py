"""The loop of `tocsin top` and `tocsin status --watch`: ask, show, wait for a key or the next time. Ctrl-C ends it.

On a terminal the frames go to its second screen, each written in one piece, so that nothing flickers and what stood
there comes back at the end. Without one a frame is lines of text. A daemon that stops answering is said and asked
again, as a restart is what one watches; a refusal (token, scope) ends the loop, as asking again would not help.
"""

import select
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from monitor.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from rich.console import RenderableType

EARLIER_MAX: Final = 5
AGAIN: Final = (Exit.UNREACHABLE, Exit.PROBLEMS)

Status = dict[str, Any]
Ask = Callable[[], Status]


@dataclass(slots=True)
class Seen:
    """What the daemon said last, what it said a few times before, and what is wrong since."""

    status: Status
    problem: str = ""
    earlier: deque[Status] = field(default_factory=lambda: deque(maxlen=EARLIER_MAX))

    @property
    def before(self) -> Status | None:
        """The earliest that is kept: rates are of all the time since, as rows are counted in gusts."""
        return self.earlier[0] if self.earlier else None

    def renew(self, ask: Ask) -> None:
        """Ask again; a passing problem is kept beside the last answer, Stop ends."""
        try:
            found = ask()
        except Stop as stop:
            if stop.code not in AGAIN:
                raise
            self.problem = str(stop)
        else:
            self.earlier.append(self.status)
            self.status, self.problem = found, ""


class Wait(Protocol):
    """Waits for a key."""

    def __call__(self, seconds: float) -> str:
        """The key pressed within so many seconds, or ""."""
        ...


def watch(ask: Ask, every_s: float, show: Callable[[Seen], None], frames: int | None = None) -> None:
    """Show what is asked, as text, every so many seconds until Ctrl-C; `frames` bounds it."""
    seen = Seen(ask())
    with suppress(KeyboardInterrupt):
        show(seen)
        while frames is None or (frames := frames - 1) > 0:
            time.sleep(every_s)
            seen.renew(ask)
            show(seen)


def screen(
    ask: Ask, every_s: float, draw: Callable[[Seen, int, int], "RenderableType"], press: Callable[[str], bool]
) -> None:
    """Show frames on the terminal's second screen until `press` says that a key ends it, or Ctrl-C.

    `draw` is given the width and height there is.
    """
    from rich.console import Console
    from rich.live import Live

    seen = Seen(ask())
    console = Console()
    with (
        suppress(KeyboardInterrupt),
        keyboard() as key,
        Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
    ):
        due = time.monotonic() + every_s
        while True:
            live.update(draw(seen, console.width, console.height), refresh=True)
            pressed = key(max(0.0, due - time.monotonic()))
            if pressed and not press(pressed):
                return
            if time.monotonic() >= due:
                seen.renew(ask)
                due = time.monotonic() + every_s


@contextmanager
def keyboard() -> Iterator[Wait]:
    """Take keys as they are pressed, without an echo, until left; where stdin is no terminal no key ever comes."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    import termios
    import tty

    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)
    tty.setcbreak(handle)
    try:
        yield _key
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _key(seconds: float) -> str:
    import os

    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return os.read(sys.stdin.fileno(), 16).decode("ascii", "replace")[:1] if ready else ""


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
