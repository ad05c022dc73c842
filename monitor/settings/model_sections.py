"""What the settings say of one monitored model."""

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from monitor.facts import Mode
from monitor.settings.addresses import matching
from monitor.settings.evidence_sections import ModelEvidence
from monitor.settings.target_sections import Target
from monitor.settings.units import Duration, Size, between
from monitor.settings.values import FilePath, Name, Section, ServerUrl, duration, size, unless

Source: TypeAlias = Annotated[
    str,
    unless(
        matching(
            r"(?=.{1,128}\Z)[A-Za-z0-9._@:-]+(/[A-Za-z0-9._@:-]+)*(/\*)?",
            "a source as tokens are bound to: words of letters, digits and . _ @ : - parted by /, last perhaps *",
        )
    ),
]

# The name of a feature, or of a key in the rows' segment.
SegmentName: TypeAlias = Annotated[str, unless(matching(r"[^=\x00-\x1f\x7f]{1,64}", "1 to 64 characters, no ="))]
# A value of a segment becomes part of a metric label: "origin=EWR".
SegmentValue: TypeAlias = Annotated[
    str, unless(matching(r"[A-Za-z0-9 ._/+-]{1,64}", "1 to 64 letters, digits, blanks and . _ / + -"))
]


def _whole_hours(window: Duration) -> Duration:
    """Bands are by the hour, and windows begin at midnight UTC."""
    if window % 3600 == 0 and 86_400 % window == 0:
        return window
    raise PydanticCustomError("refused", "must be hours that divide a day: 1h, 2h, 3h, 4h, 6h, 8h, 12h, 1d")


class Serving(Section):
    """The model server, asked which bytes it has loaded."""

    url: ServerUrl
    model: Name
    timeout: Annotated[Duration, between("10ms", "1m")] = duration("2s")
    unproved_after: Annotated[Duration, between("10s", "1d")] = duration("5m")


class KnownGood(Section):
    """Where the known-good model answers, and the share of live rows that is sent to it."""

    url: ServerUrl
    model: Name
    share: Annotated[float, Field(gt=0, le=1)] = 0.1
    rows_max: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    timeout: Annotated[Duration, between("10ms", "1m")] = duration("2s")


class Probes(Section):
    """Golden probes: rows with recorded answers that the model server is asked, whatever the traffic."""

    file: FilePath
    trust: Annotated[tuple[FilePath, ...], Field(min_length=1, max_length=64)]
    signatures: Annotated[int, Field(ge=1, le=16)] = 1
    every: Annotated[Duration, between("10s", "1d")] = duration("5m")
    timeout: Annotated[Duration, between("10ms", "1m")] = duration("10s")
    connections: Annotated[int, Field(ge=1, le=16)] = 3
    difference: Annotated[float, Field(ge=0, le=1)] = 1e-6
    mismatches_max: Annotated[int, Field(ge=0, le=1_000)] = 0


class LabelFeed(Section):
    """Whose labels count as the truth (`crowd/*` stands for every source below it), and when they are judged."""

    trusted_sources: Annotated[tuple[Source, ...], Field(max_length=1_000)] = ()
    window: Annotated[Duration, between("1h", "1d"), AfterValidator(_whole_hours)] = duration("1h")
    close_coverage: Annotated[float, Field(gt=0, le=1)] = 0.9
    deadline: Annotated[Duration, between("1h", "30d")] = duration("3d")
    waiting_max: Annotated[int, Field(ge=0, le=10_000_000)] = 100_000
    receipts_bytes_max: Annotated[Size, between("1MiB", "1TiB")] = size("2GiB")


class Signatures(Section):
    """How many people it takes, each with a key of their own."""

    index: Annotated[int, Field(ge=1, le=16)] = 1
    bundle: Annotated[int, Field(ge=1, le=16)] = 1
    approval: Annotated[int, Field(ge=1, le=16)] = 1


class Release(Section):
    """The release index, and whose signatures under it and its bundles are believed."""

    index: FilePath
    trust: Annotated[tuple[FilePath, ...], Field(min_length=1, max_length=64)]
    builders: Annotated[tuple[FilePath, ...], Field(max_length=64)] = ()
    thresholds: Signatures = Signatures()
    fast_forward_max: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000


class Samples(Section):
    """Which rows are kept as they came, for evidence, and how many of them."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.01
    per_stratum_min: Annotated[int, Field(ge=0, le=10_000)] = 2
    flagged_max: Annotated[int, Field(ge=0, le=100_000)] = 100
    bytes_max: Annotated[Size, between("1MiB", "1TiB")] = size("1GiB")
    age_max: Annotated[Duration, between("1h", "400d")] = duration("14d")


class RollbackLimits(Section):
    """How far a rollback may go without a person, and how often."""

    mode: Mode = Mode.OBSERVE
    cooldown: Annotated[Duration, between("1m", "30d")] = duration("6h")
    per_day: Annotated[int, Field(ge=1, le=24)] = 2
    per_week: Annotated[int, Field(ge=1, le=100)] = 3
    approval_valid: Annotated[Duration, between("1m", "1d")] = duration("1h")
    rows_min: Annotated[int, Field(ge=30, le=1_000_000)] = 200
    bake: Annotated[Duration, between("0s", "7d")] = duration("10m")
    contact_within: Annotated[Duration, between("0s", "365d")] = duration("1d")


class Promotion(Section):
    """What a served candidate must have shown before people are told that it has earned to be known-good."""

    soak: Annotated[Duration, between("1h", "90d")] = duration("7d")
    labels_min: Annotated[int, Field(ge=100, le=10_000_000)] = 1_000
    worse_max: Annotated[float, Field(ge=0, le=1_000_000)] = 0.01


class SegmentColumn(Section):
    """One way to part the rows: by a categorical feature of this name or, with `values`, by a key of their segment."""

    values: Annotated[tuple[SegmentValue, ...], Field(max_length=50)] = ()
    values_max: Annotated[int, Field(ge=1, le=50)] = 8


class MonitoredModel(Section):
    """One monitored model. Without `serving` it is only observed; without `known_good` nothing is paired."""

    release: Release
    rules: FilePath
    serving: Serving | None = None
    known_good: KnownGood | None = None
    probes: Probes | None = None
    target: Target | None = None
    segments: Annotated[dict[SegmentName, SegmentColumn], Field(max_length=5)] = Field(default={})
    labels: LabelFeed = LabelFeed()
    samples: Samples = Samples()
    rollback: RollbackLimits = RollbackLimits()
    promotion: Promotion = Promotion()
    evidence: ModelEvidence = ModelEvidence()
