"""Senders of the example, in one process: a gateway that reports what the model answered, and ops with the truth.

    python gateway.py /srv/tocsin/tokens

Every second some invented flights are put to the model server, and its answers reported; their truth follows ten
seconds later. When a request fails, rows wait, up to a bound; the oldest are dropped first and that is said. A row has
an id of its own, so one that is sent twice counts once.
"""

import argparse
import random
import signal
import sys
import time
import uuid
from collections import deque
from pathlib import Path
from typing import Any

import httpx
from traffic import FEATURES, MODEL, flight, truth

ROWS = 25  # a second; windows of a minute then hold 1,500
LABEL_DELAY_S = 10.0
WAITING_MAX = 20_000  # rows of each kind; at 25 a second, a quarter of an hour
TRUTHS_MAX = 800  # seconds of truths that are not due yet, or wait behind predictions that cannot be sent
BATCH_MAX = 1_000
TIMEOUT_S = 10.0

Row = dict[str, Any]


class Sender:
    """What waits to be sent to one address, oldest first."""

    def __init__(self, client: httpx.Client, url: str, token: Path) -> None:
        """Rows go to `url` with the token in a file, which is read for every request: it may be replaced."""
        self._client, self._url, self._token = client, url, token
        self.waiting: deque[Row] = deque()

    def add(self, rows: list[Row]) -> None:
        """Keep rows until they are sent, or there are too many."""
        self.waiting.extend(rows)
        dropped = max(0, len(self.waiting) - WAITING_MAX)
        for _ in range(dropped):
            self.waiting.popleft()
        if dropped:
            print(f"{dropped} rows dropped: {self._url} has not taken them", flush=True)

    def send(self) -> None:
        """Send what waits; on failure it goes on waiting. Rejected rows are told and not sent again."""
        headers = {"authorization": f"Bearer {self._token.read_text().strip()}"}
        while self.waiting:
            batch = [self.waiting[i] for i in range(min(BATCH_MAX, len(self.waiting)))]
            answer = self._client.post(self._url, json=batch, headers=headers)
            answer.raise_for_status()
            rejected = answer.json().get("rejected", 0)
            if rejected:
                print(f"{rejected} rows rejected: {answer.text[:500]}", flush=True)
            for _ in batch:
                self.waiting.popleft()


def answered(client: httpx.Client, server: str, flights: list[Row]) -> list[Row]:
    """Put flights to the model server; the rows to report."""
    inputs = [
        {
            "name": name,
            "shape": [len(flights)],
            "datatype": "FP64" if kind == "numeric" else "BYTES",
            "data": [each[name] for each in flights],
        }
        for name, kind in FEATURES.items()
    ]
    answer = client.post(f"{server}/v2/models/{MODEL}/infer", json={"inputs": inputs})
    answer.raise_for_status()
    classes, scores = (output["data"] for output in answer.json()["outputs"])
    now = time.time()
    return [
        {"id": uuid.uuid4().hex, "time": now, "prediction": made, "scores": score, "features": each}
        for made, score, each in zip(classes, scores, flights, strict=True)
    ]


def main() -> None:
    """Send until stopped."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tokens", type=Path, help="directory with gateway.token and ops.token")
    parser.add_argument("--server", default="http://127.0.0.1:8080")
    parser.add_argument("--tocsin", default="http://127.0.0.1:8470")
    parser.add_argument("--rows", type=int, default=ROWS, help="a second")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # the first process of a container is not ended otherwise
    dice = random.Random()
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as client:
        predictions = Sender(client, f"{arguments.tocsin}/v1/predictions", arguments.tokens / "gateway.token")
        labels = Sender(client, f"{arguments.tocsin}/v1/labels", arguments.tokens / "ops.token")
        known: deque[tuple[float, list[Row]]] = deque(maxlen=TRUTHS_MAX)
        while True:
            started = time.monotonic()
            flights = [flight(dice) for _ in range(arguments.rows)]
            try:
                rows = answered(client, arguments.server, flights)
                predictions.add(rows)
                truths = [
                    {"id": row["id"], "label": truth(row["features"], dice), "prediction_time": row["time"]}
                    for row in rows
                ]
                known.append((started + LABEL_DELAY_S, truths))
                predictions.send()
                while known and known[0][0] <= time.monotonic():
                    labels.add(known.popleft()[1])
                labels.send()
            except (httpx.HTTPError, OSError, ValueError) as error:
                print(f"will be tried again: {error!r}", flush=True)
            time.sleep(max(0.0, started + 1.0 - time.monotonic()))


if __name__ == "__main__":
    main()
