"""Answers of /v1/status, as a daemon with this to say would give them."""

from typing import Any

NOW = 1_795_364_593.0


def reading(
    name: str, verdict: str, value: float | None = None, limit: float | None = None, **more: Any
) -> dict[str, Any]:
    fixed = {"column": "", "segment": "", "reference": "judge", "n": 100, "why": ""}
    return {"name": name, "verdict": verdict, "value": value, "limit": limit, **fixed, **more}


def model(*readings: dict[str, Any], rows: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "served": {"bundle": "sha256:1", "name": "v1", "role": "known_good", "since": NOW - 3600},
        "readings": list(readings),
        "alerts": [],
        "incident": None,
        "rollbacks": [],
        "latch": "",
        "mode": "approve",
        "totals": {"rows": rows, "labels": rows // 2, "last_prediction": NOW - 5},
        **more,
    }


def status(now: float = NOW, **models: dict[str, Any]) -> dict[str, Any]:
    return {"now": now, "models": models}


CALM = model(reading("psi", "ok", 0.05, 0.2, column="hour"), rows=1000)
IN_TROUBLE = model(
    reading("psi", "ok", 0.1, 0.2, column="hour"),
    reading("paired_error", "breach", 0.46, 0.03, n=710),
    rows=5000,
    alerts=[{"rule": "paired_error", "state": "firing"}, {"rule": "error", "state": "pending"}],
    incident={"id": "fares-1"},
    rollbacks=[{"id": "fares-1.r1", "step": "proposed"}],
)
BOTH = status(delays=CALM, fares=IN_TROUBLE)
