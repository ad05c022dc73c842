"""The guard before every handler: who is it, may it, what became of it. Raw ASGI, no middleware: 10 us a request."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from monitor.errors import Rejected
from monitor.ingest.admission import Disconnected, Receive
from monitor.ingest.counters import AdmissionReason, Counters
from monitor.ingest.problems import Answer, Refused
from monitor.ingest.routes import RouteSpec
from monitor.ingest.tokens import Scope, Token, Tokens

Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ADMISSION: Final = {reason.value: reason for reason in AdmissionReason}
_LINKS: Final = {
    AdmissionReason.LINK_EXPIRED: "the link has expired; tocsin incidents show makes another",
    AdmissionReason.LINK_INVALID: "the link is not one of ours, or its key was replaced",
    AdmissionReason.LINKS_OFF: "links are turned off; a token that may read is needed",
}
OPERATORS: Final = frozenset({Scope.OPERATE, Scope.APPROVE, Scope.ADMIN})  # who holds one of these is a person
_CHALLENGE: Final = ((b"www-authenticate", b"Bearer"),)


@dataclass(frozen=True, slots=True)
class Call:
    """One request that may be answered."""

    scope: Mapping[str, Any]  # ASGI's
    receive: Receive
    token: Token | None  # None on open routes

    def header(self, name: bytes) -> bytes | None:
        """The value of a header, None if it is not there. Refused if it is there twice, for which one counts."""
        return _header(self.scope, name)

    @property
    def content_length(self) -> int | None:
        """What the sender declared; None for a chunked body."""
        value = self.header(b"content-length")
        if value is None:
            return None
        if not value.isdigit() or len(value) > 18:
            raise Refused(400, "content_length_invalid", "Content-Length is a number of bytes")
        return int(value)

    @property
    def id(self) -> str:
        """The `{id}` of the path."""
        found: str = self.scope["path_params"]["id"]
        return found

    @property
    def actor(self) -> str:
        """The name of the token: who did it."""
        return self.token.name if self.token else ""


Handler: TypeAlias = Callable[[Call], Awaitable[Answer]]


class Links(Protocol):
    """What judges signed links: `monitor.evidence.links.Links`."""

    def check(self, model: str, report: str, query: bytes) -> None:
        """Judge the query of a request for a report; Rejected with a reason of AdmissionReason."""
        ...


class Endpoint:
    """An ASGI application: one route behind its scope."""

    def __init__(
        self,
        spec: RouteSpec,
        handler: Handler,
        tokens: Tokens,
        counters: Counters,
        links: Links | None = None,
        *,
        contacted: Callable[[], None] = lambda: None,
    ) -> None:
        """`contacted` is told whenever an operator is let in."""
        self._contacted = contacted
        self.spec = spec
        self._links = links if spec.linked else None
        self._handler = handler
        self._tokens = tokens
        self._counters = counters

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self._handler(Call(scope, receive, self._admit(scope)))
        except Refused as refused:
            if reason := _ADMISSION.get(refused.reason):
                self._counters.refused[reason] += 1
            answer = refused.answer()
        except Disconnected:
            self._counters.refused[AdmissionReason.DISCONNECTED] += 1
            return
        self._counters.answered(self.spec.path, answer.status)
        await respond(send, answer)

    def _admit(self, scope: Mapping[str, Any]) -> Token | None:
        """The token, if the route asks for one; Refused with 401 or 403."""
        if self.spec.scope is None or self._by_link(scope):
            return None
        try:
            token = self._tokens.find(_header(scope, b"authorization"))
        except Rejected as expired:
            raise Refused(401, expired.reason, "the token has expired; ask for another", _CHALLENGE) from None
        if token is None:
            raise Refused(401, AdmissionReason.UNAUTHENTICATED.value, "a valid bearer token is needed", _CHALLENGE)
        if self.spec.scope not in token.scopes:
            raise Refused(403, AdmissionReason.FORBIDDEN.value, f"the token lacks the scope {self.spec.scope.value}")
        if not OPERATORS.isdisjoint(token.scopes):
            self._contacted()
        return token

    def _by_link(self, scope: Mapping[str, Any]) -> bool:
        """Whether a link was sent, and no token: that one counts where both are. Refused with 403 if it is no good."""
        query: bytes = scope["query_string"]
        if self._links is None or b"signature=" not in query or _header(scope, b"authorization") is not None:
            return False
        named = scope["path_params"]
        try:
            self._links.check(named["model"], named["id"], query)
        except Rejected as rejected:
            raise Refused(403, rejected.reason, _LINKS[_ADMISSION[rejected.reason]]) from None
        self._counters.links_opened += 1
        return True


async def respond(send: Send, answer: Answer) -> None:
    """Send an answer whole."""
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _header(scope: Mapping[str, Any], name: bytes) -> bytes | None:
    found: list[bytes] = [value for key, value in scope["headers"] if key == name]
    if len(found) > 1:
        raise Refused(400, "header_repeated", "a header that decides something came twice")
    return found[0] if found else None
