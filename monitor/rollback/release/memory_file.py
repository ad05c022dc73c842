"""What the command line remembers of an index: a file beside it, and no more than that.

Who may write the index may remove this file. It protects people from an old index that was put back by mistake, or by
somebody who did not think of it; the daemon keeps its own memory in its state directory.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from monitor.errors import Problem, SettingsError
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.files import write
from monitor.rollback.release.memory import IndexMemory
from monitor.rollback.release.read import Index, load


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """The memory of one index."""

    index: Path
    path: Path

    @classmethod
    def beside(cls, index: Path) -> "MemoryFile":
        """Where the command line keeps it."""
        return cls(index, index.with_name(f".{index.name}.seen"))

    def load(self, belief: Belief) -> Index:
        """Read the index and remember it. In a directory that cannot be written it is only read. SettingsError."""
        memory = self.memory()
        found = load(self.index, belief, memory)
        if found.memory != memory:
            try:
                write(self.path, msgspec.json.encode(found.memory) + b"\n")
            except OSError:
                return found
        return found

    def memory(self) -> IndexMemory:
        """What was remembered; SettingsError if that cannot be read."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=IndexMemory)
        except FileNotFoundError:
            return IndexMemory()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            hint = "remove it to believe the index as it stands"
            raise SettingsError([Problem(str(self.path), f"cannot be read: {error}", hint)]) from None
