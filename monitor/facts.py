"""The values that flow, in flow order. Read me first.

    Prediction, Label -> Pane -> Window -> Reading -> Slot -> Alert -> Incident -> Notice, Rollback
                          ^ Epoch says which model answered        ^ Decision says why, or why not

Facts are frozen and carry no behaviour but arithmetic on themselves. Times are seconds since the Unix epoch
(float, event time unless a name says otherwise); durations end in `_s`; shares end in `_share` and lie in [0, 1].
Counts are signed 64-bit integers everywhere, sums of losses included (fixed point, `FIXED_POINT`), so that panes add,
and a corrected label subtracts, exactly and in any order.

The facts that the store keeps are msgspec structs: their JSON form is the stored form. A field may be added with a
default; one is never renamed or reused.
"""

import math
from enum import Enum
from functools import cached_property
from typing import NewType, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

ModelName = NewType("ModelName", str)
BundleId = NewType("BundleId", str)  # "sha256:<hex>" of the bundle, or one of the two below
TRANSITION = BundleId("transition")  # rows between the last proof of the old and the first of the new
UNREGISTERED = BundleId("unregistered")  # a digest is served that the release index does not know

FIXED_POINT = 1 << 32  # a squared error in [0, 1] is at most this; 2**31 rows of it still fit 63 bits

Cell: TypeAlias = float | int | str | bool | None  # a feature value as the sender wrote it


# ---------------------------------------------------------------- what the model is fed and what it answers


class FeatureKind(Enum):
    """How a feature is counted."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class Feature(msgspec.Struct, frozen=True, omit_defaults=True):
    """One column of the model's input. A `sensitive` one is counted, and its values are never kept as evidence."""

    name: str
    kind: FeatureKind
    sensitive: bool = False


class Task(Enum):
    """What a model answers, hence what a label says and how right is measured."""

    CLASSIFICATION = "classification"  # one of `Schema.classes`
    REGRESSION = "regression"  # a number
    RANKING = "ranking"  # a list of items, best first; its label says where in the list the relevant ones stood


EVERY_TASK = frozenset(Task)


class Schema(msgspec.Struct, frozen=True):
    """What a model of this name is fed and answers. Part of the bundle, frozen in the reference profile.

    `classes` are the model's outputs in its own order, at least two. `positive` is the class a lone score speaks of,
    set if and only if there are exactly two classes; with more, the score is the probability of the predicted class.
    The other tasks have no classes.
    """

    model: ModelName
    features: tuple[Feature, ...]
    classes: tuple[str, ...] = ()
    positive: str | None = None
    task: Task = Task.CLASSIFICATION


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """One scored row as it was accepted. `output` indexes `Schema.classes`; `len(classes)` means another class.

    `value` stands for the output where there are no classes: the predicted number, NaN and infinities as they came, or
    the number of items ranked.
    """

    id: str
    time: float
    output: int
    score: float  # [0, 1], see Schema.positive; NaN: none was sent, or it was not a probability
    features: dict[str, Cell]
    source: str  # the one the token is bound to
    arrival: float
    segment: dict[str, str] | None = None
    claimed_bundle: str = ""  # a client's claim decides nothing; a mismatch is counted
    value: float = math.nan
    probabilities: tuple[float, ...] | None = None  # of three classes or more, in their order, where all were sent


class Label(msgspec.Struct, frozen=True, gc=False):
    """The truth for one prediction, by one source, arriving later.

    `label` is by task: a class, indexed like `Prediction.output`; a finite number; or where in a ranked list the
    relevant items stood (`monitor.panes.ranking`). Each is exact as a double.
    """

    id: str
    time: float
    label: float
    source: str
    arrival: float
    prediction_time: float | None = None  # a hint where to look


class RejectReason(Enum):
    """Why a row was refused. The whole list: it is a metric label."""

    NOT_AN_OBJECT = "not_an_object"
    MALFORMED = "malformed"
    ID_MISSING = "id_missing"
    ID_INVALID = "id_invalid"
    TIME_INVALID = "time_invalid"
    TIME_IN_FUTURE = "time_in_future"
    TIME_TOO_OLD = "time_too_old"
    MODEL_UNKNOWN = "model_unknown"
    MODEL_MISSING = "model_missing"
    PREDICTION_MISSING = "prediction_missing"
    PREDICTION_INVALID = "prediction_invalid"
    LABEL_MISSING = "label_missing"
    LABEL_INVALID = "label_invalid"
    FEATURES_INVALID = "features_invalid"
    SOURCE_FORBIDDEN = "source_forbidden"


class Idempotency(msgspec.Struct, frozen=True):
    """A sender's promise that the same key means the same request; scoped to its token."""

    token: str
    key: str
    body_digest: bytes  # BLAKE2b-128 of the body as received
    answer: bytes  # what a repetition is answered


class RowKind(Enum):
    """The two streams a journal record can hold."""

    PREDICTIONS = "predictions"
    LABELS = "labels"


class Encoded(msgspec.Struct, frozen=True):
    """Rows that are a record already: made where they were decoded, while they were warm in its processor's cache."""

    body: bytes  # monitor.panes.batch
    rows: int
    arrival: float  # of the first


class Submission(msgspec.Struct, frozen=True, gc=False):
    """Accepted rows of one request for one model, on their way into the journal."""

    kind: RowKind
    model: ModelName
    rows: list[Prediction] | list[Label]  # empty where they are `encoded`
    size_bytes: int
    idempotency: Idempotency | None = None
    encoded: Encoded | None = None

    @property
    def count(self) -> int:
        """How many rows it holds."""
        return self.encoded.rows if self.encoded else len(self.rows)


class JournalRecord(msgspec.Struct, frozen=True):
    """What one commit wrote for one model and stream: durable, in arrival order of `seq`, until it is folded."""

    seq: int
    kind: RowKind
    model: ModelName
    rows: int
    body: bytes | memoryview  # monitor.panes.batch; a view where the record lies in a file


# ---------------------------------------------------------------- which model answered


class Epoch(msgspec.Struct, frozen=True):
    """One activation of a bundle: from its switch-on to the next switch. Epochs of a model cover time without gaps.

    `judge` is the reference profile whose bins and limits decide: the bundle's own while it is known-good, else the
    last known-good's, because a poisoned retrain brings a poisoned reference. When either changes, for instance by a
    promotion, a new epoch begins: a pane never changes its bins.
    """

    number: int  # 1, 2, 3 ... per model; never reused
    model: ModelName
    bundle: BundleId
    digest: str  # of the bytes the server says it loaded; "" for TRANSITION
    start: float  # inclusive; the end is the next epoch's start
    proved: float  # the last time the server proved it
    judge: str = ""  # digest of a reference profile
    own: str = ""  # digest of the bundle's own reference profile; "" where there is none
    known_good: bool = False  # whether the release index approved the bundle when the epoch began

    @property
    def acts(self) -> bool:
        """Whether evidence of this epoch may lead to an action: not so between two proofs."""
        return self.bundle != TRANSITION


# ---------------------------------------------------------------- panes


class PaneKey(msgspec.Struct, frozen=True, order=True):
    """What a pane counts: one slice of time of one model, epoch and segment, in the bins of one reference."""

    model: ModelName
    epoch: int
    segment: str  # "" is everything
    reference: str  # digest of the reference profile whose bins these are
    start: int  # seconds, a multiple of the pane's length
    replica: str


class Pane(msgspec.Struct, frozen=True, eq=False):
    """Additive counts. What each cell means is `monitor.panes.layout.Layout`, the one of `reference`."""

    reference: str
    counts: NDArray[np.int64]  # shape (Layout.size,), read-only

    def __add__(self, other: "Pane") -> "Pane":
        """Sum of two panes of the same bins; ValueError if they differ."""
        if self.reference != other.reference:
            msg = f"panes of different references do not add: {self.reference}, {other.reference}"
            raise ValueError(msg)
        return Pane(self.reference, self.counts + other.counts)

    def __eq__(self, other: object) -> bool:
        """Equal when every count is."""
        return (
            isinstance(other, Pane)
            and self.reference == other.reference
            and bool(np.array_equal(self.counts, other.counts))
        )

    __hash__ = None  # type: ignore[assignment]  # a mutable buffer lies underneath


class Window(msgspec.Struct, frozen=True):
    """The sum of consecutive panes of one epoch, `start` inclusive to `end` exclusive."""

    model: ModelName
    epoch: int
    segment: str
    start: float
    end: float
    pane: Pane


# ---------------------------------------------------------------- views of a pane: what a detector reads


class Histogram(msgspec.Struct, frozen=True, dict=True):
    """Counts of one column. `bins` are the reference's bins in order, the outer or pooled ones included.

    Numeric: (under, b0 .. b19, over). Categorical: (c0 .. c30, other, unseen). Output: one per class, then other, or
    as a numeric one where the output is a number. Score: 64 equal bins over [0, 1].

    `edges` cut the inner bins of an ordered one: bin i is [edges[i], edges[i + 1]), the last one closed; a constant has
    one edge, and () says that no edges are known. `mean` and `std` (of the population) are those of the numbers in
    the bins, outer ones included, None where there are none or they were not counted.
    """

    column: str
    ordered: bool  # whether the order of the bins means something: Kolmogorov-Smirnov needs it
    bins: tuple[int, ...]
    outside: int = 0  # numeric: under + over; categorical: unseen. These are inside `bins` as well
    missing: int = 0
    invalid: int = 0  # wrong type
    non_finite: int = 0
    edges: tuple[float, ...] = ()
    mean: float | None = None
    std: float | None = None

    @cached_property  # a dozen detectors ask
    def n(self) -> int:
        """Rows with a value that could be binned."""
        return sum(self.bins)

    @cached_property
    def rows(self) -> int:
        """All rows."""
        return self.n + self.missing + self.invalid + self.non_finite


class Curve(msgspec.Struct, frozen=True):
    """Labelled rows by score, 64 equal bins over [0, 1]: what every reading of probabilities is made of.

    The score is the probability of `outcome`: a class, or "" for "the output was right".
    """

    outcome: str
    hits: tuple[int, ...]  # rows for which it came true
    misses: tuple[int, ...]

    @property
    def n(self) -> int:
        """Labelled rows with this score."""
        return sum(self.hits) + sum(self.misses)


class Outcomes(msgspec.Struct, frozen=True):
    """What labels by trusted sources say of a classification. Only rows in both `confusion` sums are labelled.

    `curves`: of two classes one, the positive one's; of more, the top label's first, then one for each class where
    probabilities of all classes were sent and the classes are few (`monitor.panes.layout`).
    """

    rows: int  # predictions in the window that a label can reach, labelled or not
    confusion: tuple[tuple[int, ...], ...]  # [predicted][label], classes in order, then other
    scored: int  # labelled rows that came with a score
    squared_error: int  # sum of (score - outcome)^2 in FIXED_POINT
    lag: tuple[int, ...]  # labelled rows by label time - prediction time, bins of panes.layout.LAG_EDGES_S
    classes: tuple[str, ...] = ()  # names of the rows and columns of `confusion`, but for the last
    curves: tuple[Curve, ...] = ()
    log_loss: int = 0  # sum of -ln(probability of what came true) of the `likely` rows in FIXED_POINT
    likely: int = 0  # labelled rows of which that probability is known
    all_outputs: tuple[int, ...] = ()  # rows by answer, labelled or not: classes in order, then other
    all_scores: tuple[int, ...] = ()  # the same by score, 64 equal bins over [0, 1]

    @property
    def labelled(self) -> int:
        """Predictions with a trusted label."""
        return sum(map(sum, self.confusion))

    @property
    def wrong(self) -> int:
        """Labelled predictions that were wrong."""
        return self.labelled - sum(row[i] for i, row in enumerate(self.confusion))


class Errors(msgspec.Struct, frozen=True):
    """What labels by trusted sources say of a regression: sums over labelled rows, e = predicted - label.

    Made exactly from fixed-point counts and given in the target's unit, its square and so on.
    """

    rows: int  # predictions in the window that a label can reach
    labelled: int  # with a trusted label and a finite prediction
    lag: tuple[int, ...]
    error: float = 0.0
    absolute: float = 0.0
    squared: float = 0.0
    fourth: float = 0.0  # sum of e^4: what an interval of the squared error rests on
    label: float = 0.0
    variation: float = 0.0  # sum of (label - mean label)^2
    pinball: tuple[tuple[float, float, float], ...] = ()  # (quantile, loss, squared loss)
    clipped: int = 0  # rows whose error was beyond what the sums can hold: they count as the bound


class Ranks(msgspec.Struct, frozen=True):
    """What labels by trusted sources say of a ranking: sums over labelled lists."""

    rows: int  # lists in the window that a label can reach
    labelled: int
    lag: tuple[int, ...]
    hits: tuple[tuple[int, int], ...] = ()  # (k, lists with a relevant item among the first k)
    reciprocal: float = 0.0  # sum of 1 / place of the first relevant item, 0 where there is none
    reciprocal_squared: float = 0.0
    ndcg: float = 0.0  # at 10, each in [0, 1]
    ndcg_squared: float = 0.0


class Pairs(msgspec.Struct, frozen=True):
    """The same rows answered by the serving model and by the known-good."""

    rows: int  # predictions in the window
    asked: int  # of these, answered by the known-good too
    differ: int  # of these, with another output
    both_right: int  # the four below: asked rows with a trusted label
    only_serving_wrong: int
    only_known_good_wrong: int
    both_wrong: int

    @property
    def labelled(self) -> int:
        """Pairs with a trusted label."""
        return self.both_right + self.only_serving_wrong + self.only_known_good_wrong + self.both_wrong


class PairedErrors(msgspec.Struct, frozen=True):
    """The same rows predicted, as numbers, by the serving model and by the known-good; d = |e| - |e of known-good|."""

    rows: int
    asked: int
    apart: float  # sum of |prediction - prediction of the known-good| over the asked
    labelled: int  # asked rows with a trusted label
    worse: float = 0.0  # sum of d
    worse_squared: float = 0.0  # sum of d^2


class Group(msgspec.Struct, frozen=True):
    """One segment of a window, as fairness reads it."""

    segment: str  # "origin=EWR"
    rows: int
    outputs: tuple[int, ...]  # one per class, then other
    outcomes: Outcomes


class Groups(msgspec.Struct, frozen=True):
    """All segments of one column, each row in one of them."""

    by: str
    positive: int | None  # index of the class that is wished for; None where the classes are not two
    groups: tuple[Group, ...]


class Scored(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one output and one score bin, and what the reference's labels say of such rows (monitor.panes.expected).

    A row *comes true* when its label is the positive class, or, of three classes or more, when the output was right.
    """

    output: int  # index of the class, len(classes) for any other
    bin: int  # of the score, 0 .. 63
    rows: int
    chance: float  # that one comes true
    variance: float  # of `chance`, as the reference is a sample
    slack: float  # how far `chance` may be off at most where the reference held no such row
    score: float  # mean in the reference
    one: float  # mean of -ln(score) of those that come true, and of its square
    one_squared: float
    zero: float  # mean of -ln(1 - score) of those that do not, and of its square
    zero_squared: float


class Chances(msgspec.Struct, frozen=True):
    """What the labels of a classification are expected to say of a window, before any has come."""

    rows: int  # predictions in the window
    calibrated: int  # labelled rows of the reference that the chances rest on
    classes: tuple[str, ...]
    positive: int | None  # index of the class a score speaks of; None: of the predicted one
    cells: tuple[Scored, ...] = ()  # those that hold a row

    @property
    def scored(self) -> int:
        """Rows that came with a score."""
        return sum(cell.rows for cell in self.cells)


class ExpectedErrors(msgspec.Struct, frozen=True):
    """What the labels of a regression are expected to say of a window, before any has come; in the target's unit."""

    rows: int  # predictions in the window
    told: int  # of these, the ones with a finite number
    fitted: int  # rows of the reference that it was learned from; 0: nothing was learned
    absolute: float = 0.0  # mean of |e|
    absolute_sd: float = 0.0  # of that mean, as the reference is a sample
    squared: float = 0.0  # mean of e^2
    squared_sd: float = 0.0
    kurtosis: float = 3.0  # mean of e^4 over the square of that of e^2, in the reference
    strange: str = ""  # the feature (or "output") of which most rows lie where the reference held next to none
    strange_share: float = 0.0  # the share of these rows


class Arrivals(msgspec.Struct, frozen=True):
    """How much came."""

    rows: int


Truth: TypeAlias = Outcomes | Errors | Ranks  # by the model's task
Expectation: TypeAlias = Chances | ExpectedErrors  # by the model's task
View: TypeAlias = Histogram | Truth | Expectation | Pairs | PairedErrors | Groups | Arrivals


class Subject(Enum):
    """Which view of a pane a detector reads.

    FEATURES stands for one histogram per feature. OUTCOMES, EXPECTED and PAIRS are by task. GROUPS is made of several
    panes, one for each segment of the column that the rule names.
    """

    FEATURES = "features"
    OUTPUT = "output"
    SCORE = "score"
    OUTCOMES = "outcomes"
    EXPECTED = "expected"
    PAIRS = "pairs"
    GROUPS = "groups"
    ARRIVALS = "arrivals"


# ---------------------------------------------------------------- readings


class Verdict(Enum):
    """What a reading says. UNKNOWN is too little to say; BROKEN is a detector that failed. Neither is OK."""

    OK = "ok"
    BREACH = "breach"
    UNKNOWN = "unknown"
    BROKEN = "broken"


class Reading(msgspec.Struct, frozen=True):
    """What a detector says of a window. `value` is None unless the verdict is OK or BREACH."""

    verdict: Verdict
    n: int  # rows the value rests on
    value: float | None = None
    limit: float | None = None
    low: float | None = None  # 95 % interval of value, where one exists
    high: float | None = None
    unit: str = ""
    why: str = ""  # one clause in words, always set for UNKNOWN and BROKEN


class Severity(Enum):
    """How loudly a rule speaks. NONE is read and exported only."""

    NONE = "none"
    WARNING = "warning"
    CRITICAL = "critical"


class Family(Enum):
    """What kind of evidence a rule gives. Two signals count as independent when their families differ."""

    LABELS = "labels"
    PAIRED = "paired"
    OUTPUT = "output"
    QUALITY = "quality"
    FEATURES = "features"
    VOLUME = "volume"
    FAIRNESS = "fairness"
    IDENTITY = "identity"


class Slot(msgspec.Struct, frozen=True):
    """One scheduled window as one rule saw it; a revised window replaces its slot.

    With several subjects (features) the worst reading stands here and `worst` lists the breaching columns.
    """

    rule: str
    segment: str
    epoch: int
    start: float
    end: float
    reading: Reading
    worst: tuple[str, ...] = ()  # at most 10 column names, worst first


# ---------------------------------------------------------------- decisions


class AlertState(Enum):
    """As in Prometheus."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(msgspec.Struct, frozen=True):
    """The state of one rule on one segment of one model. It outlives a switch of the model."""

    model: ModelName
    rule: str
    segment: str
    state: AlertState = AlertState.INACTIVE
    since: float = 0.0  # when it entered the state
    fired: float = 0.0  # when it last began to fire
    epoch: int = 0  # of the slots that made it fire
    evidence: tuple[Slot, ...] = ()  # frozen when it fired


class Incident(msgspec.Struct, frozen=True):
    """One thing that went wrong: its alerts, what was said of it, and at most one rollback."""

    id: str
    model: ModelName
    opened: float
    epoch: int  # when it was opened
    bundle: BundleId  # what was served then
    cause: str  # the rule named as the root
    alerts: tuple[str, ...]  # "rule" or "rule/segment", in order of firing
    closed: float | None = None
    rollback: str = ""  # id, once one was started
    notices: int = 0  # how many were sent: numbers the next one
    timeline: tuple[tuple[float, str], ...] = ()  # what happened, in words; at most 200 lines


class NoticeStatus(Enum):
    """As in Alertmanager's webhook."""

    FIRING = "firing"
    RESOLVED = "resolved"


class Notice(msgspec.Struct, frozen=True):
    """Something a person must hear. `id` is the same over every retry and every receiver's duplicate."""

    id: str  # "<incident>.<number>"
    status: NoticeStatus
    incident: Incident
    alerts: tuple[Alert, ...]
    severity: Severity
    summary: str  # one sentence: what, how much, what was done about it
    details: tuple[tuple[str, str], ...] = ()  # name, words; for annotations
    holdable: bool = False  # whether it says nothing but that alerts fire or are over: a silence may hold it
    repeat: bool = False  # whether it only says that what was told still is so
    receivers: tuple[str, ...] = ()  # the ones it is for; (): all of them


class Mode(Enum):
    """How far a rollback may go without a person."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    APPROVE = "approve"
    AUTO = "auto"


class Ruling(Enum):
    """What the evidence says, whatever the mode; what is done about ACT is the mode's business."""

    ACT = "act"
    INCONCLUSIVE = "inconclusive"  # a gate cannot be told
    DENY = "deny"


class Gate(msgspec.Struct, frozen=True):
    """One condition of the rollback policy, and whether it held. None: it could not be told."""

    name: str
    held: bool | None
    why: str


class Decision(msgspec.Struct, frozen=True):
    """What the policy says, and every gate it looked at: the answer to "why did it (not) roll back?"."""

    ruling: Ruling
    target: BundleId | None
    gates: tuple[Gate, ...]


class BundleStatus(Enum):
    """What the release index says of a bundle. Only KNOWN_GOOD is ever a target."""

    CANDIDATE = "candidate"
    KNOWN_GOOD = "known_good"
    REVOKED = "revoked"


class Bundle(msgspec.Struct, frozen=True):
    """What is rolled back as one. Paths are the operator's, relative to the release index."""

    id: BundleId
    model: ModelName
    checkpoint: str
    checkpoint_digest: str  # "sha256:<hex>" of the file's bytes
    reference: str
    reference_digest: str
    status: BundleStatus
    registered: float  # wall time
    name: str = ""  # what people call it: "v1"
    locators: dict[str, str] = {}  # where targets that move no file find it, by kind: {"mlflow": "7"}


class RollbackStep(Enum):
    """How far a rollback came. The intent (PLANNED) is durable before anything outside changes."""

    PROPOSED = "proposed"  # waiting for a person
    PLANNED = "planned"
    VERIFIED = "verified"  # the target's bytes are what the release index says, now
    SWITCHED = "switched"  # the link points to the target
    RELOADED = "reloaded"  # the server was told
    COMMITTED = "committed"  # the server proved that it loaded the target
    REFUSED = "refused"  # ended before anything changed
    FAILED = "failed"  # ended after the switch may have happened: latched to manual
    EXPIRED = "expired"  # nobody agreed in time, or the plan was left standing until its evidence was old


class Rollback(msgspec.Struct, frozen=True):
    """One switch to the known-good, as journaled. `id` is the idempotency key of all its effects."""

    id: str
    incident: str
    model: ModelName
    source: BundleId  # what it leaves
    target: BundleId
    mode: Mode
    step: RollbackStep
    planned: float  # event time
    stepped: float  # event time of the last step
    attempts: int = 0  # setbacks over the whole rollback, crashes included
    reason: str = ""  # for the endings that are not COMMITTED
    decision: Decision | None = None
    approved_by: str = ""  # token name, or "policy" in mode auto
