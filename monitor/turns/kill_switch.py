"""The kill switch: whoever sees automation go wrong stops it, and it stays stopped until a person says otherwise.

It is a file, `<state>/kill_switch`. Whoever can reach the daemon sets it through the API, whoever can reach the
process by SIGUSR1, whoever can reach the disk by `touch`: at least one of the three works when the others do not, and
all three are the same fact, durable over restarts. It is looked for whenever automation is about to decide, and again
before each step of a rollback that has not switched yet; nothing is cached, so it holds from the next look at it on,
milliseconds later. What is switched already is finished: half a switch helps nobody. Rollbacks that people begin go on.

A file that cannot be looked for counts as set. One that cannot be written (a full disk) is set in memory, and said.
There is no signal that unsets it: signals have no name, and letting automation go again is somebody's decision. So
setting it waits for nothing, and unsetting it for its line in the audit log (`monitor.turns.control`); whoever removes
the file by hand is seen within a second.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

FILE = "kill_switch"
READ_MAX = 4096  # bytes of the file; one that a person wrote may hold anything

log = structlog.get_logger()


class Said(msgspec.Struct, frozen=True):
    """Who stopped automation, when and why, as far as the file says."""

    by: str = ""
    reason: str = ""
    at: float | None = None  # wall time


@dataclass(slots=True)
class KillSwitch:
    """One daemon's. Safe from any thread."""

    path: Path
    unwritten: Said | None = None  # set, and the disk did not take it

    def is_set(self) -> bool:
        """Whether automation may do nothing."""
        if self.unwritten is not None:
            return True
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning("kill_switch.unreadable", why=error.strerror)
        return True

    def set(self, said: Said) -> bool:
        """Stop automation; whether that is durable. Repeated, the last word is kept."""
        self.unwritten = said
        draft = self.path.with_name(f".{FILE}.draft")
        try:
            with draft.open("wb") as file:
                file.write(msgspec.json.encode(said))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self.path)
            self._sync()
        except OSError as error:
            log.warning("kill_switch.not_durable", why=error.strerror)
            return False
        self.unwritten = None
        log.warning("kill_switch.set", by=said.by, reason=said.reason)
        return True

    def unset(self, by: str, reason: str) -> None:
        """Let automation go again; OSError if that cannot be made durable, and then it stays set."""
        self.path.unlink(missing_ok=True)
        self._sync()
        self.unwritten = None
        log.warning("kill_switch.unset", by=by, reason=reason)

    def said(self) -> Said | None:
        """Who set it and why; None while it is not set."""
        if not self.is_set():
            return None
        if self.unwritten is not None:
            return self.unwritten
        try:
            file = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would hang us
            try:
                return msgspec.json.decode(os.read(file, READ_MAX), type=Said)
            finally:
                os.close(file)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return Said(by="whoever made the file")  # by hand, empty or with anything in it

    def _sync(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def words(said: Said | None) -> str:
    """What an incident is told.

    >>> words(Said("ann", "the index is wrong"))
    'automation is stopped by ann: the index is wrong'
    >>> words(None)
    'automation may act again'
    """
    if said is None:
        return "automation may act again"
    return f"automation is stopped by {said.by or 'somebody'}{said.reason and f': {said.reason}'}"
