"""This process: what it logs of failures in handlers, how it keeps memory, how many files it may have open."""

import contextlib
import ctypes
import gc
import logging
import resource
import sys

import structlog

from monitor.turns.supervisor import where

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # <malloc.h>
DESCRIPTORS_MAX = 65_536  # commands that it starts inherit the limit, and some close every number below it
log = structlog.get_logger()


def configure_log() -> None:
    """One event a line on stderr, `event key=value`."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.getLogger("uvicorn.error").addFilter(discreet)
    # It warns of each tick that finds a turn still running, a line a second at full rate: the lag is a metric.
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def discreet(record: logging.LogRecord) -> bool:
    """Log what failed in a handler by its kind and place; the text of an exception may hold a row's value (S13)."""
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        log.error("request.failed", kind=type(error).__name__, where=where(error))
        return False
    return True


def settle_memory() -> None:
    """Have the C library keep blocks of up to 4 MB for the next request and fold, and give back larger ones at once.

    What is given back must be zeroed and mapped anew, page by page, each time: of 4.9 us of CPU that an Arrow row took,
    1.6 went there when every block of a megabyte was given back (measured 2026-11). glibc's own way, to raise the bound
    to 32 MB at the first large block that is freed, keeps whatever a merge of receipts took. One arena, because each
    holds on to what its threads once took: a second one kept 10 MiB more at full rate. Allocations are few and large,
    so threads hardly meet there. Rejected: `malloc_trim` every second, which held others up for 70 ms, cost a twentieth
    of the CPU, and left the peak where it was.

    To be called before any thread begins: one that began before keeps the arena it got, and a daemon that called this
    at the end of its start held 90 MiB more at full rate.
    """
    with contextlib.suppress(OSError, AttributeError):  # another C library knows no mallopt
        library = ctypes.CDLL(None)
        for what, value in ((M_MMAP_THRESHOLD, 4 << 20), (M_TRIM_THRESHOLD, 32 << 20), (M_ARENA_MAX, 1)):
            library.mallopt(what, value)


def raise_descriptors() -> None:
    """Have as many descriptors as this process may give itself, up to `DESCRIPTORS_MAX`; never fewer than it has.

    Most systems grant 1,024 for the sake of programs that call select(2), and far more to who asks.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    wanted = DESCRIPTORS_MAX if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_MAX)
    if wanted > soft:
        with contextlib.suppress(OSError, ValueError):  # a sandbox may forbid it: then it is as it was
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def calm_collector() -> None:
    """Let the cyclic collector leave alone what stays for good, and come less often.

    Rows are many short-lived containers without cycles, which reference counting frees; each young collection walks
    the ones in flight for nothing. Measured 2026-11: encoding 2.0 us a row before, 1.3 us after.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
