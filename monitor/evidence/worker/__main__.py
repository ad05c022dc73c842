"""The worker's loop: `python -m monitor.evidence.worker`, jobs in on stdin, results out on stdout, one at a time.

Ends when stdin is closed, so it does not outlive the daemon. What libraries print goes nowhere near the pipe.
"""

import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from monitor.errors import Corrupt
from monitor.evidence import frames
from monitor.evidence.archive import write_report
from monitor.evidence.jobs import Failure, Fault, Hello, Job, Result, Terms, failed
from monitor.evidence.worker import guard, reports
from monitor.evidence.worker.clean import clean
from monitor.evidence.worker.findings import Findings, attempt
from monitor.evidence.worker.page import Compared, assemble, draw, header
from monitor.evidence.worker.samples import LABEL, Side, read_live, read_reference, reserved
from monitor.evidence.worker.synthetic import draw_reference


def main() -> int:
    """Serve jobs until stdin ends."""
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    terms = frames.read(jobs, Terms)
    if terms is None:
        return 0
    refused = guard.forbid()
    guard.bind_to(terms)
    try:
        version = reports.load()
    except ImportError as error:
        frames.write(results, Hello(fault=Fault("job", Failure.WORKER_START, f"cannot import {error.name}")))
        return 1
    frames.write(results, Hello(version))
    while (job := frames.read(jobs, Job)) is not None:
        guard.allow_cpu(terms.job_cpu_s_max)
        frames.write(results, serve(job, version, refused))
    return 0


def serve(job: Job, version: str, refused: Counter[str]) -> Result:
    """Do one job; whatever goes wrong is in the result."""
    began = time.monotonic()
    findings = Findings()
    result = attempt(findings, "job", Failure.SECTION_FAILED, lambda: _serve(job, version))
    if result is None:
        reason = findings.faults[0]
        result = failed(job, reason.reason, reason.why)
    breaches = tuple(Fault(event, Failure.NETWORK, f"{count} times") for event, count in refused.items())
    refused.clear()
    faults = (*result.faults, *breaches)
    return _replace(result, faults=faults, took_s=time.monotonic() - began, rss_bytes=guard.peak_bytes())


def _serve(job: Job, version: str) -> Result:
    live = read_live(job)
    if live.n < job.scope.rows_min:
        short = failed(job, Failure.ROWS_TOO_FEW, f"{live.n} of {job.scope.rows_min}")
        return _replace(short, faults=(*live.faults, *short.faults), rows=live.n)
    reference, faults = _reference(job)
    if reference is None:
        return Result(job.id, job.model, faults=(*live.faults, *faults), rows=live.n)
    cleaned = clean(live, reference, reserved(job.schema, LABEL))
    findings = reports.compare(job, cleaned, report=bool(job.report), synthetic=reference.synthetic)
    findings.faults[:0] = [*live.faults, *faults]
    size = _report(job, version, Compared(live, reference, cleaned), findings) if job.report else 0
    return Result(
        job.id,
        job.model,
        values=tuple(findings.numbers),
        faults=tuple(findings.faults),
        rows=live.n,
        reference_rows=reference.n,
        report_bytes=size,
        left_out=tuple(cleaned.left_out),
    )


def _reference(job: Job) -> tuple[Side | None, list[Fault]]:
    """Read the kept rows; failing that, draw from the profile, and say so."""
    faults = []
    if job.reference_sample:
        try:
            return read_reference(job), []
        except Corrupt as corrupt:
            faults.append(Fault("reference", Failure.REFERENCE_UNREADABLE, corrupt.hint))
    if job.reference is None:
        return None, faults or [Fault("reference", Failure.REFERENCE_UNREADABLE, "there is none")]
    try:
        return draw_reference(job, job.reference), faults
    except Corrupt as corrupt:
        return None, [*faults, Fault("reference", Failure.REFERENCE_UNREADABLE, corrupt.hint)]


def _report(job: Job, version: str, compared: Compared, findings: Findings) -> int:
    """Write the page; its size, 0 if there is none."""
    drawn = attempt(findings, "report", Failure.SECTION_FAILED, lambda: draw(findings.sections))
    if drawn is None:
        return 0
    top = header(job, compared, findings, version)
    body = assemble(drawn, top, job, findings.said).encode("utf-8", "replace")
    try:
        write_report(Path(job.report), body, job.free_bytes_min)
    except OSError as error:
        findings.faults.append(Fault("report", Failure.DISK, error.strerror or "cannot be written"))
        return 0
    return len(body)


def _replace(result: Result, **changes: Any) -> Result:
    import msgspec

    return msgspec.structs.replace(result, **changes)


if __name__ == "__main__":
    sys.exit(main())
