"""What is asked of the worker, and what it answers: facts that cross two pipes as JSON.

No pickle: `multiprocessing` would use one for its arguments, so the worker is a plain subprocess and its messages are
these structs, framed by their length (`monitor.evidence.frames`).
"""

import re
from enum import Enum
from typing import Final, TypeAlias

import msgspec

from monitor.facts import ModelName, Schema
from monitor.panes.reference import Reference

Parameter: TypeAlias = str | float | int | bool | list[str | float | int | bool | None] | None

JOB_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")  # part of a file name, and of a URL


class Purpose(Enum):
    """Why a job is run."""

    INCIDENT = "incident"
    SCHEDULE = "schedule"


class Failure(Enum):
    """Why a job, a metric or a report came to nothing. The whole list: it is a metric label."""

    CLOSED = "closed"  # the daemon was stopping
    COLUMN_MISSING = "column_missing"  # the metric names a column that the sample has not, or only without values
    DISK = "disk"  # the report could not be written
    MEMORY = "memory"  # the worker grew beyond its bound and was ended
    METRIC_FAILED = "metric_failed"  # Evidently raised
    METRIC_INVALID = "metric_invalid"  # Evidently has no such metric, or not with these parameters
    NETWORK = "network"  # something in the worker tried to reach a network or to start a process: refused
    NOT_FINITE = "not_finite"  # the value is NaN or infinite
    QUEUE_FULL = "queue_full"
    REFERENCE_SYNTHETIC = "reference_synthetic"  # no rows of the history are kept, so nothing relates its columns
    REFERENCE_UNREADABLE = "reference_unreadable"
    ROWS_TOO_FEW = "rows_too_few"
    SAMPLE_UNREADABLE = "sample_unreadable"
    SECTION_FAILED = "section_failed"  # a part of the report
    TIMEOUT = "timeout"  # of the clock on the wall or of the processor
    VALUES_TOO_MANY = "values_too_many"  # beyond what may be exported for one model
    WORKER_DIED = "worker_died"
    WORKER_START = "worker_start"  # Evidently is not installed, or cannot be imported


class Ask(msgspec.Struct, frozen=True):
    """One metric of Evidently, or of our own, under a `name` of the operator's; `parameters` are what it is given."""

    name: str
    metric: str
    parameters: dict[str, Parameter] = {}


class Scope(msgspec.Struct, frozen=True):
    """How much of the sample a job may look at. What is beyond is left out, and said."""

    rows_max: int = 5_000  # of each side
    rows_min: int = 30  # with fewer there is nothing to compare
    columns_max: int = 60  # features in a report; the first of `Job.columns` come first
    values_max: int = 50  # exported numbers


class Job(msgspec.Struct, frozen=True):
    """Compare the sampled rows of `start` inclusive to `end` exclusive with the reference.

    `samples` are Parquet files as the store writes them, `labels` one with `id_hash` and `label`. The reference is the
    Parquet file `reference_sample` (`monitor.evidence.history`) or, without one, rows drawn from the `reference`
    profile. Paths are absolute. Without `report` only the metrics are computed.
    """

    id: str
    model: ModelName
    purpose: Purpose
    schema: Schema
    start: float
    end: float
    samples: tuple[str, ...]
    reference: Reference | None = None
    reference_sample: str = ""
    labels: str = ""
    epoch: int | None = None  # rows of this epoch only
    bundle: str = ""
    title: str = ""  # one line in words: the rule at the root of the incident
    columns: tuple[str, ...] = ()  # features that matter most, worst first
    asks: tuple[Ask, ...] = ()
    scope: Scope = Scope()
    report: str = ""  # where the HTML goes; "": none is made
    free_bytes_min: int = 0  # to be left on its disk, or it is not written


class Value(msgspec.Struct, frozen=True):
    """One finite number. `method` says what it is: a distance and a p-value come in the same field of Evidently."""

    name: str
    value: float
    method: str = ""


class Fault(msgspec.Struct, frozen=True):
    """One thing that came to nothing: `name` is the metric, the section or "job". No value of a row is in `why`."""

    name: str
    reason: Failure
    why: str = ""


class Result(msgspec.Struct, frozen=True):
    """What became of a job. Faults do not exclude values: what could be made is here."""

    job: str
    model: ModelName
    values: tuple[Value, ...] = ()
    faults: tuple[Fault, ...] = ()
    rows: int = 0  # of the live side, as compared
    reference_rows: int = 0
    report_bytes: int = 0  # 0: there is no report
    left_out: tuple[str, ...] = ()  # columns
    took_s: float = 0.0
    rss_bytes: int = 0  # of the worker at its greatest


class Terms(msgspec.Struct, frozen=True):
    """What a worker may use; the first message it is sent."""

    memory_bytes_max: int = (
        1 << 30
    )  # of data, as the kernel counts it (RLIMIT_DATA); a report of 60 columns takes 0.4 GiB
    job_cpu_s_max: int = 300  # of processor time, for one job
    file_bytes_max: int = 256 << 20  # of one report; one of 60 columns is 10 MB, 4 of them Evidently's own
    nice: int = 10


class Hello(msgspec.Struct, frozen=True):
    """The first thing a worker says: the version of Evidently it imported, or why it could not."""

    version: str = ""
    fault: Fault | None = None


def failed(job: Job, reason: Failure, why: str = "") -> Result:
    """Make the result of a job of which nothing came."""
    return Result(job.id, job.model, faults=(Fault("job", reason, why),))
