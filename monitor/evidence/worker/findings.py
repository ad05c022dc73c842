"""What came out of a job so far, and how a call into a library is made so that its failure is one named fault.

Of what is raised only the type is passed on: the message may quote a cell.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from monitor.evidence.jobs import Failure, Fault, Value
from monitor.evidence.worker.classifier import Telling

_T = TypeVar("_T")


@dataclass(slots=True)
class Findings:
    """What came out so far."""

    numbers: list[Value] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    sections: list[tuple[str, list[Any]]] = field(default_factory=list)  # (title, widgets)
    said: list[str] = field(default_factory=list)  # of all columns at once, in sentences; no value of a row is in them
    telling: tuple[Telling, ...] = ()
    overlooked: dict[str, str] = field(default_factory=dict)  # column -> why it was not looked at beside the others


class Refused(Exception):
    """A metric cannot be run at all: `reason` says why."""

    def __init__(self, reason: Failure, why: str) -> None:
        super().__init__(why)
        self.reason, self.why = reason, why


def attempt(findings: Findings, name: str, reason: Failure, call: Callable[[], _T]) -> _T | None:
    """Call into a library; whatever it raises is one named fault."""
    try:
        return call()
    except Refused as refused:
        findings.faults.append(Fault(name, refused.reason, refused.why))
    except MemoryError:
        findings.faults.append(Fault(name, Failure.MEMORY, ""))
    except Exception as error:  # noqa: BLE001 - a library's own; what it says may quote a cell
        findings.faults.append(Fault(name, reason, type(error).__name__))
    return None
