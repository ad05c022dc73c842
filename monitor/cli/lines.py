"""What /v1/status says, as a line per model and a line per reading. Pure: no terminal, no clock, no request.

*Closeness* orders readings that have different units: how near the value came to its limit, from the side it is allowed
on. An upper limit (an error) is reached at value / limit = 1, a lower one (a coverage) at limit / value = 1, and which
of the two it is follows from the verdict: what is ok lies on the allowed side. So ok is at most 1, a breach at least 1.

    ok:      min(value / limit, limit / value)        breach:  max(value / limit, limit / value)

Unknown and broken have none: too little data is not close to anything.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

ORDER: Final = {"breach": 0, "broken": 1, "ok": 2, "unknown": 3}  # what a person must see first
UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60))
OVER: Final = {"committed", "refused", "failed", "expired"}  # steps of a rollback that has ended; a test holds them


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """One reading of one model, against what judges it. `closeness` is None where nothing can be said."""

    model: str
    rule: str
    column: str
    segment: str
    verdict: str
    value: float | None
    limit: float | None
    n: int | None
    why: str
    closeness: float | None
    unit: str = ""
    wakes: bool = True  # False: it is only shown, and no alert comes of it

    @property
    def what(self) -> str:
        """The rule, and the column and segment it was worst in."""
        return " ".join(part for part in (self.rule, self.column, self.segment) if part)


@dataclass(frozen=True, slots=True)
class ModelLine:
    """One model. Seconds and rows a second; None is not known."""

    model: str
    task: str
    served: str
    role: str
    since: float | None
    serving_for_s: float | None
    rows: int
    rate: float | None
    last_row_age_s: float | None
    labels: int
    firing: tuple[str, ...]
    pending: tuple[str, ...]
    incident: str
    rollback: str  # the one that waits for a person, or is under way
    rollback_step: str
    mode: str
    latch: str
    verdicts: Mapping[str, int]
    worst: ReadingLine | None


def closeness(verdict: str, value: float | None, limit: float | None) -> float | None:
    """How near a reading is to its limit, as above; None where it has no value, no limit, or no such verdict."""
    if verdict not in {"ok", "breach"} or value is None or limit is None:
        return None
    size, bound = abs(value), abs(limit)
    smaller, larger = min(size, bound), max(size, bound)
    if verdict == "ok":
        return smaller / larger if larger else 0.0
    return larger / smaller if smaller else math.inf


def reading_lines(status: Mapping[str, Any], model: str = "") -> list[ReadingLine]:
    """The readings of all models, or of one, the worst first. Those of a bundle's own profile are left out.

    Of a verdict the rules come before what is only shown: a distance of a feature may be a hundred times its limit in
    every spring, and would hide what somebody must see.
    """
    models = [(name, one) for name, one in status.get("models", {}).items() if model in {"", name}]
    found = [
        _reading(name, each)
        for name, one in models
        for each in one.get("readings", [])
        if each.get("reference", "judge") == "judge"
    ]
    found += [line for name, one in models for line in sequential_lines(name, one, float(status.get("now") or 0.0))]
    return sorted(found, key=lambda line: (*_badness(line), line.model, line.what))


def sequential_lines(name: str, one: Mapping[str, Any], now: float) -> list[ReadingLine]:
    """What the e-detector has latched, as readings of its rules, and the families of which nothing can be told.

    Of a group the louder tier says it. Evidence grows by powers, distances do not: ten powers of ten of odds are as
    close as twice a limit, or nothing else would ever be seen beside it.
    """
    found = one.get("sequential") or {}
    held = {(str(each["rule"]), str(each["group"])): each for each in found.get("latched", [])}
    lines = []
    for (rule, group), each in held.items():
        family, _, tier = rule.rpartition("_")
        if tier == "rollback" or (tier == "warn" and (f"{family}_page", group) in held):
            continue
        why = f"latched for {span(max(0.0, now - each['since']))}: {each['why']}"
        odds = float(each["odds"])
        told = {"name": rule, "column": group, "verdict": "breach", "value": odds, "limit": 1.0, "why": why}
        line = _reading(name, told | {"n": found.get("rows"), "unit": "times its budget"})
        lines.append(replace(line, closeness=1.0 + max(0.0, math.log10(odds)) / 10))
    untold = found.get("untold") or {}
    return lines + [_reading(name, {"name": f"{family}_page", "why": why}) for family, why in untold.items()]


def span(seconds: float | None) -> str:
    """A duration in its largest unit."""
    if seconds is None:
        return "-"
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds:.0f}s"


def _badness(line: ReadingLine) -> tuple[float, bool, float]:
    return ORDER.get(line.verdict, 9), not line.wakes, -(line.closeness or 0.0)


def model_lines(status: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> list[ModelLine]:
    """A line per model, by name. The rate is that since `before`, an earlier status of the same daemon."""
    return [_model(name, status, before) for name in sorted(status.get("models", {}))]


def sort_lines(lines: Sequence[ModelLine], by: str) -> list[ModelLine]:
    """Order models by one of SORTS, names settling ties."""
    return sorted(sorted(lines, key=lambda line: line.model), key=SORTS[by])


def _trouble(line: ModelLine) -> tuple[float, ...]:
    worst = line.worst
    shown = _badness(worst) if worst else (9, True, 0.0)
    return (-len(line.firing), not line.incident, *shown)


SORTS: Final = {
    "trouble": _trouble,
    "name": lambda _: (0.0,),
    "rate": lambda line: (-(line.rate or 0.0),),
    "lag": lambda line: (-(line.last_row_age_s or 0.0),),
}


def _reading(model: str, found: Mapping[str, Any]) -> ReadingLine:
    verdict, value, limit = str(found.get("verdict", "unknown")), found.get("value"), found.get("limit")
    return ReadingLine(
        model=model,
        rule=str(found.get("name") or ""),
        column=str(found.get("column") or ""),
        segment=str(found.get("segment") or ""),
        verdict=verdict,
        value=value,
        limit=limit,
        n=found.get("n"),
        why=str(found.get("why") or ""),
        closeness=closeness(verdict, value, limit),
        unit=str(found.get("unit") or ""),
        wakes=found.get("severity") != "none",
    )


def _model(name: str, status: Mapping[str, Any], before: Mapping[str, Any] | None) -> ModelLine:
    found = status["models"][name]
    served, totals = found.get("served") or {}, found.get("totals") or {}
    readings = reading_lines(status, name)
    alerts = [(alert["state"], alert["rule"]) for alert in found.get("alerts", [])]
    waiting = [each for each in found.get("rollbacks", []) if each.get("step") not in OVER]
    last = totals.get("last_prediction")
    return ModelLine(
        model=name,
        task=str(found.get("task") or ""),
        served=str(served.get("name") or served.get("bundle") or ""),
        role=str(served.get("role") or "unknown"),
        since=served.get("since"),
        serving_for_s=max(0.0, status["now"] - served["since"]) if served.get("since") else None,
        rows=int(totals.get("rows", 0)),
        rate=_rate(name, status, before),
        last_row_age_s=max(0.0, status["now"] - last) if last else None,
        labels=int(totals.get("labels", 0)),
        firing=tuple(sorted({rule for state, rule in alerts if state == "firing"})),
        pending=tuple(sorted({rule for state, rule in alerts if state == "pending"})),
        incident=str((found.get("incident") or {}).get("id") or ""),
        rollback=str(waiting[-1]["id"]) if waiting else "",
        rollback_step=str(waiting[-1]["step"]) if waiting else "",
        mode=str(found.get("mode") or ""),
        latch=str(found.get("latch") or ""),
        verdicts={verdict: sum(line.verdict == verdict for line in readings) for verdict in ORDER},
        worst=readings[0] if readings else None,
    )


def _rate(name: str, status: Mapping[str, Any], before: Mapping[str, Any] | None) -> float | None:
    """Rows a second between two statuses; None when no time passed, or counts fell: another daemon answered."""
    earlier = (before or {}).get("models", {}).get(name)
    if earlier is None or before is None:
        return None
    passed = status["now"] - before["now"]
    rows = status["models"][name].get("totals", {}).get("rows", 0) - earlier.get("totals", {}).get("rows", 0)
    return rows / passed if passed > 0 and rows >= 0 else None
