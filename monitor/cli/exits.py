"""How a command ends: the exit codes, and the one error that commands raise to end with one of them."""

import re
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from monitor.errors import Corrupt, Permanent, Rejected, SettingsError, TocsinError, Transient


class Exit(IntEnum):
    """Exit codes, the same for every command; scripts may rely on them."""

    OK = 0
    PROBLEMS = 1
    USAGE = 2
    UNREACHABLE = 3
    REFUSED = 4
    LIMIT = 5
    BAD = 6
    UNKNOWN = 7
    INTERNAL = 70  # EX_SOFTWARE of sysexits.h


MEANS: Final[Mapping[Exit, str]] = MappingProxyType(  # as the README and --help say it
    {
        Exit.OK: "done; `tocsin run`: stopped because it was asked to",
        Exit.PROBLEMS: "what was asked about is wrong, absent or not ready",
        Exit.USAGE: "the command line is wrong",
        Exit.UNREACHABLE: "the daemon cannot be reached",
        Exit.REFUSED: "refused, by scope or by policy: asking again will not help",
        Exit.LIMIT: "a limit that the command was given with --fail-... was not kept",
        Exit.BAD: "`tocsin gate`: something speaks against the bundle",
        Exit.UNKNOWN: "`tocsin gate`: it cannot be told; neither go on nor roll back because of it",
        Exit.INTERNAL: "a bug of ours; `tocsin run`: its state on disk cannot be trusted any more",
    }
)


class Stop(TocsinError):
    """End the command: what is wrong, and what to do next."""

    def __init__(self, code: Exit, message: str, hint: str = "") -> None:
        """`message` and `hint` are one line each, for a person."""
        super().__init__(message)
        self.code = code
        self.hint = hint


def in_words(error: BaseException) -> str:
    """Say an error of the system or of a connection without its number."""
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__


def exit_code(error: TocsinError) -> Exit:
    """Say how a command ends that meets `error`."""
    if isinstance(error, Stop):
        return error.code
    if isinstance(error, Rejected):
        return Exit.REFUSED
    if isinstance(error, SettingsError | Corrupt | Transient | Permanent):
        return Exit.PROBLEMS
    return Exit.INTERNAL


def explain(error: TocsinError) -> list[str]:
    """Tell a person what is wrong and what to do about it, one thing a line."""
    if isinstance(error, SettingsError):
        return [str(problem) for problem in error.problems]
    hint = error.hint if isinstance(error, Stop) else ""
    return [str(error), *([f"-> {hint}"] if hint else [])]
