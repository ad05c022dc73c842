"""The errors, by who must act on them.

| error | who acts | what happens |
|---|---|---|
| `SettingsError` | the operator, before start | every problem at once, each with its path and a hint |
| `Rejected` | the sender | one row or one request is refused and counted by reason; its neighbours are kept |
| `Transient` | nobody yet | the one retry stage of its edge tries again |
| `Permanent` | the operator | retrying is pointless; it is shown, counted and escalated |
| `Corrupt` | the operator | a file of ours is not what we wrote |

Nobody branches on message text: what a program needs is an attribute.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class TocsinError(Exception):
    """The common parent, so that the command line can tell our errors from bugs."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with the settings: where (`rules.0.window`), what, and what to do about it."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Render as `path: message (hint)`."""
        return f"{self.path}: {self.message}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class NeedsRestart(Problem):
    """A setting that differs and that a running daemon cannot change."""


class SettingsError(TocsinError):
    """The settings cannot be used; `problems` holds all that is wrong, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep every problem; there is at least one."""
        assert problems, "a SettingsError without a problem helps nobody"
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Rejected(TocsinError):
    """A row or a request is refused; `reason` is a value of a closed Enum, hence a safe metric label."""

    def __init__(self, reason: str, detail: str = "", field: str = "") -> None:
        """Never put a value that a client sent into `detail`: it is answered and may be logged."""
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
        self.field = field


class Transient(TocsinError):
    """It may work later; `retry_after_s` is the other side's wish, if it had one."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """`retry_after_s` >= 0, in seconds."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Permanent(TocsinError):
    """It will never work as asked."""


class Corrupt(TocsinError):
    """A file is damaged or was edited: which, where, and what the operator can do."""

    def __init__(self, path: str, offset: int, hint: str) -> None:
        """`offset` in bytes, 0 when the whole file is meant."""
        super().__init__(f"{path} is damaged at byte {offset}: {hint}")
        self.path = path
        self.offset = offset
        self.hint = hint
