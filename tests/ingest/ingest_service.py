"""The HTTP application under test, with a journal and a daemon that remember what they were given."""

import asyncio
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from monitor.clock import ManualClock
from monitor.errors import Rejected
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.ingest.app import build_app
from monitor.ingest.counters import Counters
from monitor.ingest.limits import Limits
from monitor.ingest.tokens import Bounds, Scope, Tokens, create_token

NOW = 1_362_132_900.0  # 2013-03-01T10:15:00Z
DELAYS = Schema(
    ModelName("delays"),
    (
        Feature("hour", FeatureKind.NUMERIC),
        Feature("temp", FeatureKind.NUMERIC),
        Feature("carrier", FeatureKind.CATEGORICAL),
    ),
    ("late", "on_time"),
    "late",
)
DIGITS = Schema(ModelName("digits"), (Feature("ink", FeatureKind.NUMERIC),), ("0", "1", "2"))


class ListJournal:
    """Keeps what it is given; knows keys as the store does, without the 24 hours."""

    def __init__(self) -> None:
        self.submissions = []
        self.fault = None
        self._answers = {}

    @property
    def rows(self):
        return [row for submission in self.submissions for row in submission.rows]

    def append(self, submission):
        future = asyncio.get_running_loop().create_future()
        promise = submission.idempotency
        earlier = self._answers.get(promise and (promise.token, promise.key))
        if self.fault is not None:
            future.set_exception(self.fault)
        elif earlier is None:
            self.submissions.append(submission)
            if promise:
                self._answers[promise.token, promise.key] = promise
            future.set_result(None)
        elif earlier.body_digest != promise.body_digest:
            future.set_exception(Rejected("idempotency_conflict"))
        else:
            future.set_result(earlier.answer)
        return future


class TableControl:
    """Answers from a table of results or errors, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked = []
        self.results = {}

    def __getattr__(self, name):
        def answer(*arguments):
            self.asked.append((name, *arguments))
            result = self.results.get(name, {"did": name})
            if isinstance(result, Exception):
                raise result
            return result

        async def later(*arguments):
            return answer(*arguments)

        return later if name in ("advance", "reload") else answer

    def healthy(self):
        return self.results.get("healthy", (True, ""))

    def ready(self):
        return self.results.get("ready", (False, "starting"))


@cache
def made_tokens():
    """A tokens file with one token per scope, two senders and one prefix; made once, for each waits for the disk."""
    wanted = {scope.name.lower(): ((scope,), "") for scope in Scope}
    wanted["gateway"] = ((Scope.INGEST_PREDICTIONS,), "gateway-1")
    wanted["ops"] = ((Scope.INGEST_LABELS,), "ops")
    wanted["crowd"] = ((Scope.INGEST_LABELS, Scope.INGEST_PREDICTIONS), "crowd/*")
    with TemporaryDirectory() as directory:
        path = Path(directory, "tokens.json")
        made = {name: create_token(path, name.replace("_", "-"), *each, NOW)[1] for name, each in wanted.items()}
        slow = Bounds(expires=NOW + 3_600, rows_per_second=2, burst_rows=5)
        scopes = (Scope.INGEST_PREDICTIONS, Scope.INGEST_LABELS)
        made["slow"] = create_token(path, "slow", scopes, "", NOW, bounds=slow)[1]
        return path.read_bytes(), made


class Service:
    """The whole HTTP application with an address book of tokens, spoken to through ASGI."""

    def __init__(
        self,
        directory: Path,
        schemas=(DELAYS,),
        limits: Limits | None = None,
        *,
        replay: bool = True,
        encode=None,
        links=lambda _clock: None,
    ) -> None:
        self.clock = ManualClock(NOW)
        self.journal = ListJournal()
        self.control = TableControl()
        self.counters = Counters()
        self.schemas = {schema.model: schema for schema in schemas}
        self.tokens_file = directory / "tokens.json"
        body, self.texts = made_tokens()
        self.tokens_file.write_bytes(body)
        self.links = links(self.clock)
        self.refused = []
        self.contacts = []
        self.app = build_app(
            journal=self.journal,
            control=self.control,
            clock=self.clock,
            tokens=Tokens(self.tokens_file, self.clock),
            schemas=lambda: self.schemas,
            counters=self.counters,
            limits=limits,
            replay=replay,
            encode=encode,
            links=self.links,
            refused=self.refused.append,
            contacted=lambda: self.contacts.append(self.clock.now()),
        )

    def call(self, method, path, token=None, peer="127.0.0.1", headers=None, **more):
        sent = {"authorization": f"Bearer {self.texts[token]}"} if token else {}
        return asyncio.run(self._call(method, path, peer, sent | (headers or {}), more))

    async def _call(self, method, path, peer, headers, more):
        transport = httpx.ASGITransport(self.app, client=(peer, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://monitor") as client:
            return await client.request(method, path, headers=headers, **more)

    def post(self, path, body, token="gateway", kind="application/json", **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", path, token, headers=sent, content=content)

    def predictions(self, body, **more):
        return self.post("/v1/predictions", body, **more)

    def labels(self, body, **more):
        return self.post("/v1/labels", body, **{"token": "ops"} | more)

    def lines(self, body, **more):
        return self.predictions(body, kind="application/x-ndjson", **more)
