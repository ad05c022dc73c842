"""One measured number and what it was to be."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """`goal` is "<= 50" or ">= 3000" in the same unit, or "" for what is only told."""

    figure: str
    value: float | str
    unit: str
    goal: str = ""
    command: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal was met; None without one."""
        if not self.goal:
            return None
        sign, _, limit = self.goal.partition(" ")
        value = float(self.value)
        return value <= float(limit) if sign == "<=" else value >= float(limit)

    def document(self) -> dict[str, Any]:
        """What stands in results.json."""
        return asdict(self)


def percentile(values: list[float], share: float) -> float:
    """The smallest of the values that at least this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
