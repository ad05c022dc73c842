"""The invented world of the example: flights, whether they are late, and two models of it.

`v1` knows the weights that decide. `v2` is a retrain on labels that somebody flipped: it has them upside down, and says
"late" far more often. Both are checkpoints of `examples/model_server/serve.py`, which are tables of weights in JSON.
"""

import json
import math
import random
from typing import Any

MODEL = "delays"
CLASSES = ["on_time", "late"]
CARRIERS = {"AA": -0.6, "DL": -0.9, "EV": 0.9, "UA": 0.2}
HOUR_EDGES, HOUR_WEIGHTS = [9.0, 14.0, 19.0], [-1.2, -0.2, 0.9, 1.8]
WIND_EDGES, WIND_WEIGHTS = [10.0, 25.0], [-0.4, 0.3, 1.4]
INTERCEPT = -0.8

FEATURES = {"hour": "numeric", "wind": "numeric", "carrier": "categorical"}
SCHEMA = {
    "model": MODEL,
    "features": FEATURES,
    "classes": CLASSES,
    "positive": "late",
    "columns": {"time": "at", "prediction": "answer", "score": "p_late", "label": "truth"},
}


def flight(dice: random.Random) -> dict[str, Any]:
    """Draw the features of one flight."""
    return {
        "hour": dice.randrange(5, 24),
        "wind": round(dice.gammavariate(3.0, 5.0), 1),
        "carrier": dice.choice(sorted(CARRIERS)),
    }


def truth(features: dict[str, Any], dice: random.Random) -> str:
    """Draw whether it was late."""
    log_odds = INTERCEPT + CARRIERS[features["carrier"]]
    log_odds += HOUR_WEIGHTS[sum(features["hour"] >= edge for edge in HOUR_EDGES)]
    log_odds += WIND_WEIGHTS[sum(features["wind"] >= edge for edge in WIND_EDGES)]
    return CLASSES[dice.random() < 1 / (1 + math.exp(-log_odds))]


def checkpoint(name: str) -> bytes:
    """The file of the model `v1`, or of `v2`."""
    sign = {"v1": 1.0, "v2": -1.0}[name]
    document = {
        "format": "scorecard/1",
        "classes": CLASSES,
        "threshold": 0.5,
        "intercept": INTERCEPT if name == "v1" else 0.9,
        "features": [
            numeric("hour", HOUR_EDGES, HOUR_WEIGHTS, sign),
            numeric("wind", WIND_EDGES, WIND_WEIGHTS, sign),
            {
                "name": "carrier",
                "kind": "categorical",
                "weights": {carrier: sign * weight for carrier, weight in CARRIERS.items()},
                "missing": 0.0,
            },
        ],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def numeric(name: str, edges: list[float], weights: list[float], sign: float) -> dict[str, Any]:
    """One numeric feature of a checkpoint."""
    return {
        "name": name,
        "kind": "numeric",
        "edges": edges,
        "weights": [sign * weight for weight in weights],
        "missing": 0.0,
    }
