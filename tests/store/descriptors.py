"""How many descriptors this process has, and what it is like to have none left."""

import resource
from contextlib import ExitStack, contextmanager
from pathlib import Path

from monitor.store.disk import Disk


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


class TakenByOthers(Disk):
    """While it is `greedy`, no descriptor is left as soon as a file has got its name."""

    taken = None

    def sync_directory(self, path):
        super().sync_directory(path)
        if self.taken:
            self.taken.enter_context(none_left())

    @contextmanager
    def greedy(self):
        """Inside; afterwards all are free again."""
        with ExitStack() as self.taken:
            yield
        self.taken = None
