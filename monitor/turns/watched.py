"""Everything held in memory about one watched model, between two turns.

It is a cache of what the store keeps: after a crash it is read back, and no turn relies on it having survived.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.decisions.clocks import while_paused
from monitor.decisions.contact import effective
from monitor.decisions.epochs import last_known_good
from monitor.decisions.probes import Probed
from monitor.decisions.rules import RulePack
from monitor.decisions.state import ModelState
from monitor.decisions.steadiness import Proofs
from monitor.decisions.telling import Telling
from monitor.export.sequential import SequentialView
from monitor.facts import (
    Bundle,
    BundleId,
    Epoch,
    Histogram,
    Incident,
    Mode,
    ModelName,
    Reading,
    Rollback,
    RollbackStep,
    Schema,
    Slot,
    Verdict,
)
from monitor.panes.carriers import Carrier
from monitor.panes.layout import Layout
from monitor.panes.odd import Odd
from monitor.panes.segments import Segments
from monitor.settings import MonitoredModel
from monitor.turns.loading import Releases
from monitor.turns.parting import Parting, Segmentation
from monitor.turns.pictures import Drawing, Frame


class Totals(msgspec.Struct, frozen=True):
    """What was folded since the state directory began; kept by the store, so counters survive a restart."""

    predictions: int = 0
    duplicates: int = 0  # predictions with an id already seen
    late: int = 0  # predictions folded after their pane was over and its grace, too
    unattributed: int = 0  # predictions of the epoch `transition`
    claims_wrong: int = 0  # predictions that named another bundle than the one served
    labels: int = 0  # by trusted sources, counted as the truth
    labels_untrusted: int = 0
    labels_repeated: int = 0
    labels_corrected: int = 0
    labels_sampled_out: int = 0  # their predictions' receipts were dropped over the quota
    pairs: int = 0  # rows the known-good answered too
    pairs_failed: int = 0  # rows it was asked and did not answer
    last_prediction: float = 0.0  # event time of the newest; 0: none yet
    last_label: float = 0.0

    def plus(self, **counts: int) -> "Totals":
        """The totals with `counts` added to the fields of these names."""
        return msgspec.structs.replace(self, **{name: getattr(self, name) + more for name, more in counts.items()})

    def at(self, prediction: float, label: float) -> "Totals":
        """The totals with these times of the newest prediction and label."""
        return msgspec.structs.replace(self, last_prediction=prediction, last_label=label)


class Reached(msgspec.Struct, frozen=True):
    """How many rollbacks of a model ever reached each step, by the step's value: a counter that never falls."""

    steps: dict[str, int] = {}

    def plus(self, step: RollbackStep) -> "Reached":
        """One more."""
        return Reached(self.steps | {step.value: self.steps.get(step.value, 0) + 1})


class ReplayTime(msgspec.Struct, frozen=True):
    """The event time that replay has reached; 0: it was never stepped."""

    now: float = 0.0


class Timeline(msgspec.Struct, frozen=True):
    """The stored serving timeline of one model."""

    epochs: tuple[Epoch, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """A reading with what it is about: what status, the metrics page and the demo's view show."""

    rule: str  # name of the rule or reading
    column: str  # feature, or ""
    segment: str
    start: float
    end: float
    reading: Reading
    own: bool = False  # against the bundle's own reference: display only


class Counted(msgspec.Struct, frozen=True):
    """Counts of one window for display, and which window it was."""

    end: float = float("-inf")
    window_s: float = 0.0
    outputs: tuple[int, ...] = ()  # rows per class; () before any was read
    confusion: tuple[tuple[int, ...], ...] = ()
    features: tuple[Histogram, ...] = ()
    carriers: tuple[Carrier, ...] = ()  # features that carry a change of the output
    rule: str = ""  # by which they were read

    def over(self, other: "Counted") -> bool:
        """Whether these are shown instead of `other`: longer windows first, then the newer one."""
        return (self.window_s, self.end) >= (other.window_s, other.end)


NOTHING = Counted()


@dataclass(frozen=True, slots=True)
class ProbesShown:
    """What is shown of a model's probes: no row of them."""

    rounds: Counter[Verdict] = field(default_factory=Counter)  # since the start
    last: Probed | None = None
    rows: int = 0  # of the set that was last read
    recorded: bool = False  # whether it holds answers of what is served


@dataclass(slots=True)
class Watched:
    """One watched model."""

    name: ModelName
    settings: MonitoredModel
    pack: RulePack
    releases: Releases
    bundles: tuple[Bundle, ...]
    layouts: dict[str, Layout]  # by digest of the reference profile
    state: ModelState
    epochs: tuple[Epoch, ...] = ()
    totals: Totals = field(default_factory=Totals)
    shown: dict[tuple[str, str, str, bool], Shown] = field(default_factory=dict)  # by (rule, column, segment, own)
    outputs: Counted = NOTHING  # the newest window that was read
    confusion: Counted = NOTHING  # the newest window with enough labels to read
    carried: Counted = NOTHING
    features: Counted = NOTHING  # the newest window of which features were read
    slots: Mapping[tuple[str, str], tuple[Slot, ...]] = field(default_factory=dict)  # of the last look
    looked: float | None = None  # event time of the last look of this life that was committed
    sequential: SequentialView | None = None  # what the e-detector last said; None: the rules set no budget
    incidents: dict[str, Incident] = field(default_factory=dict)  # by id, oldest first
    reached: Reached = field(default_factory=Reached)
    rollbacks: dict[str, Rollback] = field(default_factory=dict)  # by id, oldest first
    asked: BundleId | None = None  # the bundle that answers as known-good, as proved
    killed: Callable[[], bool] = lambda: False  # whether the operator's kill switch is set
    silent_s: Callable[[], float] = lambda: 0.0  # for how long no operator was in touch
    clock_paused: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0)  # a jump of the clock, s left of the pause
    telling: Telling = field(default_factory=Telling)  # when people are told, as the settings say
    unproved_since: float | None = None  # monotonic; None while the server proves what it serves
    unproved_s: float | None = None  # how long that was at the last question
    proved: float | None = None  # event time of the last proof of this life, by the clock as it was then
    proofs: Proofs = field(default_factory=Proofs)  # the last ones: whether the server keeps to one bundle

    probed: Probed | None = None  # of the present activation, or an earlier one: the last round that told something
    probes: ProbesShown = field(default_factory=ProbesShown)

    evidence_values: Mapping[str, float] = field(default_factory=dict)  # by metric of Evidently: of the newest period
    evidence_end: float | None = None  # event time that period ended; None: nothing is told
    evidence_reports: int = 0  # made since the start

    segmentation: Segmentation = field(default_factory=Segmentation)
    counted: dict[str, NDArray[np.int64]] = field(default_factory=dict)  # cells since the start, by reference profile
    _parting: Parting = field(default_factory=lambda: Parting({}))
    _odd: dict[str, Odd] = field(default_factory=dict)
    _frames: dict[str, Frame] = field(default_factory=dict)

    def folded(self, totals: Totals, segmentation: Segmentation, counted: Mapping[str, NDArray[np.int64]]) -> None:
        """Take over what a fold has committed."""
        self.totals, self.segmentation = totals, segmentation
        for digest, cells in counted.items():
            before = self.counted.get(digest)
            self.counted[digest] = cells if before is None else before + cells

    def tell_evidence(self, values: Mapping[str, float], end: float | None) -> None:
        """Show these numbers of a period that ended at `end`, but for metrics that the settings no longer name."""
        named = self.settings.evidence.metrics
        self.evidence_values = {name: value for name, value in values.items() if name.partition(".")[0] in named}
        self.evidence_end = end if self.evidence_values else None

    def odd(self, reference: str) -> Odd:
        """Which cells of this reference make a row odd."""
        if reference not in self._odd:
            self._odd[reference] = Odd(self.layouts[reference])
        return self._odd[reference]

    @property
    def parting(self) -> Parting:
        """How rows are parted by the settings of this moment; whoever counts or looks takes it once."""
        self._parting = self._parting.by(self.settings.segments)
        return self._parting

    @property
    def mode(self) -> tuple[Mode, str]:
        """The rollback mode that holds, and why it is another than the settings say."""
        allowed = self.settings.rollback
        mode, why = effective(allowed.mode, self.silent_s(), allowed.contact_within)
        return (mode, why) if why else while_paused(mode, *self.clock_paused())

    @property
    def newest(self) -> float | None:
        """Event time of the newest prediction that was folded; None: there was none."""
        return self.totals.last_prediction if self.totals.predictions else None

    def segments(self, reference: str) -> Segments:
        """How rows counted in the bins of this reference are parted now."""
        return self.parting.of(self.layouts[reference])

    def frame(self, reference: str, drawing: Drawing) -> Frame:
        """What is drawn of this reference in every picture."""
        found = self._frames.get(reference)
        if found is None or found.drawing != drawing:
            found = self._frames[reference] = Frame.of(self.layouts[reference], drawing)
        return found

    @property
    def epoch(self) -> Epoch:
        """The epoch that is open."""
        return self.epochs[-1]

    @property
    def good(self) -> Bundle:
        """The last known-good bundle; settings whose release index has none are refused."""
        found = last_known_good(self.bundles)
        assert found is not None, "a model without a known-good bundle is not watched"
        return found

    @property
    def schema(self) -> Schema:
        """What rows are read by: the known-good's schema, and the features that only the served bundle knows."""
        schema = self.layouts[self.good.reference_digest].reference.schema
        own = self.layouts.get(self.epochs[-1].own) if self.epochs else None
        names = {feature.name for feature in schema.features}
        more = () if own is None else tuple(f for f in own.reference.schema.features if f.name not in names)
        return msgspec.structs.replace(schema, features=schema.features + more) if more else schema

    def trusts(self, source: str) -> bool:
        """Whether labels by `source` are the truth; `crowd/*` in the settings takes every source that begins so."""
        return any(
            source == name or (name.endswith("*") and source.startswith(name[:-1]))
            for name in self.settings.labels.trusted_sources
        )
