"""kill -9 under load: no acknowledged row lost, none counted twice, by an independent recount.

The sender keeps its own books and repeats what was not answered, as a real one must. Zero faults in N kills bounds the
rate of a fault per kill at 3 / N (95 %): 30 kills here, 300 in the long form.
"""

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
import pytest
import released
from loopworld import MODEL, SCHEMA
from servers import wait_for

from monitor.clock import ManualClock
from monitor.panes.layout import Layout
from monitor.panes.reference import decode_reference
from monitor.panes.window import sum_bodies, sum_panes
from monitor.store import Parts, SqliteStore

SENDERS = 4
BATCH = 20
NDJSON = {"content-type": "application/x-ndjson"}


@dataclass
class Books:
    """What was sent and acknowledged, per sender's own count."""

    acknowledged: dict = field(default_factory=dict)  # id -> (minute, output)
    labelled: dict = field(default_factory=dict)  # id -> label
    unanswered: int = 0


class Sender(threading.Thread):
    """Sends batches of predictions and their labels until told to stop; repeats each until it is answered."""

    def __init__(self, loop, number, stop):
        super().__init__(daemon=True)
        self.loop, self.number, self.stop = loop, number, stop
        self.books, self.rng = Books(), random.Random(number)
        self.failure = None

    def run(self):
        try:
            with httpx.Client(timeout=5, trust_env=False) as client:
                serial = 0
                while not self.stop.is_set():
                    self._batch(client, serial)
                    serial += BATCH
        except AssertionError as failure:
            self.failure = failure

    def _batch(self, client, serial):
        base = time.time()
        rows = [
            {"id": f"{self.number}-{serial + i}", "time": base, "prediction": self.rng.choice(SCHEMA.classes)}
            for i in range(BATCH)
        ]
        labels = [{"id": row["id"], "label": self.rng.choice(SCHEMA.classes)} for row in rows]
        headers = {"idempotency-key": f"{self.number}-{serial}"} if self.number % 2 else {}
        self._until_answered(client, "/v1/predictions", "gateway", rows, headers)
        self.books.acknowledged |= {row["id"]: (int(base // 60), row["prediction"]) for row in rows}
        self._until_answered(client, "/v1/labels", "ops", labels, headers)
        self.books.labelled |= {label["id"]: label["label"] for label in labels}

    def _until_answered(self, client, path, token, rows, headers):
        body = "\n".join(map(json.dumps, rows))
        headers = headers | NDJSON | {"authorization": f"Bearer {self.loop.tokens[token]}"}
        while True:
            try:
                answer = client.post(f"{self.loop.url}{path}", content=body, headers=headers)
            except httpx.TransportError:
                self.books.unanswered += 1
                threading.Event().wait(0.02)
                continue
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                continue
            assert answer.status_code == httpx.codes.OK, answer.text
            assert answer.json()["accepted"] == len(rows)
            return


def recount(loop, hours):
    """Rows per hour, and the counts of everything the store holds, over all epochs."""
    layout = Layout.of(decode_reference((loop.directory / "v1.ref").read_bytes()))
    parts = Parts(lambda *_: b"", sum_bodies, ManualClock(time.time()))
    store = SqliteStore(loop.directory / "state", parts)

    def counts(start, end):
        bodies = [b for epoch in (1, 2, 3) for _, b in store.panes(MODEL, epoch, "", layout.digest, start, end)]
        return sum_panes(bodies, layout.digest, layout.size).counts

    total = counts(0, 1 << 40)
    by_hour = {hour: int(counts(hour * 3600, (hour + 1) * 3600)[0]) for hour in hours}
    store.close()
    return layout, total, by_hour


def check(loop, senders):
    acknowledged, labelled = {}, {}
    for sender in senders:
        assert sender.failure is None, sender.failure
        acknowledged |= sender.books.acknowledged
        labelled |= sender.books.labelled
    hours = Counter(minute // 60 for minute, _ in acknowledged.values())
    layout, total, by_hour = recount(loop, hours)
    assert by_hour == hours
    outputs = Counter(output for _, output in acknowledged.values())
    assert total[layout.output].tolist() == [*(outputs[name] for name in SCHEMA.classes), 0]
    confusion = Counter((acknowledged[ident][1], label) for ident, label in labelled.items())
    expected = [[*(confusion[one, other] for other in SCHEMA.classes), 0] for one in SCHEMA.classes]
    assert total[layout.confusion].reshape(3, 3).tolist() == [*expected, [0, 0, 0]]
    return len(acknowledged)


def killed_often(make_loop, kills):
    rng = random.Random(kills)
    loop = make_loop(replay=False, extra={"fold": {"every": "50ms"}, "look_every": "1s", "receivers": []})
    loop.write_settings(models=unserved(loop))
    loop.start()
    stop = threading.Event()
    senders = [Sender(loop, number, stop) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for _ in range(kills):
        stop.wait(rng.uniform(0.05, 0.5))
        loop.kill()
        loop.start()
    wait_for(
        lambda: sum(len(sender.books.labelled) for sender in senders) > 100 * BATCH or failed(senders), "rows", 300
    )
    stop.set()
    for sender in senders:
        sender.join(120)
        assert not sender.is_alive(), "its books would go on changing"
    wait_for(lambda: folded(loop), "everything is folded", 60)
    assert loop.stop() == 0
    rows = check(loop, senders)
    return rows, sum(sender.books.unanswered for sender in senders)


def failed(senders):
    return any(sender.failure for sender in senders)


def unserved(loop):
    """Settings of a model whose server nobody asks: what counts here is the counting."""
    return {"m": {"release": released.settings(), "rules": "./rules.yaml", "labels": {"trusted_sources": ["ops"]}}}


def folded(loop):
    lines = [line for line in loop.metrics().splitlines() if line.startswith("tocsin_journal_lag_rows ")]
    queue = [line for line in loop.metrics().splitlines() if line.startswith("tocsin_queue_submissions ")]
    return lines and float(lines[0].split()[1]) == 0 and queue and float(queue[0].split()[1]) == 0


@pytest.mark.timeout(900)  # half a minute; 276 s were seen at a load of 15
def test_no_acknowledged_row_is_lost_or_counted_twice_over_30_kills(make_loop):
    rows, unanswered = killed_often(make_loop, 30)
    assert rows > 100 * BATCH
    assert unanswered > 30  # the kills met requests under way


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_acknowledged_row_is_lost_or_counted_twice_over_300_kills(make_loop):
    killed_often(make_loop, 300)
