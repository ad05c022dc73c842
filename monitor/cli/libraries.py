"""What libraries do by themselves where they find the means, and what this process tells them to do instead.

Each is said before the first of them is imported: afterwards it is too late.
"""

import os
import sys
from collections.abc import Iterable
from typing import Final

# pyarrow's `pa.array` imports pandas to ask whether a list is a Series: half a second and 60 MB.
NO_COMMAND_NEEDS: Final = ("pandas",)
# structlog and httpx import rich and pygments for colours, uvicorn imports watchfiles to restart itself: 5 MB.
NO_DAEMON_NEEDS: Final = ("rich", "pygments", "watchfiles")
BLAS_THREADS: Final = "OPENBLAS_NUM_THREADS"
ARROW_POOL: Final = "ARROW_DEFAULT_MEMORY_POOL"


class Refusing:
    """Refuses to import modules. As None in sys.modules they would still be "imported" by compiled modules."""

    def __init__(self, names: Iterable[str]) -> None:
        """Those of `names` that were imported before stay."""
        self._names = frozenset(names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - importlib's
        """Leave every other module to the finders that follow."""
        if name in self._names:
            raise ModuleNotFoundError(f"tocsin does without {name}", name=name)


def do_without(names: Iterable[str]) -> None:
    """Keep libraries from importing these, in this process and from now on."""
    sys.meta_path.insert(0, Refusing(names))


def blas_of_one_thread() -> None:
    """Have OpenBLAS calculate on the thread that asks, unless whoever started this process said otherwise.

    Our matrices are small: threads of its own spin while they wait for the next one, and building a reference took five
    times the CPU on two busy cores (measured 2026-11).
    """
    os.environ.setdefault(BLAS_THREADS, "1")


def arrow_from_malloc() -> None:
    """Have Arrow take its memory from the C library, where what one part gave back serves all others.

    Its own allocator keeps blocks for every thread, 30 MiB at full rate, and was no faster (measured 2026-11).
    `pa.set_memory_pool` says so to pyarrow alone: what Arrow allocates inside, in every kernel, asks this variable.
    """
    os.environ[ARROW_POOL] = "system"
