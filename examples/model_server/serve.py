"""A model server in one file: Open Inference Protocol v2 over HTTP, for one small model.

    python serve.py --current checkpoints/current --known-good checkpoints/v1.json

Two models are answered for. `delays` is what the link `--current` pointed to when it was last loaded;
`POST /v2/repository/models/delays/load` follows the link again. `delays-known-good` is loaded once, at start, and
answers beside it, so that a monitor can ask both about the same rows.

What a monitor needs from a server, and why:

- `parameters.checkpoint_digest` is the SHA-256 of the bytes that were *loaded*, in the metadata and in every answer.
  The digest of the file that the link points to *now* would prove nothing: a link can be swapped without a reload.
- The bytes are read once; the same bytes are hashed and decoded, so no swap fits in between.
- A checkpoint is JSON. Nothing in it is executed, whoever wrote it.
- A load that fails leaves the old model answering and says so with a 400.

The model is a scorecard (additive logistic regression): every feature is looked up in its table of weights, the
weights and the intercept add up, and the logistic function makes a probability of it.

    {"format": "scorecard/1", "classes": ["on_time", "late"], "threshold": 0.5, "intercept": -1.2, "features": [
      {"name": "temp", "kind": "numeric", "edges": [30.0, 41.0], "weights": [0.3, 0.0, -0.1], "missing": 0.0},
      {"name": "carrier", "kind": "categorical", "weights": {"UA": -0.2, "EV": 0.4}, "missing": 0.0}]}

Numeric: `weights[i]` holds for edges[i-1] <= x < edges[i]. Missing, not finite and unknown categories take `missing`.

A model that predicts a number is the same without the logistic function: `{"format": "sum/1", "intercept": 9.5,
"features": [...]}`. It answers `prediction` as FP64 and no score.

Measured: 1,000 rows of 15 features take 7 ms from request to answer, most of it JSON (2 cores, 2026-11).
"""

import argparse
import hashlib
import json
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from numpy.typing import NDArray
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

CHECKPOINT_BYTES_MAX = 16 << 20  # ours are 12 kB; a larger file is not one of ours
FORMAT = "scorecard/1"
NUMBER_FORMAT = "sum/1"


@dataclass(frozen=True, slots=True)
class Numeric:
    """A piecewise constant weight: one per interval between `edges`, the outer two open."""

    name: str
    edges: NDArray[np.float64]  # strictly increasing
    weights: NDArray[np.float64]  # one more than edges; the missing one is appended behind
    datatype: str = "FP64"

    def look_up(self, cells: list[Any]) -> NDArray[np.float64]:
        """Weight of each cell; None is missing. ValueError or TypeError if a cell is no number."""
        values = np.array(cells, dtype=np.float64)
        interval = np.searchsorted(self.edges, values, side="right")
        return self.weights[np.where(np.isfinite(values), interval, len(self.edges) + 1)]


@dataclass(frozen=True, slots=True)
class Categorical:
    """A weight per known value."""

    name: str
    weights: dict[str, float]
    missing: float
    datatype: str = "BYTES"

    def look_up(self, cells: list[Any]) -> NDArray[np.float64]:
        """Weight of each cell; None and values never seen in training are missing."""
        return np.array([self.weights.get(cell, self.missing) for cell in cells], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Scorecard:
    """A loaded checkpoint. `digest` is "sha256:<hex>" of the bytes it was decoded from."""

    digest: str
    classes: tuple[str, str] | None  # (negative, positive); None: it predicts a number
    threshold: float
    intercept: float
    features: tuple[Numeric | Categorical, ...]

    @property
    def format(self) -> str:
        """What its checkpoint said it is."""
        return NUMBER_FORMAT if self.classes is None else FORMAT

    @property
    def outputs(self) -> tuple[tuple[str, str], ...]:
        """Name and datatype of every tensor of an answer."""
        return (("prediction", "FP64"),) if self.classes is None else (("prediction", "BYTES"), ("score", "FP64"))

    def add_up(self, columns: dict[str, list[Any]], rows: int) -> NDArray[np.float64]:
        """Intercept and weights of each row, shape (rows,). KeyError names a feature that is not there."""
        total = np.full(rows, self.intercept)
        for feature in self.features:
            total += feature.look_up(columns[feature.name])
        return total

    def score(self, columns: dict[str, list[Any]], rows: int) -> NDArray[np.float64]:
        """Probability of the positive class, shape (rows,)."""
        return 1.0 / (1.0 + np.exp(-self.add_up(columns, rows)))

    def answer(self, columns: dict[str, list[Any]], rows: int) -> list[list[Any]]:
        """Data of the outputs: the numbers; or the classes, and the positive one's probabilities."""
        if self.classes is None:
            return [self.add_up(columns, rows).tolist()]
        scores = self.score(columns, rows)
        negative, positive = self.classes
        late: list[bool] = (scores >= self.threshold).tolist()
        return [[positive if is_positive else negative for is_positive in late], scores.tolist()]


def decode(body: bytes) -> Scorecard:
    """Make a model of a checkpoint's bytes; ValueError, KeyError or TypeError if they are none."""
    document = json.loads(body)
    if document["format"] not in {FORMAT, NUMBER_FORMAT}:
        raise ValueError(f"expected a checkpoint of the format {FORMAT} or {NUMBER_FORMAT}")
    classes, threshold = None, 0.0
    if document["format"] == FORMAT:
        negative, positive = document["classes"]
        classes, threshold = (str(negative), str(positive)), float(document["threshold"])
    return Scorecard(
        digest="sha256:" + hashlib.sha256(body).hexdigest(),
        classes=classes,
        threshold=threshold,
        intercept=float(document["intercept"]),
        features=tuple(map(_feature, document["features"])),
    )


def _feature(entry: dict[str, Any]) -> Numeric | Categorical:
    missing = float(entry["missing"])
    if entry["kind"] == "categorical":
        weights = {str(value): float(weight) for value, weight in entry["weights"].items()}
        return Categorical(entry["name"], weights, missing)
    edges = np.array(entry["edges"], dtype=np.float64)
    if len(entry["weights"]) != len(edges) + 1 or np.any(np.diff(edges) <= 0):
        raise ValueError(f"feature {entry['name']}: edges must increase, with one weight more than edges")
    return Numeric(entry["name"], edges, np.array([*entry["weights"], missing], dtype=np.float64))


def load(path: Path) -> Scorecard:
    """Read, hash and decode one checkpoint, all from the same bytes. `path` may be a link."""
    with path.open("rb") as file:
        body = file.read(CHECKPOINT_BYTES_MAX + 1)
    if len(body) > CHECKPOINT_BYTES_MAX:
        raise ValueError(f"a checkpoint has at most {CHECKPOINT_BYTES_MAX} bytes")
    return decode(body)


class Repository:
    """The models that are answered for, by name. A load replaces one in a single assignment."""

    def __init__(self, paths: dict[str, Path]) -> None:
        """Load everything; a server without its models does not start."""
        self._paths = paths
        self._loaded = {name: load(path) for name, path in paths.items()}

    def names(self) -> list[str]:
        """Every model, in order."""
        return sorted(self._loaded)

    def get(self, name: str) -> Scorecard:
        """The loaded model; 404 if there is none of that name."""
        if name not in self._loaded:
            raise HTTPException(404, f"there is no model of that name, there are: {', '.join(self.names())}")
        return self._loaded[name]

    def reload(self, name: str) -> Scorecard:
        """Load the file again, following the link; on a bad file the old model stays and 400 says why."""
        self.get(name)
        try:
            self._loaded[name] = load(self._paths[name])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HTTPException(400, f"not loaded, the former checkpoint still answers: {error!r}") from error
        return self._loaded[name]


def infer(model: Scorecard, request: dict[str, Any]) -> list[dict[str, Any]]:
    """Answer one inference request: its output tensors."""
    columns = {tensor["name"]: _flat(tensor["data"]) for tensor in request["inputs"]}
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) != 1:
        raise ValueError("every input needs the same number of rows, and there must be one")
    answers = model.answer(columns, lengths.pop())
    return [_tensor(name, datatype, data) for (name, datatype), data in zip(model.outputs, answers, strict=True)]


def _flat(data: list[Any]) -> list[Any]:
    """A tensor may come as [a, b] or as [[a], [b]]."""
    return [cell for row in data for cell in row] if data and isinstance(data[0], list) else data


def _tensor(name: str, datatype: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data}


def application(repository: Repository) -> Starlette:
    """All routes of the protocol that a client of one tabular model uses."""

    async def server(_request: Request) -> Response:
        return JSONResponse({"name": "scorecard-server", "version": "1", "extensions": ["model_repository"]})

    async def healthy(_request: Request) -> Response:
        return JSONResponse({"live": True, "ready": True})

    async def metadata(request: Request) -> Response:
        name = request.path_params["model"]
        model = repository.get(name)
        return JSONResponse(
            {
                "name": name,
                "versions": [model.digest],
                "platform": model.format,
                "inputs": [{"name": f.name, "datatype": f.datatype, "shape": [-1]} for f in model.features],
                "outputs": [{"name": n, "datatype": datatype, "shape": [-1]} for n, datatype in model.outputs],
                "parameters": {"checkpoint_digest": model.digest},
            }
        )

    async def ready(request: Request) -> Response:
        name = request.path_params["model"]
        repository.get(name)
        return JSONResponse({"name": name, "ready": True})

    async def answer(request: Request) -> Response:
        name = request.path_params["model"]
        model = repository.get(name)
        try:
            question = json.loads(await request.body())
            outputs = infer(model, question)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise HTTPException(400, f"not an inference request for this model: {error!r}") from error
        return JSONResponse(
            {
                "model_name": name,
                "model_version": model.digest,
                "id": str(question.get("id", "")),
                "outputs": outputs,
                "parameters": {"checkpoint_digest": model.digest},
            }
        )

    async def reload(request: Request) -> Response:
        name = request.path_params["model"]
        return JSONResponse({"name": name, "parameters": {"checkpoint_digest": repository.reload(name).digest}})

    async def index(_request: Request) -> Response:
        return JSONResponse(
            [{"name": n, "version": repository.get(n).digest, "state": "READY"} for n in repository.names()]
        )

    async def problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, status_code=error.status_code)

    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", healthy),
            Route("/v2/health/ready", healthy),
            Route("/v2/models/{model}", metadata),
            Route("/v2/models/{model}/ready", ready),
            Route("/v2/models/{model}/infer", answer, methods=["POST"]),
            Route("/v2/repository/models/{model}/load", reload, methods=["POST"]),
            Route("/v2/repository/index", index, methods=["POST"]),
        ],
        exception_handlers={HTTPException: problem},
    )


def main() -> None:
    """Load, bind, print the address on one line, serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--current", type=Path, required=True, help="link to the checkpoint that is served")
    parser.add_argument("--known-good", type=Path, required=True, help="checkpoint that answers beside it")
    parser.add_argument("--model", default="delays", help="name of the served model")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; it is printed")
    arguments = parser.parse_args()
    try:
        models = {arguments.model: arguments.current, f"{arguments.model}-known-good": arguments.known_good}
        repository = Repository(models)
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"cannot load: {error!r}")
    listener = socket.create_server((arguments.host, arguments.port))
    print(f"listening on http://{arguments.host}:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(application(repository), log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
