"""What a detector is, and how it takes the views it needs.

A *detector* reads windows of event time, which late rows may revise; it may be asked again. A *sequential* one consumes
what arrived since its last tick, exactly once; the store keeps its state between ticks. Both are frozen values whose
parameters are checked when they are made (ValueError). A detector that raises has failed: the caller's reading of it
is BROKEN.
"""

from typing import ClassVar, Final, Protocol, TypeVar

import msgspec

from monitor.facts import (
    Arrivals,
    Chances,
    Errors,
    ExpectedErrors,
    FeatureKind,
    Groups,
    Histogram,
    Outcomes,
    PairedErrors,
    Pairs,
    Ranks,
    Reading,
    Subject,
    Task,
    Truth,
    Verdict,
    View,
)

EVERY_KIND: Final = frozenset(FeatureKind)
NO_KIND: Final[frozenset[FeatureKind]] = frozenset()  # of detectors that read no features

CLASSIFICATION: Final = frozenset({Task.CLASSIFICATION})
REGRESSION: Final = frozenset({Task.REGRESSION})
RANKING: Final = frozenset({Task.RANKING})

_V = TypeVar("_V", Histogram, Outcomes, Errors, Ranks, Chances, ExpectedErrors, Pairs, PairedErrors, Groups, Arrivals)


class Detector(Protocol):
    """Reads a window. Adds nothing up, remembers nothing: the same two views give the same reading."""

    subjects: ClassVar[frozenset[Subject]]  # which views `read` takes
    kinds: ClassVar[frozenset[FeatureKind]]  # of these features; asked about another, it answers UNKNOWN
    tasks: ClassVar[frozenset[Task]]  # of models of these tasks; a rule for another is refused when it is read

    def read(self, reference: View, current: View) -> Reading:
        """Compare two views of the same bins; ValueError for a view of another subject or of other bins."""
        ...


class Sequential(Protocol):
    """Consumes arrivals tick by tick. `state` is a `State` of its own, or None before the first tick of an epoch."""

    subjects: ClassVar[frozenset[Subject]]
    kinds: ClassVar[frozenset[FeatureKind]]
    tasks: ClassVar[frozenset[Task]]
    State: ClassVar[type[msgspec.Struct]]

    def step(
        self, reference: View, delta: View, dt_s: float, state: msgspec.Struct | None
    ) -> tuple[Reading, msgspec.Struct]:
        """Read what arrived in the last `dt_s` >= 0 seconds; ValueError for another subject or a foreign state."""
        ...


def orders(detector: Detector) -> frozenset[bool]:
    """For which features the detector's question makes sense, by `Histogram.ordered`; others would be UNKNOWN."""
    return frozenset(kind is FeatureKind.NUMERIC for kind in detector.kinds)


def applies(detector: Detector, feature: Histogram) -> bool:
    """Whether the detector's question makes sense for this feature."""
    return feature.ordered in orders(detector)


def take(kind: type[_V], view: View) -> _V:
    """The view, known to be of this kind; ValueError if it is not."""
    if isinstance(view, kind):
        return view
    msg = f"needs {kind.__name__}, was given {type(view).__name__}"
    raise ValueError(msg)


def take_truth(view: View) -> Truth:
    """What labels say, whatever the task; ValueError for another view."""
    if isinstance(view, Outcomes | Errors | Ranks):
        return view
    msg = f"needs Outcomes, Errors or Ranks, was given {type(view).__name__}"
    raise ValueError(msg)


def take_histograms(reference: View, current: View) -> tuple[Histogram, Histogram]:
    """Two histograms of the same bins; ValueError if they are not."""
    expected, found = take(Histogram, reference), take(Histogram, current)
    if expected.column != found.column or len(expected.bins) != len(found.bins):
        msg = f"{found.column} ({len(found.bins)} bins) is not {expected.column} ({len(expected.bins)} bins)"
        raise ValueError(msg)
    return expected, found


def judge(breach: bool) -> Verdict:  # noqa: FBT001  # the one thing it is about
    """BREACH or OK."""
    return Verdict.BREACH if breach else Verdict.OK


def unknown(n: int, why: str, unit: str = "") -> Reading:
    """Too little to say, and what is lacking."""
    return Reading(Verdict.UNKNOWN, n, unit=unit, why=why)


def too_few(n: int, rows_min: int, unit: str = "") -> Reading:
    """Fewer rows than the floor."""
    return unknown(n, f"fewer than {rows_min} rows", unit)
