"""S13: nothing that a client controls is told to anybody.

A canary in every field goes the whole way: HTTP, journal, fold, look, status, incidents, metrics page, notices, logs
and the answers to the senders. It may be in the journal, which holds rows until they are folded, and a source that a
token may choose stands beside its labels; ids live on as keyed hashes.
"""

import json
import logging

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs
from world import MODEL, Faulty, Spy, Turns, control_of, encode, many, rule

from monitor.alerts.retry import Delivery
from monitor.decisions.clearance import Asked
from monitor.decisions.rules import parse_pack
from monitor.decisions.state import ModelState
from monitor.detectors import DETECTORS
from monitor.export.collector import Collector
from monitor.export.page import Page
from monitor.export.snapshot import Snapshot
from monitor.facts import Incident, Rollback, Severity, Subject, Verdict
from monitor.ingest.app import build_app
from monitor.ingest.counters import Counters
from monitor.ingest.tokens import Scope, Tokens, create_token
from monitor.turns import show
from monitor.turns.look import Ticks
from monitor.turns.self_view import About, self_view
from monitor.turns.ticking import Armed
from monitor.turns.watched import Timeline, Totals

CANARY = "zqxcanary"  # in the name of no test, and so of no directory
DOCUMENTS = (Armed, Delivery, Incident, ModelState, Rollback, Ticks, Timeline, Totals)
ROWS = [
    {"id": f"{CANARY}-id", "time": 1.0, "prediction": "yes", "features": {"x": 0.5, "c": f"{CANARY}-category"}},
    {"id": "1", "time": 2.0, "prediction": "no", "features": {"x": f"{CANARY}-value", "c": [f"{CANARY}-list"]}},
    {"id": "2", "time": 3.0, "prediction": f"{CANARY}-class", "features": {f"{CANARY}-name": 1, "x": {CANARY: CANARY}}},
    {"id": "3", "time": 4.0, "prediction": "yes", "source": f"{CANARY}-source", "bundle": f"{CANARY}-bundle"},
    {"id": "4", "time": 5.0, "prediction": "yes", "segment": {f"{CANARY}-key": f"{CANARY}-segment"}},
    {"id": "5", "time": 6.0, "prediction": "yes", "scores": {f"{CANARY}-score": CANARY}, f"{CANARY}-field": CANARY},
]
REJECTED = [
    {"id": "6", "time": f"{CANARY}-time", "prediction": "yes"},
    {"id": "7", "time": 1.0, "prediction": {CANARY: CANARY}},
    {"id": "8", "time": 1.0, "prediction": "yes", "model": f"{CANARY}-model"},
    {"id": {CANARY: CANARY}, "time": 1.0, "prediction": "yes"},
    {"id": "9", "time": 1.0, "prediction": "yes", "features": f"{CANARY}-features"},
    f"{CANARY}-row",
]
LABELS = [
    {"id": f"{CANARY}-id", "time": 7.0, "label": f"{CANARY}-label", "source": f"crowd/{CANARY}"},
    {"id": "1", "time": 7.0, "label": "yes", "source": f"crowd/{CANARY}", "prediction_time": f"{CANARY}-hint"},
    {"id": f"{CANARY}-waiting", "time": 7.0, "label": "no", "source": "crowd/1"},
    {"id": "2", "time": 7.0, "label": "no", "source": f"{CANARY}-forbidden"},
]
SHARES = {"subject": "features", "window": "60s", "severity": "critical", "rows_min": 1}
READINGS = [{"name": "js", "subject": "features", "detector": "jensen_shannon", "window": "60s", "rows_min": 1}]
QUALITY = [SHARES | {"name": name, "detector": name} for name in ("unseen_share", "invalid_share")]
RULES = (
    *parse_pack({"version": 1, "rules": QUALITY, "readings": READINGS}, DETECTORS).rules,
    rule("faulty", Subject.OUTPUT, Faulty(CANARY)),
    rule("always", Subject.FEATURES, Spy(Verdict.BREACH), severity=Severity.CRITICAL),
    rule("error", Subject.OUTCOMES),
)


class House:
    """The real intake and API over real turns, spoken to through ASGI; everything said is kept."""

    def __init__(self, directory):
        self.turns = Turns(directory / "state", *RULES)
        self.counters, self.answers = Counters(), []
        tokens = directory / "tokens.json"
        grants = {"gateway": ([Scope.INGEST_PREDICTIONS], "gateway"), "crowd": ([Scope.INGEST_LABELS], "crowd/*")}
        grants["person"] = ([scope for scope in Scope if scope.name not in ("INGEST_PREDICTIONS", "INGEST_LABELS")], "")
        self.tokens = {name: create_token(tokens, name, *each, 0.0)[1] for name, each in grants.items()}
        self.control = control_of(self.turns)
        self.app = build_app(
            journal=self.turns.store,
            control=self.control,
            clock=self.turns.clock,
            tokens=Tokens(tokens, self.turns.clock),
            schemas=lambda: {MODEL: self.turns.watched.schema},
            counters=self.counters,
            replay=True,
            encode=encode,
        )

    def call(self, method, path, token="person", **request):
        headers = {"authorization": f"Bearer {self.tokens.get(token, token)}"} | request.pop("headers", {})

        async def run():
            transport = httpx.ASGITransport(self.app, client=("127.0.0.1", 5000), raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
                return await client.request(method, path, headers=headers, **request)

        answer = self.turns.do(run())
        self.answers.append(f"{answer.headers} {answer.text}")
        return answer

    def live(self):
        """Everything that a client may send, and a look at it."""
        self.turns.settle(0.0)
        self.call("POST", "/v1/predictions", "gateway", json=ROWS + REJECTED, headers={"idempotency-key": CANARY})
        self.call("POST", "/v1/labels", "crowd", json=LABELS)
        self.turns.send(many(60, prefix=f"{CANARY}-more"))
        self.turns.settle(60.0)

    def page(self):
        """The metrics page, both formats."""
        outbox, health = self.turns.outbox, self.turns.store.health()
        about = About("1", 0.0, reload_ok=True, reloaded=0.0)
        mine = {"wheel": self.turns.wheel, "outbox": outbox, "receivers": ["on-call"], "about": about}
        view = self_view(counted=self.counters.snapshot(), health=health, **mine)
        page = Page(self.turns.clock, Collector(2000), 5.0, {})
        page.render(Snapshot(0.0, (show.model_view(self.turns.watched),), view))
        return (page.answer().body + page.answer("application/openmetrics-text").body).decode()


@pytest.fixture(name="logs")
def _logs(caplog):
    with caplog.at_level(logging.DEBUG), capture_logs() as found:
        # httpx is this test's own client; it writes down where it goes
        yield lambda: f"{found} {[each.getMessage() for each in caplog.records if each.name != 'httpx']}"


@pytest.fixture
def house(tmp_path, logs):
    made = House(tmp_path)
    made.live()
    yield made
    made.turns.close()


def test_the_canaries_were_taken_in_and_seen(house):
    totals, shown = house.turns.watched.totals, house.turns.watched.shown
    assert (totals.predictions, totals.claims_wrong, totals.labels_untrusted) == (len(ROWS) + 60, 1, 2)
    assert shown["unseen_share", "c", "", False].reading.value > 0
    assert shown["invalid_share", "x", "", False].reading.value > 0
    assert (len(house.turns.outbox.every()), sum(house.counters.rejected.values())) == (1, len(REJECTED) + 1)


def test_no_canary_is_in_the_status_or_the_incidents(house):
    told = [house.control.status(), house.control.incidents(), house.control.rollbacks()]
    told.append(house.control.gate("m", Asked(bundle=CANARY, digest=CANARY)))
    told.append(house.control.gate("m", Asked()))
    told += [house.control.incident(one) for one in house.turns.watched.incidents]
    assert house.turns.watched.incidents
    assert CANARY not in json.dumps(told)


def test_no_canary_is_on_the_metrics_page(house):
    page = house.page()
    assert "unseen_share" in page
    assert CANARY not in page


def test_no_canary_is_in_a_notice(house):
    bodies = b"".join(one.body for one in house.turns.outbox.every())
    assert b"always" in bodies
    assert CANARY.encode() not in bodies


def test_no_canary_is_in_a_log(house, logs):
    assert "notice.queued" in logs()
    assert CANARY not in logs()


def test_no_canary_comes_back_to_a_sender(house):
    assert CANARY not in "".join(house.answers)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_no_canary_is_in_a_document_that_is_kept(house, kind):
    assert CANARY.encode() not in msgspec.json.encode(house.turns.store.facts(kind))


def test_ids_live_on_as_hashes_only(house):
    receipts = [path.read_bytes() for path in house.turns.directory.rglob("receipts/*") if path.is_file()]
    assert receipts
    assert not any(CANARY.encode() in body for body in receipts)


def test_rows_stand_in_the_journal_until_they_are_folded(house):
    house.turns.send(many(1, prefix=CANARY))
    [record] = house.turns.store.read_journal(house.turns.store.last_seq(), 100)
    assert CANARY.encode() in record.body
    house.turns.settle(180.0)
    assert house.turns.store.read_journal(house.turns.store.last_seq(), 100) == []


HOSTILE = [
    ("POST", "/v1/predictions", {"content": f'{{"{CANARY}": '}),
    ("POST", "/v1/predictions", {"content": f"{CANARY}", "headers": {"content-type": CANARY}}),
    ("POST", "/v1/predictions", {"json": [], "headers": {"idempotency-key": f"{CANARY}\xe9".encode("latin-1")}}),
    ("POST", f"/v1/{CANARY}", {"json": {}}),
    ("GET", f"/v1/incidents/{CANARY}?{CANARY}={CANARY}", {}),
    ("POST", f"/v1/rollbacks/{CANARY}/approve", {}),
    ("POST", "/v1/rollbacks", {"json": {"model": CANARY, "reason": CANARY}}),
    ("POST", "/v1/rollbacks/unlatch", {"json": {"model": CANARY}}),
    ("GET", f"/v1/gate/{CANARY}", {}),
    ("GET", f"/v1/gate/m?bundle={CANARY}&digest={CANARY}", {}),
    ("GET", f"/v1/gate/m?needs={CANARY}", {}),
    ("GET", f"/v1/gate/m?{CANARY}={CANARY}", {}),
    ("POST", f"/v1/gate/m/go?bundle={CANARY}", {"json": {"name": CANARY, "metadata": {CANARY: CANARY}}}),
    ("POST", f"/v1/gate/m/rollback?severity={CANARY}", {"content": CANARY}),
    ("POST", "/v1/incidents/release", {"json": {"model": CANARY, "alert": CANARY, "reason": CANARY}}),
    ("POST", "/v1/incidents/release", {"json": {"model": "m", "alert": CANARY, "reason": CANARY}}),
    ("POST", "/v1/clock", {"json": {"now": CANARY}}),
    ("GET", "/v1/status", {"headers": {"x-request-id": CANARY, "user-agent": CANARY}}),
]


@pytest.mark.parametrize("token", ["gateway", "person", CANARY], ids=["sender", "person", "nobody"])
def test_a_hostile_request_is_not_repeated_by_answer_log_or_page(house, logs, token):
    house.answers.clear()
    for method, path, request in HOSTILE:
        assert house.call(method, path, token, **request).status_code < 500
    assert CANARY not in "".join(house.answers) + house.page() + logs()
