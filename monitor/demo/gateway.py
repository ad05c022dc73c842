"""The serving gateway of the demo: asks the model server, tells the daemon what was asked and answered.

It is what an operator's gateway would be: one inference request per hour of flights, the answers as NDJSON to
`POST /v1/predictions`, the truths that became known as NDJSON to `POST /v1/labels`, each with the token of its source.
What the models answered is kept here, so that the summary counts accuracy itself instead of repeating the daemon.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.demo.flights import CATEGORICAL, CLASSES, Flights, Ints, flight_id
from monitor.errors import Permanent

MODEL: Final = "delays"
KNOWN_GOOD: Final = f"{MODEL}-known-good"
ROWS_ASKED_MAX: Final = 5_000
NOT_ASKED: Final = -1
NDJSON: Final = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model server said of some rows, and which bytes said it."""

    predictions: list[str]
    scores: list[float]
    digest: str


class ModelServer:
    """A client of the Open Inference Protocol."""

    def __init__(self, url: str) -> None:
        """`url` has no path."""
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def served(self) -> str:
        """Digest of the bytes the server has loaded."""
        return str(_checked(self._http.get(f"/v2/models/{MODEL}"))["parameters"]["checkpoint_digest"])

    def load(self) -> str:
        """Make it follow its link again; the digest it then serves."""
        answer = _checked(self._http.post(f"/v2/repository/models/{MODEL}/load"))
        return str(answer["parameters"]["checkpoint_digest"])

    def ask(self, columns: dict[str, list[Any]], model: str = MODEL) -> Answers:
        """Ask for rows given as columns of equal length, at least one row."""
        body = {"inputs": [_tensor(name, cells) for name, cells in columns.items()]}
        answer = _checked(self._http.post(f"/v2/models/{model}/infer", content=msgspec.json.encode(body)))
        outputs = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
        return Answers(outputs["prediction"], outputs["score"], answer["parameters"]["checkpoint_digest"])

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()


@dataclass(frozen=True, slots=True)
class Tokens:
    """One per thing the demo may do; each is bound to its source by the daemon."""

    gateway: str
    ops: str
    operator: str  # reads, and steps the clock


class Daemon:
    """A client of the daemon."""

    def __init__(self, url: str, tokens: Tokens) -> None:
        """`url` has no path."""
        self.url = url
        self._tokens = tokens
        self._http = httpx.Client(base_url=url, timeout=120, trust_env=False)

    def predictions(self, lines: list[dict[str, Any]]) -> None:
        """Hand in scored rows; every one must be taken."""
        self._rows("/v1/predictions", self._tokens.gateway, lines)

    def labels(self, lines: list[dict[str, Any]]) -> None:
        """Hand in truths; every one must be taken."""
        self._rows("/v1/labels", self._tokens.ops, lines)

    def advance(self, now: float) -> dict[str, Any]:
        """Step event time; answers when everything due by then is finished."""
        return _checked(self._http.post("/v1/clock", json={"now": now}, headers=_bearer(self._tokens.operator)))

    def status(self) -> dict[str, Any]:
        """What the daemon says of the model, with its `now` put beside."""
        answer = _checked(self._http.get("/v1/status", headers=_bearer(self._tokens.operator)))
        return {**answer["models"][MODEL], "now": answer["now"]}

    def incidents(self) -> list[dict[str, Any]]:
        """Every incident, closed ones included."""
        answer: Any = _checked(self._http.get("/v1/incidents", headers=_bearer(self._tokens.operator)))
        return list(answer["incidents"] if isinstance(answer, dict) else answer)

    def is_ready(self) -> bool:
        """Whether it says so; False while nobody answers."""
        try:
            return self._http.get("/-/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    def _rows(self, path: str, token: str, lines: list[dict[str, Any]]) -> None:
        body = b"\n".join(map(msgspec.json.encode, lines))
        answer = _checked(self._http.post(path, content=body, headers={"content-type": NDJSON, **_bearer(token)}))
        if answer["accepted"] != len(lines) or not answer["durable"]:
            raise Permanent(f"{path} took {answer['accepted']} of {len(lines)} rows: {answer['rejected'][:1]}")


@dataclass(slots=True)
class Gateway:
    """Carries one stretch of event time after another."""

    flights: Flights
    server: ModelServer
    daemon: Daemon
    predicted: NDArray[np.int8] = field(init=False)  # per flight: index into CLASSES, or NOT_ASKED
    rows: int = 0
    labels: int = 0

    def __post_init__(self) -> None:
        """Nothing was asked yet."""
        self.predicted = np.full(len(self.flights), NOT_ASKED, np.int8)

    def is_idle(self, start: float, end: float) -> bool:
        """Whether nothing departs in [start, end), and nothing arrives that was predicted before."""
        return not len(self.flights.departing(start, end)) and not len(self._arriving(start, end))

    def carry(self, start: float, end: float) -> None:
        """Predict what departs and label what arrives in [start, end)."""
        departing = self.flights.departing(start, end)
        if len(departing):
            self._predict(departing)
        arriving = self._arriving(start, end)
        if len(arriving):
            self._label(arriving)

    def _arriving(self, start: float, end: float) -> Ints:
        rows: Ints = self.flights.arriving(start, end)
        predicted: Ints = rows[self.predicted[rows] != NOT_ASKED]
        return predicted

    def known_good(self, rows: Ints) -> NDArray[np.int8]:
        """What the known-good answers for these rows, as indices into CLASSES."""
        answers = [self.server.ask(self.flights.features(part), KNOWN_GOOD) for part in batches(rows)]
        return np.array([CLASSES.index(p) for answer in answers for p in answer.predictions], np.int8)

    def _predict(self, rows: Ints) -> None:
        columns = self.flights.features(rows)
        answers = self.server.ask(columns)
        times = self.flights.time[rows].tolist()
        cells = list(zip(*columns.values(), strict=True))
        answered = zip(rows.tolist(), times, cells, answers.predictions, answers.scores, strict=True)
        lines = [
            {
                "id": flight_id(row),
                "time": time,
                "model": MODEL,
                "features": dict(zip(columns, row_cells, strict=True)),
                "prediction": prediction,
                "scores": score,
            }
            for row, time, row_cells, prediction, score in answered
        ]
        self.daemon.predictions(lines)
        self.predicted[rows] = [CLASSES.index(prediction) for prediction in answers.predictions]
        self.rows += len(rows)

    def _label(self, rows: Ints) -> None:
        truths = zip(
            rows.tolist(), self.flights.truth_time[rows].tolist(), self.flights.late[rows].tolist(), strict=True
        )
        lines = [
            {
                "id": flight_id(row),
                "time": known,
                "prediction_time": float(self.flights.time[row]),
                "model": MODEL,
                "label": CLASSES[late],
            }
            for row, known, late in truths
        ]
        self.daemon.labels(lines)
        self.labels += len(rows)


def batches(rows: Ints) -> Iterator[Ints]:
    """Cut rows into requests of at most `ROWS_ASKED_MAX`."""
    return (rows[first : first + ROWS_ASKED_MAX] for first in range(0, len(rows), ROWS_ASKED_MAX))


def _tensor(name: str, cells: list[Any]) -> dict[str, Any]:
    return {
        "name": name,
        "shape": [len(cells)],
        "datatype": "BYTES" if name in CATEGORICAL else "FP64",
        "data": cells,
    }


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def _checked(answer: httpx.Response) -> dict[str, Any]:
    """Decode a good answer; anything else ends the demo, with the other side's words."""
    if answer.status_code != httpx.codes.OK:
        raise Permanent(f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:500]}")
    decoded: dict[str, Any] = answer.json()
    return decoded
