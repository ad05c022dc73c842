"""A command as a target: a program of the operator's, run with a verb, that answers by its exit code.

    program [arguments ...] place | switch | load

| verb | exit code |
|---|---|
| `place` | 10 the source is set, 11 the target, 12 something else; any other: it cannot be told |
| `switch` | 0 changed, 11 the target was set already, 12 something else is set and stays; 75 it may have happened |
| `load` | 0 told; 75 it may have happened |

What it is about stands in the environment: TOCSIN_SOURCE_BUNDLE, _NAME, _DIGEST, _PATH, _LOCATOR, and TOCSIN_TARGET_*.
Nothing else of ours is in it but PATH and LANG: a secret in our environment is none of its business. There is no shell:
arguments go as they are. `place` never exits 0 by mistake: a script that does nothing has not told.

The program owes the compare-and-swap, and to finish or undo what it left half done. It gets `timeout_s`, then its whole
process group is killed; killed or timed out is "may or may not have happened". Its output goes nowhere: it may hold
secrets, and a program that floods it cannot fill our memory; it keeps its own log.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec

from monitor.decisions.rollback import Place
from monitor.errors import Permanent, Transient
from monitor.rollback.targets.contract import Conflict, Release, Unstaged

DONE, AT_SOURCE, AT_TARGET, AT_OTHER, TRY_AGAIN = 0, 10, 11, 12, 75  # 75 is EX_TEMPFAIL of <sysexits.h>
PLACES = {AT_SOURCE: Place.SOURCE, AT_TARGET: Place.TARGET, AT_OTHER: Place.OTHER}
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandTarget(Unstaged):
    """One program with its arguments."""

    def __init__(self, argv: Sequence[str], timeout_s: float) -> None:
        """`argv[0]` is an absolute path; nothing of it is looked up or expanded."""
        self._argv = tuple(argv)
        self._timeout_s = timeout_s

    async def place(self, source: Release, target: Release) -> Place:
        """Run `place`."""
        try:
            return PLACES.get(await self._run("place", source, target), Place.UNKNOWN)
        except (Transient, Permanent):
            return Place.UNKNOWN

    async def switch(self, source: Release, target: Release) -> bool:
        """Run `switch`; Conflict, Transient, Permanent."""
        code = await self._run("switch", source, target)
        if code == AT_OTHER:
            raise Conflict("the deployment command found neither the source nor the target")
        if code in {DONE, AT_TARGET}:
            return code == DONE
        raise _failed(code)

    async def load(self) -> None:
        """Run `load`; Transient, Permanent."""
        code = await self._run("load")
        if code != DONE:
            raise _failed(code)

    async def _run(self, verb: str, *releases: Release) -> int:
        try:
            program = await asyncio.create_subprocess_exec(
                *self._argv,
                verb,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environment(*releases),
                cwd="/",
                start_new_session=True,
            )
        except (OSError, ValueError):  # the text of either would hold the arguments
            raise Permanent("the deployment command cannot be started") from None
        try:
            async with asyncio.timeout(self._timeout_s):
                return await program.wait()
        except TimeoutError:
            raise Transient("the deployment command did not end in time and was killed") from None
        finally:
            await _reap(program)


def environment(*releases: Release) -> dict[str, str]:
    """Return the whole environment of the program: of the source and the target, where they are given."""
    found = {"PATH": SEARCH_PATH, "LANG": "C.UTF-8"}
    for role, release in zip(("SOURCE", "TARGET"), releases, strict=False):
        for name, value in msgspec.structs.asdict(release).items():
            found[f"TOCSIN_{role}_{name.upper()}"] = str(value)
    return found


def program_problem(path: Path) -> str:
    """Why this cannot be the program, or "": whoever may write it would deploy with our rights."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not path.is_file() or not os.access(path, os.X_OK):
        return "is not a program that may be run"
    return "can be written by every user" if mode & 0o002 else ""


async def _reap(program: asyncio.subprocess.Process) -> None:
    """Kill what is still running of a program that was given up on, and wait for it."""
    if program.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        await program.wait()


def _failed(code: int) -> Transient | Permanent:
    if code == TRY_AGAIN or code < 0:
        return Transient("the deployment command was cut off, or asks to be run again")
    return Permanent(f"the deployment command ended with {code}")
