"""How many descriptors this process has, and what it is like to have none left."""

import resource
from contextlib import contextmanager
from pathlib import Path


def held():
    """How many are open now."""
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def none_left():
    """Nothing can be opened, as if others had all descriptors; what is open stays open."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
