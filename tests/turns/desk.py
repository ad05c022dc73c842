"""The worker's place at the desk: takes jobs, and answers what the test says."""

import asyncio
from pathlib import Path

from monitor.evidence.archive import Archive, write_report
from monitor.evidence.jobs import Result, Value
from monitor.evidence.office import EvidenceState
from monitor.turns.evidence import Keep, Reports
from monitor.turns.gathering import Sources

KEEP = Keep(90 * 86_400.0, 1 << 30, 0.0)


class Desk:
    """Answers every job at once with a report and `values`, unless it is held."""

    def __init__(self, **values):
        self.jobs, self.values, self.held, self.asked = [], values, None, asyncio.Event()
        self.limits = None

    async def submit(self, job):
        self.jobs.append(job)
        self.asked.set()
        if self.held is not None:
            await self.held.wait()
        values = tuple(Value(name, value) for name, value in self.values.items())
        if job.report:
            write_report(Path(job.report), b"<!doctype html>")
        return Result(job.id, job.model, values, report_bytes=15 if job.report else 0)

    def hold(self):
        self.held = asyncio.Event()

    def renew(self, limits):
        self.limits = limits

    def state(self):
        return EvidenceState(0, False, len(self.jobs), None, (), 0, (), 0, 0)

    async def aclose(self):
        if self.held is not None:
            self.held.set()

    @property
    def ids(self):
        return [job.id for job in self.jobs]


def reports_of(turns, desk=None, keep=KEEP):
    """The reports of these turns, made by `desk`."""
    sources = Sources(turns.store, Archive(turns.directory / "evidence"))
    return Reports({turns.watched.name: turns.watched}, sources, desk or Desk(), turns.clock, turns.supervisor, keep)
