"""What the e-detector of one model last said, for the metrics page and for status. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.facts import Verdict


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The loudest group of a family at one tier."""

    family: str
    tier: str
    group: str
    log_odds: float  # natural logarithm of evidence over budget: 0 crosses


@dataclass(frozen=True, slots=True)
class LatchView:
    """A group that paged and is not calm yet. Of the tier `rollback` there is one for each family."""

    rule: str
    group: str  # as an alert names it; "" at the tier rollback
    since: float  # event time
    odds: float  # evidence over budget as it paged, at least 1
    why: str  # what moved, in words


@dataclass(frozen=True, slots=True)
class WindowsView:
    """Windows of labels of one epoch: each is bet on once, when it closes."""

    open: int  # have rows, and wait for labels
    closed: Mapping[str, int]  # since the activation, by "coverage" and "deadline"
    revised: int  # labels that came after their window had closed
    expected_share: float  # of the rows that are labelled in the end, as the last windows were; 1: too few tell


@dataclass(frozen=True, slots=True)
class SegmentsView:
    """Segments whose errors may page by themselves."""

    share: float  # of the budget that is theirs
    watched: tuple[str, ...]  # those with a band
    unknown: Mapping[str, str]  # those without one, and why
    left: int  # that nobody watches, as they are more than the rules allow


@dataclass(frozen=True, slots=True)
class SequentialView:
    """One model in one epoch."""

    at: float  # event time of the last tick; the epoch's start before the first
    since: float  # event time it began, without a past
    every_s: float  # between ticks
    rows: int  # bet on since then
    budgets: Mapping[str, float]  # minutes for each false alarm, by tier
    watched: int  # shares and scores that could be bet on
    unknown: int  # of these, without a band
    why: str  # nothing can be told at all, and why; else ""
    evidence: tuple[EvidenceView, ...] = ()  # () before the first tick of this process
    latched: tuple[LatchView, ...] = ()
    verdicts: Mapping[str, Mapping[Verdict, int]] = field(default_factory=dict)  # groups of each rule that alerts
    untold: Mapping[str, str] = field(default_factory=dict)  # families of which nothing can be told, and why
    labels: WindowsView | None = None  # None: none was looked at yet
    segments: SegmentsView | None = None  # None: there are none, or their errors are not watched
    bet: Mapping[str, int] = field(default_factory=dict)  # rows, minutes of the volume, that were bet on by family
