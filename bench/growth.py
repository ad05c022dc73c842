"""Ten minutes at 2,000 rows a second: the daemon must not grow.

Memory is compared after two minutes, when buffers, the allocator and SQLite's cache have found their size, and at the
end. What grows on disk is receipts and panes. Receipts are mapped, so resident memory counts those pages of the kernel
cache that were looked at last; it takes them back when it needs them. Hence what must not grow is the rest.
"""

from bench.figure import Figure
from bench.intake import counted
from bench.sending import send
from bench.world import daemon

ROWS_A_SECOND = 2_000
SETTLE_S, REST_S = 120.0, 480.0


def measure() -> list[Figure]:
    """Resident memory at two minutes and at ten."""
    with daemon() as started:
        first = send(started, connections=8, rows=20, seconds=SETTLE_S, rows_a_second=ROWS_A_SECOND)
        before = started.own_mib
        rest = send(started, connections=8, rows=20, seconds=REST_S, rows_a_second=ROWS_A_SECOND)
        counted(started, first["rows"] + rest["rows"])
        after, resident = started.own_mib, started.rss_mib
    rate = (first["rows"] + rest["rows"]) / (SETTLE_S + REST_S)
    return [
        Figure("rows/s over ten minutes", round(rate), "rows/s"),
        Figure("  resident memory after ten minutes, mapped receipts included", round(resident), "MiB"),
        Figure("  its own memory after ten minutes", round(after), "MiB"),
        Figure("  growth of that from minute 2 to minute 10", round(after - before, 1), "MiB", "<= 10"),
    ]
