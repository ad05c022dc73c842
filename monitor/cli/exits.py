"""How a command ends: the exit codes, and the one error that commands raise to end with one of them."""

from enum import IntEnum

from monitor.errors import Corrupt, Permanent, Rejected, SettingsError, TocsinError, Transient


class Exit(IntEnum):
    """Exit codes, the same for every command; scripts may rely on them."""

    OK = 0
    PROBLEMS = 1  # what was asked about is wrong, absent or not ready
    USAGE = 2  # the command line is wrong
    UNREACHABLE = 3  # the daemon cannot be reached
    REFUSED = 4  # by scope or by policy: asking again will not help
    INTERNAL = 70  # a bug of ours (EX_SOFTWARE of sysexits.h)


class Stop(TocsinError):
    """End the command: what is wrong, and what to do next."""

    def __init__(self, code: Exit, message: str, hint: str = "") -> None:
        """`message` and `hint` are one line each, for a person."""
        super().__init__(message)
        self.code = code
        self.hint = hint


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
