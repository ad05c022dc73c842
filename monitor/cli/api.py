"""The daemon's API as commands use it: one request each, and every failure as what a person can do about it."""

import json
import os
import stat
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx

from monitor.cli.exits import Exit, Stop, in_words
from monitor.cli.options import DEFAULT_URL, TOKEN_FILE_VARIABLE
from monitor.settings.addresses import is_loopback, server_problem

TIMEOUT_S: Final = 30.0  # an approval looks at the evidence again
TOKEN_BYTES_MAX: Final = 4096
_ANOTHER: Final = "another program answers there: check --url"


class Api:
    """The daemon at `url`, asked with the token in a file."""

    def __init__(self, url: str, token_file: Path | None, timeout_s: float = TIMEOUT_S) -> None:
        """Stop with USAGE if the token would cross a network in the clear, or the file is no private token file."""
        self._url = _checked(url)
        self._timeout_s = timeout_s
        self._headers = {"authorization": f"Bearer {_token(token_file)}"} if token_file else {}

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Ask; Stop if there is no answer, or it is an error."""
        return self._request("GET", path, None, query)

    def page(self, path: str) -> bytes:
        """Ask for a page; Stop as `get`, and if what is answered is none."""
        answer = self._answer("GET", path, None)
        if not answer.headers.get("content-type", "").startswith("text/html"):
            raise Stop(Exit.UNREACHABLE, f"{self._url} does not speak tocsin's API", _ANOTHER)
        return answer.content

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask for a change; Stop if there is no answer, or it is an error."""
        return self._request("POST", path, {} if body is None else body)

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None, query: Mapping[str, str] | None = None
    ) -> Any:
        answer = self._answer(method, path, body, query)
        try:
            return json.loads(answer.content) if answer.content else None
        except (ValueError, RecursionError):
            raise Stop(Exit.UNREACHABLE, f"{self._url} does not speak tocsin's API", _ANOTHER) from None

    def _answer(
        self, method: str, path: str, body: dict[str, Any] | None, query: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask, and hand out the answer if it is no error."""
        url = self._url.copy_with(path=self._url.path.rstrip("/") + path)
        try:
            # trust_env: a proxy that the environment names must not see the token, least of all one for loopback.
            with httpx.Client(timeout=self._timeout_s, trust_env=False) as client:
                answer = client.request(method, url, json=body, params=query or None, headers=self._headers)
        except httpx.TransportError as error:
            raise Stop(Exit.UNREACHABLE, f"{self._url} does not answer: {_why(error)}", _reach(error)) from error
        if answer.is_success:
            return answer
        try:
            found = json.loads(answer.content) if answer.content else None
        except (ValueError, RecursionError):
            raise Stop(Exit.UNREACHABLE, f"{self._url} does not speak tocsin's API", _ANOTHER) from None
        raise _refusal(answer.status_code, found if isinstance(found, dict) else {}, known=bool(self._headers))


def _checked(text: str) -> httpx.URL:
    problem = server_problem(text)
    if problem:
        raise Stop(Exit.USAGE, f"--url {problem}", f"as in --url {DEFAULT_URL}")
    url = httpx.URL(text)
    if url.scheme == "http" and not is_loopback(url.host):
        raise Stop(
            Exit.USAGE, "--url would send the token through a network in the clear", "use https, or an ssh tunnel"
        )
    return url


def _token(path: Path) -> str:
    """Read the one line of a token file; Stop if others could have read it, or it holds none."""
    try:
        with path.open("rb") as file:
            mode, body = os.fstat(file.fileno()).st_mode, file.read(TOKEN_BYTES_MAX)
    except OSError as error:
        hint = "tocsin token create prints a token: keep it in a file of its own"
        raise Stop(Exit.USAGE, f"the token file {path} cannot be read: {error.strerror}", hint) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise Stop(Exit.USAGE, f"the token file {path} can be read or written by every user", f"chmod 600 {path}")
    text = body.decode("ascii", "replace").strip()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Stop(Exit.USAGE, f"the token file {path} holds no token", "one line: tcs_...")
    return text


def _refusal(status: int, problem: dict[str, Any], *, known: bool) -> Stop:
    """Turn an error answer (RFC 9457) into what to do about it."""
    said = str(problem.get("detail") or problem.get("title") or f"HTTP {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        hint = "the token is unknown or revoked" if known else f"give --token-file or {TOKEN_FILE_VARIABLE}"
        making = "tocsin token create NAME --scope read --file TOKENS_FILE, that of the daemon's tokens_file"
        return Stop(Exit.REFUSED, said, f"{hint}; make one: {making}")
    if status == HTTPStatus.FORBIDDEN:
        scope = said.rpartition("the token lacks the scope ")[2]
        making = f"tocsin token create NAME --scope {scope}" if scope != said else "tocsin token create"
        return Stop(Exit.REFUSED, said, f"tocsin token list shows what each may do; make one that may: {making}")
    if status == HTTPStatus.NOT_FOUND:
        return Stop(
            Exit.PROBLEMS, said, "tocsin status lists the models, tocsin incidents list and rollback list the ids"
        )
    if status in {HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY}:
        return Stop(Exit.REFUSED, said, "tocsin rollback list and tocsin status show the state it is in")
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return Stop(Exit.PROBLEMS, said, "the daemon is busy or starting: try again")
    return Stop(Exit.PROBLEMS, f"the daemon answered {status}: {said}", "its log tells more")


def _reach(error: httpx.TransportError) -> str:
    """What to do about no answer: nothing listens, something listens and is stuck, or the way is wrong."""
    if isinstance(error, httpx.TimeoutException):
        return "it is there and busy, or stuck: tocsin healthy says which part; its log says why"
    return "is `tocsin run` running, and is this http.host and http.port of its settings? Name it: --url or TOCSIN_URL"


def _why(error: httpx.TransportError) -> str:
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else in_words(error)
