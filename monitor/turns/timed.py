"""How long a repeated piece of work takes."""

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Timed:
    """Counts it, and its wall seconds."""

    count: int = 0
    sum_s: float = 0.0
    last_s: float | None = None

    def add(self, began: float) -> None:
        """Count one that began at `began` (monotonic)."""
        self.last_s = time.monotonic() - began
        self.sum_s += self.last_s
        self.count += 1
