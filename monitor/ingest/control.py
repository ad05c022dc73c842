"""The routes that are no intake: each asks the daemon, off the event loop, and answers with what it says."""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol, TypeVar

import msgspec

from monitor.decisions.clearance import Asked
from monitor.errors import NeedsRestart, Problem, Rejected, Transient
from monitor.ingest.admission import Admission
from monitor.ingest.counters import Counters
from monitor.ingest.endpoint import Call
from monitor.ingest.gate import read_asked
from monitor.ingest.limits import Limits
from monitor.ingest.problems import Answer, Refused, retry_after
from monitor.ingest.times import parse_time
from monitor.ingest.wire import ClockStep, Health, ManualRollback, Release, Stop, Suspect, Unlatch

T = TypeVar("T")

HTML: Final = b"text/html; charset=utf-8"
# A report holds values that clients sent, and Evidently's scripts: it draws itself in an origin of its own, where no
# token of ours is, loads nothing and asks nobody, so that neither a value nor its link can leave with it.
POLICY: Final = (
    b"default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    b"img-src data: blob:; font-src data:; connect-src 'none'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'; sandbox allow-scripts"
)
SANDBOX: Final = (
    (b"content-security-policy", POLICY),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"private, no-store"),
)

_RESTART: Final = "some settings change by a restart only; until then the last good settings stay in force, all of them"


class Control(Protocol):
    """What the daemon lets people ask and do. Results are what msgspec renders as JSON.

    `None` or LookupError: there is no such thing (404). Rejected: not in this state (409); its words are answered.
    Transient: not now (503). Methods that are not async may block; they are called in a thread.
    """

    def status(self) -> Any:
        """What is served and what the monitor makes of it."""
        ...

    def incidents(self) -> Any:
        """All incidents, newest first."""
        ...

    def incident(self, ident: str, /) -> Any:
        """One incident."""
        ...

    def evidence(self) -> Any:
        """All reports of evidence, newest first."""
        ...

    def report(self, model: str, ident: str, /) -> bytes | None:
        """One report as HTML; what is no name of one is not there either."""
        ...

    def gate(self, model: str, asked: Asked, /) -> Any:
        """Whether a deployment may go on, as the document of GET /v1/gate/{model}."""
        ...

    def rollbacks(self) -> Any:
        """All rollbacks, newest first."""
        ...

    def start_rollback(self, model: str, reason: str, actor: str, /) -> Any:
        """Begin a rollback by hand."""
        ...

    def approve(self, ident: str, actor: str, /) -> Any:
        """Agree to a proposed rollback."""
        ...

    def decline(self, ident: str, actor: str, /) -> Any:
        """Refuse a proposed rollback."""
        ...

    def release(self, model: str, alert: str, reason: str, actor: str, /) -> Any:
        """Let go of what is latched; LookupError if there is no such model."""
        ...

    def suspect(self, ident: str, wanted: Suspect, actor: str, /) -> Any:
        """Suspect data because of an incident; ValueError for a time that is none."""
        ...

    def trust_again(self, ident: str, actor: str, /) -> Any:
        """Take back what people suspect because of an incident."""
        ...

    def exclusions(self, ident: str, /) -> Any:
        """The data to keep out of the next training."""
        ...

    def unlatch(self, model: str, actor: str, /) -> Any:
        """Let the automation of a model act again; LookupError if there is no such model."""
        ...

    def promotion(self, model: str, /) -> Any:
        """Whether what is served has earned to be known-good; LookupError if there is no such model."""
        ...

    def stop_automation(self, reason: str, actor: str, /) -> Any:
        """Set the kill switch."""
        ...

    def let_automation_go(self, reason: str, actor: str, /) -> Any:
        """Unset the kill switch; Transient if that could not be made durable."""
        ...

    async def advance(self, to: float, actor: str, /) -> Any:
        """Replay: step event time to `to` and finish all that is due; ValueError if that is back, or too far."""
        ...

    async def reload(self, actor: str, /) -> Sequence[Problem]:
        """Read settings and tokens again; what is wrong with them, in which case the last good ones stay."""
        ...

    def healthy(self) -> tuple[bool, str]:
        """Whether the daemon lives, and why not. Does not block."""
        ...

    def ready(self) -> tuple[bool, str]:
        """Whether the daemon takes rows, and why not. Does not block."""
        ...


@dataclass(frozen=True, slots=True)
class Controls:
    """The handlers, one for each name of the route table."""

    control: Control
    admission: Admission
    limits: Limits
    counters: Counters

    async def status(self, _: Call) -> Answer:
        """GET /v1/status."""
        return await _ask(self.control.status)

    async def incidents(self, _: Call) -> Answer:
        """GET /v1/incidents."""
        return await _ask(self.control.incidents)

    async def incident(self, call: Call) -> Answer:
        """GET /v1/incidents/{id}."""
        return await _ask(self.control.incident, call.id)

    async def evidence(self, _: Call) -> Answer:
        """GET /v1/evidence."""
        return await _ask(self.control.evidence)

    async def report(self, call: Call) -> Answer:
        """GET /v1/evidence/{model}/{id}."""
        page = await asyncio.to_thread(self.control.report, call.scope["path_params"]["model"], call.id)
        if page is None:
            raise _missing()
        return Answer(200, page, HTML, SANDBOX)

    async def gate(self, call: Call) -> Answer:
        """GET /v1/gate/{model}: 200 whatever the state, because a tool takes an error for its own reasons."""
        return Answer.of(await self._gate(call))

    async def gate_go(self, call: Call) -> Answer:
        """POST /v1/gate/{model}/go: 200 if ok, 409 with the same document if not."""
        return _only(await self._gate(call), "ok")

    async def gate_rollback(self, call: Call) -> Answer:
        """POST /v1/gate/{model}/rollback: 200 if bad, 409 with the same document if not."""
        return _only(await self._gate(call), "bad")

    async def rollbacks(self, _: Call) -> Answer:
        """GET /v1/rollbacks."""
        return await _ask(self.control.rollbacks)

    async def start_rollback(self, call: Call) -> Answer:
        """POST /v1/rollbacks."""
        wanted = await self._body(call, ManualRollback)
        return await _ask(self.control.start_rollback, wanted.model, wanted.reason, call.actor)

    async def approve(self, call: Call) -> Answer:
        """POST /v1/rollbacks/{id}/approve."""
        return await _ask(self.control.approve, call.id, call.actor)

    async def decline(self, call: Call) -> Answer:
        """POST /v1/rollbacks/{id}/decline."""
        return await _ask(self.control.decline, call.id, call.actor)

    async def release(self, call: Call) -> Answer:
        """POST /v1/incidents/release."""
        wanted = await self._body(call, Release)
        return await _ask(self.control.release, wanted.model, wanted.alert, wanted.reason, call.actor)

    async def suspect(self, call: Call) -> Answer:
        """POST /v1/incidents/{id}/suspicions."""
        wanted = await self._body(call, Suspect)
        try:
            return await _ask(self.control.suspect, call.id, wanted, call.actor)
        except ValueError:
            raise _invalid() from None

    async def trust_again(self, call: Call) -> Answer:
        """POST /v1/incidents/{id}/trust."""
        return await _ask(self.control.trust_again, call.id, call.actor)

    async def exclusions(self, call: Call) -> Answer:
        """GET /v1/incidents/{id}/exclusions."""
        return await _ask(self.control.exclusions, call.id)

    async def unlatch(self, call: Call) -> Answer:
        """POST /v1/rollbacks/unlatch."""
        wanted = await self._body(call, Unlatch)
        return await _ask(self.control.unlatch, wanted.model, call.actor)

    async def promotion(self, call: Call) -> Answer:
        """GET /v1/promotion/{model}."""
        return await _ask(self.control.promotion, call.scope["path_params"]["model"])

    async def stop_automation(self, call: Call) -> Answer:
        """POST /v1/rollbacks/stop."""
        wanted = await self._body(call, Stop)
        return await _ask(self.control.stop_automation, wanted.reason, call.actor)

    async def let_automation_go(self, call: Call) -> Answer:
        """POST /v1/rollbacks/go."""
        wanted = await self._body(call, Stop)
        return await _ask(self.control.let_automation_go, wanted.reason, call.actor)

    async def clock(self, call: Call) -> Answer:
        """POST /v1/clock."""
        if not is_loopback(call):
            raise Refused(403, "not_loopback", "the clock is moved from this machine only")
        to = parse_time((await self._body(call, ClockStep)).now)
        if to is None:
            raise _invalid()
        try:
            return Answer.of(await self.control.advance(to, call.actor))
        except ValueError:
            raise Refused(422, "clock_step_invalid", "replay time moves forward only, by bounded steps") from None
        except Transient as busy:  # what was due is not done: the same step again goes on with it
            raise Refused(503, "busy", "not possible now", retry_after(int(busy.retry_after_s or 1))) from None

    async def reload(self, call: Call) -> Answer:
        """POST /-/reload."""
        problems = await self.control.reload(call.actor)
        if problems:
            more: dict[str, Any] = {"problems": [asdict(problem) for problem in problems]}
            if restart := [problem.path for problem in problems if isinstance(problem, NeedsRestart)]:
                raise Refused(422, "restart_needed", _RESTART, more=more | {"waits_for_restart": restart})
            raise Refused(422, "settings_invalid", "the last good settings stay in force", more=more)
        return Answer.of({"reloaded": True})

    async def healthy(self, _: Call) -> Answer:
        """GET /-/healthy."""
        return _health(*self.control.healthy())

    async def ready(self, _: Call) -> Answer:
        """GET /-/ready."""
        return _health(*self.control.ready())

    async def _gate(self, call: Call) -> Any:
        """What the daemon says to a deployer. What tools send in a body is not read."""
        asked, model = read_asked(call.scope["query_string"]), call.scope["path_params"]["model"]
        said = await _said(self.control.gate, model, asked)
        self.counters.gates[model, said["data"]["state"]] += 1  # of a model that is watched, by now
        return said

    async def _body(self, call: Call, kind: type[T]) -> T:
        """The JSON document of a body; Refused with 422 if it is another."""
        with self.admission.admit(call.content_length, self.limits.control_bytes_max) as ticket:
            body = await ticket.read(call.receive)
        try:
            return msgspec.json.decode(body, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise _invalid() from None


async def _ask(question: Callable[..., Any], *arguments: object) -> Answer:
    """Ask the daemon in a thread and render what it says."""
    return Answer.of(await _said(question, *arguments))


def _only(said: Any, state: str) -> Answer:
    """2xx for one state alone; all others are a conflict, whose document says what stands in the way."""
    return Answer.of(said, 200 if said["data"]["state"] == state else 409)


async def _said(question: Callable[..., Any], *arguments: Any) -> Any:
    """Ask the daemon in a thread; Refused where it refuses."""
    try:
        found = await asyncio.to_thread(question, *arguments)
    except LookupError:
        found = None
    except Rejected as rejected:
        raise Refused(409, rejected.reason, rejected.detail or "not possible in this state") from None
    except Transient as busy:
        raise Refused(503, "busy", "not possible now", retry_after(int(busy.retry_after_s or 1))) from None
    if found is None:
        raise _missing()
    return found


def is_loopback(call: Call) -> bool:
    """Whether the request comes from this machine, and not through a proxy on it."""
    peer = call.scope.get("client")
    if not peer or any(name in (b"forwarded", b"x-forwarded-for", b"via") for name, _ in call.scope["headers"]):
        return False
    try:
        address = ipaddress.ip_address(peer[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _health(ok: bool, why: str) -> Answer:  # noqa: FBT001  # the pair that Control answers
    return Answer.of(Health(ok, why), 200 if ok else 503)


def _missing() -> Refused:
    return Refused(404, "not_found", "there is nothing of this name")


def _invalid() -> Refused:
    return Refused(422, "body_invalid", "the body is not the JSON document that /openapi.json describes")
