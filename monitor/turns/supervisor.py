"""What is repeated runs under supervision: one failure is not the end, and a fatal one is.

The one `except Exception` of the daemon's own work stands here. A turn that fails for a reason nobody foresaw is logged
and counted, and the next one is tried; what says that state on disk is wrong (`Corrupt`, `Permanent`: a failed fsync)
ends the process, because going on would build on it.
"""

import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from monitor.errors import Corrupt, Permanent, Transient

CALLS_MAX = 12  # a turn is some eight calls deep
log = structlog.get_logger()


@dataclass(slots=True)
class Supervisor:
    """Runs work and says what became of it."""

    fatal: Callable[[Exception], None]
    failures: int = 0  # that nobody foresaw

    async def run(self, what: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Run `work` once; whether it came to its end. Only cancellation is raised."""
        try:
            await work()
        except Transient as error:
            log.warning("work.postponed", what=what, why=str(error))
        except (Corrupt, Permanent) as error:
            self.fatal(error)
        except Exception as error:  # noqa: BLE001 - the one place, see above
            self.failures += 1
            log.error("work.failed", what=what, kind=type(error).__name__, where=where(error))  # noqa: TRY400 - see where
        else:
            return True
        return False


def where(error: BaseException) -> str:
    """The innermost calls of an error that nobody foresaw, but not its text, which may hold a value from a row."""
    calls = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)
    return " > ".join(f"{Path(call.filename).name}:{call.lineno}" for call in calls[-CALLS_MAX:])
