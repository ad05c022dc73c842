"""What keeps the worker from doing harm: no network, no processes, bounded memory, time and files.

Evidently 0.7 brings `iterative-telemetry` and `requests`. Of its code only the UI service, its collector and its
command line send events. None of them is imported here, and `DO_NOT_TRACK` switches even those off; `forbid` is for
the day when that changes. It is an audit hook, so it cannot be taken off again and sees every socket that Python opens:
what is not a Unix socket pair (asyncio makes one for itself when Evidently is imported) is refused with PermissionError
and counted. A C library with sockets of its own would not be seen by it: a test looks at the process from outside.

urllib3 tries whether it can bind to `::1` when it is imported; `socket.has_ipv6` is what it asks first.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from monitor.evidence.jobs import Terms

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
STARTS: Final = frozenset({"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"})


class Forbidden(PermissionError):
    """Something in the worker tried to reach out."""


def forbid() -> Counter[str]:
    """From here on refuse the network and new processes; return the counter of what was refused."""
    refused: Counter[str] = Counter()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        own_pair = event == "socket.__new__" and arguments[1] == socket.AF_UNIX
        if (event.startswith("socket.") and not own_pair) or event in STARTS:
            refused[event] += 1
            raise Forbidden(event)

    socket.has_ipv6 = False
    sys.addaudithook(hook)
    return refused


def bind_to(terms: Terms) -> None:
    """Take on the limits of the process: they can only be lowered from here. It ends with the daemon, whatever it does.

    The end of stdin tells it the same, but only between two jobs: one that hangs would outlive a daemon that is killed.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.nice(max(0, terms.nice - os.nice(0)))
    resource.setrlimit(resource.RLIMIT_DATA, (terms.memory_bytes_max, terms.memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_FSIZE, (terms.file_bytes_max, terms.file_bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_cpu(seconds: int) -> None:
    """Give the next job that much processor time; beyond it the kernel ends the process with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + seconds + 1, hard))


def peak_bytes() -> int:
    """The most memory that was resident so far.

    Not ru_maxrss: that begins with what the daemon had when it started this process.
    """
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
