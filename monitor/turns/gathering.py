"""What a report is made of: the samples of its window, their labels as they stand now, and what the settings ask for.

Rows and labels are kept apart, because a label comes late and may be corrected. So the labels of the sampled rows are
looked up when the report is made and handed over as a file of their own, `<state_dir>/evidence/<model>/<id>.labels`
(Parquet: id_hash, label), which is gone when the report is there. All of this blocks: it runs on a thread.
"""

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from numpy.typing import NDArray

from monitor.decisions.incidents import label
from monitor.evidence.archive import Archive
from monitor.evidence.jobs import Job, Scope
from monitor.evidence.plans import Plan, incident_job, incident_window, scheduled_job
from monitor.facts import Alert, Incident, ModelName, Task
from monitor.store.protocol import Store
from monitor.turns.labels import truths
from monitor.turns.watched import Watched

LABELLED_ROWS_MAX = 200_000  # sampled rows whose labels are looked up, the newest first: 2 s of reading the store
FIND_ROWS = 10_000  # at once
LABELS = ".labels"

Sign: TypeAlias = Callable[[str, str], str]  # (model, report) -> what stands behind its path

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Sources:
    """Where reports come from and go to."""

    store: Store
    archive: Archive

    def of_incident(self, watched: Watched, incident: Incident, alerts: Sequence[Alert], now: float) -> Job | None:
        """Make the job of an incident by its alerts; None if no row of its window was kept."""
        files = self._files(watched.name, incident_window(alerts, now))
        job = incident_job(plan(self.archive, watched, incident.epoch), incident, alerts, now, files)
        return self._whole(job) if files else None

    def of_period(self, watched: Watched, start: float, end: float, *, report: bool) -> Job | None:
        """Make the job of a period; None if no row of it was kept, or its report is there already."""
        files = self._files(watched.name, (start, end))
        epoch = watched.epoch
        planned = plan(self.archive, watched, epoch.number)
        job = scheduled_job(planned, (start, end), files, report=report, bundle=str(epoch.bundle))
        done = bool(job.report) and Path(job.report).exists()
        return self._whole(job) if files and not done else None

    def sweep(self, model: ModelName) -> None:
        """Make the directory of a model's reports, and remove the labels that a crash left in it. OSError."""
        self.archive.prepare(model)
        for path in self.archive.path(model, "any").parent.glob(f"*{LABELS}"):
            path.unlink(missing_ok=True)

    def forget(self, job: Job) -> None:
        """Remove the labels of a job that is done."""
        if job.labels:
            Path(job.labels).unlink(missing_ok=True)

    def _files(self, model: ModelName, window: tuple[float, float]) -> list[Path]:
        return [file.path for file in self.store.samples(model, *window)]

    def _whole(self, job: Job) -> Job:
        """The job with what the store knows: the labels of its rows, and how much of the disk is reserved."""
        return msgspec.structs.replace(self._labelled(job), free_bytes_min=self.store.health().free_bytes_min)

    def _labelled(self, job: Job) -> Job:
        """The job with a file of the labels of its rows, if there are any."""
        if job.schema.task is Task.RANKING:  # Evidently compares no gains
            return job
        path = self.archive.path(job.model, job.id).with_suffix(LABELS)
        try:
            found = labels_of(self.store, job)
            if found.num_rows:
                write_private(found, path)
        except OSError as error:
            log.warning("evidence.labels_left_out", model=job.model, job=job.id, why=error.strerror)
            return job
        return msgspec.structs.replace(job, labels=str(path)) if found.num_rows else job


def plan(archive: Archive, watched: Watched, number: int) -> Plan:
    """What settings and references say of a model in the epoch of this number, or now if that is forgotten."""
    judges = (epoch.judge for epoch in reversed(watched.epochs) if epoch.number == number)
    reference = watched.layouts[next(judges, watched.good.reference_digest)].reference
    settings = watched.settings.evidence
    scope = Scope(settings.rows_max, columns_max=settings.columns_max, values_max=settings.values_max)
    return Plan(archive, reference.schema, reference, settings.reference_sample, settings.asks, scope)


def labels_of(store: Store, job: Job) -> pa.Table:
    """The labels that count of the rows a job looks at: id_hash u8, label f8."""
    keys, labels = [], []
    for part in _parts(sampled(job)):
        truth = truths(store.find_labels(job.model, part), part)
        known = ~np.isnan(truth)
        keys.append(part[known])
        labels.append(truth[known])
    columns = [np.concatenate([np.empty(0, np.uint64), *keys]), np.concatenate([np.empty(0), *labels])]
    return pa.table(columns, ["id_hash", "label"])


def sampled(job: Job) -> NDArray[np.uint64]:
    """The hashes of the newest sampled rows of the window, each once; a file that is just gone holds none."""
    found: list[NDArray[np.uint64]] = []
    for path in reversed(job.samples):
        try:
            table = pq.read_table(path, columns=["id_hash", "time"])
        except (OSError, pa.ArrowException):
            continue
        times = table["time"].to_numpy()
        found.append(table["id_hash"].to_numpy()[(times >= job.start) & (times < job.end)])
        if sum(map(len, found)) >= LABELLED_ROWS_MAX:
            log.info("evidence.labels_bounded", model=job.model, job=job.id, rows=LABELLED_ROWS_MAX)
            break
    return np.unique(np.concatenate([np.empty(0, np.uint64), *found])[:LABELLED_ROWS_MAX])


def write_private(table: pa.Table, path: Path) -> None:
    """Write a file for its owner alone. OSError; nothing is left behind then."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            pq.write_table(table, file)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _parts(keys: NDArray[np.uint64]) -> Iterator[NDArray[np.uint64]]:
    for start in range(0, len(keys), FIND_ROWS):
        yield keys[start : start + FIND_ROWS]


def link(external_url: str, incident: Incident, sign: Sign) -> str:
    """Where people find the report of an incident; signed, it opens without a token."""
    model, ident = str(incident.model), incident.id
    return f"{external_url.rstrip('/')}{path_of(model, ident)}{sign(model, ident)}"


def unsigned(_model: str, _report: str) -> str:
    """No signature: the link asks for a token."""
    return ""


def path_of(model: str, ident: str) -> str:
    """The path of a report in the API."""
    return f"/v1/evidence/{model}/{ident}"


def alerts_of(watched: Watched, incident: Incident) -> tuple[Alert, ...]:
    """The alerts of an incident that have windows to show; one that is over has none."""
    return tuple(alert for alert in watched.state.alerts if label(alert) in incident.alerts and alert.evidence)


def expected(watched: Watched) -> bool:
    """Whether an incident of this model gets a report: the settings ask for it, and rows are kept."""
    kept = watched.settings.samples
    return watched.settings.evidence.incidents and bool(kept.share or kept.per_stratum_min or kept.flagged_max)


def reported(found: Collection[tuple[str, str]], incident: Incident) -> str | None:
    """The path of an incident's report among those that are there (model, id)."""
    return path_of(incident.model, incident.id) if (str(incident.model), incident.id) in found else None
