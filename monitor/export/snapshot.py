"""What a turn hands over for one render: plain frozen values, no names of metrics, no behaviour.

Whoever builds a `Snapshot` needs to know nothing of Prometheus, and whoever renders it asks nobody anything. Counters
are totals since some start; a fall is a reset, which Prometheus understands. `None` means "not known": no sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from monitor.decisions.clearance import ClearanceState
from monitor.export.edges import (
    AlertmanagerView,
    AuditView,
    EvidenceView,
    IntakeView,
    ModelEvidence,
    ProbesView,
    StagedView,
    StoreView,
)
from monitor.export.pictures import NOTHING_DRAWN, Pictures
from monitor.export.sequential import SequentialView
from monitor.facts import (
    Alert,
    BundleId,
    Family,
    Gate,
    Mode,
    ModelName,
    Reading,
    RollbackStep,
    Severity,
    Subject,
    Task,
)


class ReferenceRole(Enum):
    """Whose profile a reading was read against."""

    JUDGE = "judge"  # the known-good's, where the serving bundle is not known-good itself
    OWN = "own"  # the serving bundle's


class ServingStatus(Enum):
    """What is served, as far as the release index and the timeline can tell."""

    KNOWN_GOOD = "known_good"
    CANDIDATE = "candidate"
    QUARANTINED = "quarantined"
    REVOKED = "revoked"
    UNREGISTERED = "unregistered"
    TRANSITION = "transition"


@dataclass(frozen=True, slots=True)
class RuleView:
    """One rule of a model's pack. All names are from the settings."""

    name: str
    detector: str  # key of the detector registry: "psi"
    subject: Subject
    family: Family
    severity: Severity
    window_s: float


@dataclass(frozen=True, slots=True)
class ReadingView:
    """The newest reading of one rule; of FEATURES rules, one for each column."""

    rule: RuleView
    reading: Reading
    window_end: float  # event time
    column: str = ""  # name of the feature, from the schema
    segment: str = ""
    reference: ReferenceRole = ReferenceRole.OWN


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows counted by the fold since the state began, or since the start: totals."""

    predictions: int = 0
    labels: int = 0  # by trusted sources
    labels_untrusted: int = 0
    labels_repeated: int = 0  # said again, by the same source
    labels_corrected: int = 0  # said otherwise than before, by the same source
    labels_sampled_out: int = 0  # of predictions whose receipts were dropped to hold the quota
    pairs: int = 0  # rows answered by the known-good as well
    pairs_failed: int = 0  # rows it was asked and did not answer
    unattributed: int = 0  # rows of the epoch `transition`
    claim_mismatches: int = 0  # rows whose client named another bundle than was served


@dataclass(frozen=True, slots=True)
class ClassRows:
    """Rows of the newest window that got this output. `name` is from the schema, or `__other__`."""

    name: str
    rows: int


@dataclass(frozen=True, slots=True)
class ConfusionCell:
    """Labelled rows of the newest window: predicted so, and in truth so. Names from the schema, or `__other__`."""

    predicted: str
    label: str
    rows: int


@dataclass(frozen=True, slots=True)
class ModelView:
    """One model. `segments` are those the settings name: readings and alerts of others are not exported."""

    model: ModelName
    status: ServingStatus
    epoch: int
    bundle: BundleId
    bundle_name: str = ""
    since: float | None = None  # event time the epoch began
    proved: float | None = None  # event time of the last proof of what is served
    unproved_s: float | None = None  # how long the server has proved nothing; None: it is not asked
    unsteady: bool = False  # whether it takes turns between bundles
    probes: ProbesView | None = None  # None: the settings name none
    known_good: BundleId | None = None
    known_good_name: str = ""
    mode: Mode = Mode.OBSERVE
    contact_within_s: float | None = None  # how long automation acts without an operator; None: not, or for ever
    degrades_in_s: float | None = None  # until it only proposes; below 0: since
    release_index_ok: bool = True  # False: the last good one is in force
    release_index_expires: float | None = None  # wall time; from then on it gives no targets
    release_index_serial: int = 0  # of the newest that was believed
    latched: bool = False  # automation is off until a person says so
    gate: ClearanceState | None = None  # what a deployer is told who asks for nothing in particular
    promotion: tuple[Gate, ...] = ()  # what a served candidate has earned so far; () of anything else
    rules: tuple[RuleView, ...] = ()
    readings: tuple[ReadingView, ...] = ()
    segments: tuple[str, ...] = ()
    alerts: tuple[Alert, ...] = ()
    incidents_open: int = 0
    incidents_opened: int = 0  # total
    rollbacks: Mapping[RollbackStep, int] = field(default_factory=dict)  # total that reached each step
    staged: StagedView | None = None  # None: no copies are kept
    rollbacks_waiting: int = 0  # now: proposed, neither approved nor expired
    last_rollback: float | None = None  # event time the last one reached COMMITTED
    totals: Totals = Totals()
    outputs: tuple[ClassRows, ...] = ()
    confusion: tuple[ConfusionCell, ...] = ()
    last_prediction: float | None = None  # event time of the newest row that was folded
    last_label: float | None = None
    pictures: Pictures = NOTHING_DRAWN
    evidence: ModelEvidence | None = None  # None: the settings ask for none
    task: Task = Task.CLASSIFICATION
    sequential: SequentialView | None = None  # None: the rules set no budget of false alarms
    groups: tuple[str, ...] = ()  # that the e-detector watches, as alerts name them


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a repeated piece of work takes, in wall seconds."""

    count: int = 0
    sum_s: float = 0.0
    last_s: float | None = None


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """Deliveries to one receiver of the settings."""

    receiver: str
    pending: int = 0  # now
    dead: int = 0  # now: given up, waiting for a person
    delivered: int = 0  # total
    failed: int = 0  # total of attempts
    buried: int = 0  # total that became dead: the oldest of them are forgotten
    held: int = 0  # now: incidents whose notices wait for a silence to end
    withdrawn: int = 0  # total never sent: silenced until it was over, or a repeat of what still waited


@dataclass(frozen=True, slots=True)
class DaemonView:
    """The daemon itself."""

    version: str
    started: float  # wall time
    clock: float  # event time
    intake: IntakeView = field(default_factory=IntakeView)
    store: StoreView = field(default_factory=StoreView)
    duplicates: int = 0  # rows whose id was folded before
    late_rows: int = 0  # rows folded after their pane's grace
    work_failures: int = 0  # total, of unforeseen reasons
    fold: Timing = Timing()
    look: Timing = Timing()
    tick: Timing = Timing()  # of one model's e-detector
    look_sums_dropped: int = 0  # total: windows that were summed and given up for others
    look_bands_dropped: int = 0  # total: references whose bands were made ready and given up for others
    reload_ok: bool = True  # the last attempt
    reloaded: float | None = None  # wall time of the last good one
    waiting: Mapping[str, int] = field(default_factory=dict)  # settings that wait for a restart, by section
    receivers: tuple[ReceiverView, ...] = ()
    rss_bytes: int | None = None
    alertmanagers: tuple[AlertmanagerView, ...] = ()
    evidence: EvidenceView | None = None  # None: no model asks for it
    audit: AuditView | None = None  # None: nothing is written down
    links: Mapping[str, int] = field(default_factory=dict)  # total of requests by a link to a report, by outcome
    kill_switch: bool = False  # whether it is set
    operator_contact: float | None = None  # wall time an operator was last in touch
    clock_jumps: Mapping[str, int] = field(default_factory=dict)  # of the wall clock since the start, by direction
    clock_paused: bool = False  # whether automation pauses for one
    connections_cut: Mapping[str, int] = field(default_factory=dict)  # that made room for others, by listener


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything one render shows. `rendered_wall` is the wall time of the turn that made it."""

    rendered_wall: float
    models: tuple[ModelView, ...]
    daemon: DaemonView
