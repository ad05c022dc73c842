"""`tocsin status`: of each model what a person asks first, in a dozen lines; what is well is only counted.

Pure: facts in, facts out. Nothing is decided here, and nothing is left out that is not ok: a reading that is not, an
index that cannot be used, a probe that is unknown has its reason beside it. The whole document is `--all` or `--json`.
"""

from collections.abc import Mapping
from typing import Any

from monitor.cli.lines import ModelLine, ReadingLine, model_lines, reading_lines, span
from monitor.cli.output import cell

COLUMNS = ("reading", "verdict", "value", "limit", "n", "why")


def models(status: Mapping[str, Any]) -> dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Of each model its facts, and its readings that are not ok as rows of COLUMNS, the worst first."""
    return {
        line.model: (
            _facts(line, status["models"][line.model]),
            [_row(each) for each in reading_lines(status, line.model) if each.verdict != "ok"],
        )
        for line in model_lines(status)
    }


def daemon(status: Mapping[str, Any]) -> dict[str, Any]:
    """What is not of one model: the time, and what holds automation up."""
    stopped = status.get("kill_switch")
    return {"now": status.get("now")} | ({"kill_switch": stopped} if stopped else {})


def _facts(line: ModelLine, found: Mapping[str, Any]) -> dict[str, Any]:
    served, totals = found.get("served") or {}, found.get("totals") or {}
    counted = ", ".join(f"{times} {verdict}" for verdict, times in line.verdicts.items() if times)
    told = {
        "served": f"{line.served}, {line.role}" if line.served else None,
        "since": line.since,
        "digest": served.get("digest"),
        "probes": _probes(found.get("probes") or {}),
        "rows": f"{line.rows:,}",
        "last_prediction": totals.get("last_prediction"),
        "labels": f"{line.labels:,}",
        "last_label": totals.get("last_label"),
        "readings": counted or "none yet",
        "firing": line.firing,
        "pending": line.pending,
        "mode": _mode(line, found),
        "release_index": _index(found),
    }
    return told | _waiting(line)


def _waiting(line: ModelLine) -> dict[str, str]:
    """What there is for a person to do, with the command to type."""
    said = {}
    if line.incident:
        said["incident"] = f"{line.incident}: tocsin incidents show {line.incident}"
    if line.rollback_step == "proposed":
        said["rollback"] = f"{line.rollback} waits: tocsin rollback approve {line.rollback}"
    elif line.rollback:
        said["rollback"] = f"{line.rollback}: {line.rollback_step}"
    if line.latch:
        said["latch"] = f"{line.latch}: tocsin rollback unlatch {line.model}"
    return said


def _mode(line: ModelLine, found: Mapping[str, Any]) -> str:
    why = found.get("degraded")
    return f"{line.mode}: {why}" if why else line.mode


def _index(found: Mapping[str, Any]) -> str | None:
    """The release index in a few words; None where there is none."""
    told, problem = found.get("release_index") or {}, found.get("release_index_problem")
    ends = cell(told.get("expires"), "expires")
    held = f"serial {told['serial']}, {'expired' if told.get('expired') else 'until'} {ends}" if told else ""
    return f"{problem}; in force: {held or 'none'}" if problem else held or None


def _probes(found: Mapping[str, Any]) -> str | None:
    if not found:
        return None
    why = f": {found['why']}" if found.get("why") else ""
    return f"{found['verdict']}, asked {cell(found.get('asked'), 'at')}{why}"


def _row(line: ReadingLine) -> dict[str, Any]:
    return {
        "reading": line.what,
        "verdict": line.verdict,
        "value": span(line.value) if line.unit == "s" else line.value,
        "limit": span(line.limit) if line.unit == "s" else line.limit,
        "n": line.n,
        "why": line.why,
    }
