"""What a backtest answers, as values: the JSON of `tocsin backtest --json` is this, field by field.

Times are seconds since 1970, UTC. A field that nothing can be said about is null, never 0. `docs/backtest.schema.json`
is made of these classes; `version` grows when a field goes or changes its meaning, and stays when one is added.
"""

from typing import Final

import msgspec

VERSION: Final = 1
EVENTS_MAX: Final = 1_000  # told one by one; all are counted


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What carried an alert most, beside the band of that moment."""

    column: str
    what: str  # "above 35", "category AA", "missing", "mean score"
    direction: str  # "rose" or "fell"
    unit: str  # "share" or "sigma"
    since: float | None  # about: within the hour before
    value: float | None  # over the `rows` since then
    low: float | None
    high: float | None
    rows: int


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """One alert: from when until when, and why."""

    rule: str
    tier: str  # "warn", "page" or "rollback"
    family: str
    group: str  # "features/age"; of a windowed rule its segment, or ""
    start: float
    end: float | None  # null: it was not over when the replay ended
    odds: float | None  # of its budget, at most so far; null: a windowed rule
    crossings: int  # of the budget while it lasted; of a windowed rule the windows that held it
    moved: Moved | None
    words: str


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of one tier and family in the time replayed, per 30 days.

    "all" is every family; "incidents", of pages, those that began while no other lasted, which open an incident:
    others join it. It is left out where alerts were left out of `fired`.
    """

    tier: str
    family: str
    count: int
    per_month: float | None  # null: no time was replayed
    low: float | None  # exact 95 % interval
    high: float | None
    budget: float | None  # per 30 days, that the pack sets for the tier as a whole


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one planted shift."""

    plant: str
    column: str
    size: str  # "0.5sigma", "10%"
    onset: float
    outcome: str  # "found", "missed", "already" (its group had paged before), "ended" (the replay, too early to tell)
    delay_s: float | None
    rule: str  # that found it
    warned_s: float | None  # until the tier warn


class Delay(msgspec.Struct, frozen=True, kw_only=True):
    """Planted shifts of one size together; those of outcome "already" and "ended" tell nothing and are left out."""

    size: str
    plants: int
    found: int
    missed: int
    missed_share: float | None
    median_s: float | None  # null: nothing was planted that tells, or more than half of it was missed
    low_s: float | None  # 95 % interval of the median
    high_s: float | None  # null: it reaches those that were missed


class LabelWindows(msgspec.Struct, frozen=True, kw_only=True):
    """How windows of labels ended: each is bet on once, when it closes."""

    by_coverage: int  # closed as enough of their rows were labelled
    by_deadline: int
    open: int  # when the replay ended: nothing was bet on these
    labels: int  # that came
    late: int  # after their window had closed, or its deadline: bet on by nobody, live neither
    timed: bool  # whether labels came at times of their own; else with their rows, which is the best case


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    version: int = VERSION
    model: str
    reference: str  # digest
    source: str  # the file, or the state directory
    tolerance: float | None
    start: float | None
    end: float | None
    rows: int
    rows_late: int  # came in the file after rows of a later tick: bet with the band of their own hour
    rows_left_out: int  # without a usable time
    months: float  # of 30 days, armed
    rates: tuple[Rate, ...]
    fired: tuple[Fired, ...]
    fired_left_out: int  # counted in `rates`, not listed
    planted: tuple[Planted, ...]
    delays: tuple[Delay, ...]
    labels: LabelWindows | None = None  # null: no labels were bet on
    minutes: int | None = None  # of which the number of rows was bet on; null: of none
    not_read: tuple[str, ...]  # rules of which this replay can say nothing, and why
    limits_broken: tuple[str, ...]  # of those that were given with --fail-...
