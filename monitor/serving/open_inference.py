"""A model server that speaks the Open Inference Protocol v2 over HTTP.

    served    GET  /v2/models/{model}                        parameters.checkpoint_digest: the bytes it has *loaded*
    ready     GET  /v2/models/{model}/ready
    infer     POST /v2/models/{model}/infer
    reload    POST /v2/repository/models/{model}/load        the repository extension

Transient: it may answer later (no connection, timeout, 429, 5xx). Permanent: it will not, as it is (404, an answer that
breaks the protocol). One timeout covers a whole call; no redirects, no proxies, no compression; the answer is read
up to a cap. Calls are not retried here: served and reload belong to loops of their own, infer must not delay a fold.
"""

import asyncio
import ssl
from urllib.parse import quote

import httpx

from monitor.errors import Permanent, Transient
from monitor.facts import Task
from monitor.panes.rows import Predictions
from monitor.serving.tensors import Answer, decode, decode_metadata, encode

ANSWER_BYTES_MAX = 16 * 1024 * 1024
WORD_BYTES_MAX = 64 * 1024  # of every answer but an inference: metadata are asked for each second
TOO_MANY_REQUESTS, TIMED_OUT, SERVER_ERRORS = 429, 408, 500
ONE_CALL_EACH = httpx.Limits(max_keepalive_connections=0)  # a kept connection would prove one worker of several
PLAIN = {"accept-encoding": "identity", "user-agent": "tocsin"}


class OpenInference:
    """One model behind one server."""

    def __init__(
        self,
        url: str,
        model: str,
        timeout_s: float,
        reload_timeout_s: float = 30.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`url` is the server's root, from the settings. A reload may take longer: the server loads while we wait.

        `tls`: share one context, it costs 50 ms and 0.7 MB.
        """
        name = quote(model, safe="")
        self._model = f"{url.rstrip('/')}/v2/models/{name}"
        self._load = f"{url.rstrip('/')}/v2/repository/models/{name}/load"
        self._timeout_s = timeout_s
        self._reload_timeout_s = reload_timeout_s
        longest_s = max(timeout_s, reload_timeout_s)  # of one step; `_call` bounds the whole
        self._client = httpx.AsyncClient(
            verify=tls or httpx.create_ssl_context(),
            trust_env=False,
            follow_redirects=False,
            timeout=longest_s,
            headers=PLAIN,
            limits=ONE_CALL_EACH,
        )

    async def served(self) -> str:
        """Return the digest of the bytes that are loaded, "sha256:<hex>"; Transient, Permanent."""
        return decode_metadata(await self._call("GET", self._model, b"", self._timeout_s))

    async def ready(self) -> bool:
        """Whether the server says that the model can be asked; an unreachable server is not ready."""
        try:
            await self._call("GET", f"{self._model}/ready", b"", self._timeout_s)
        except (Transient, Permanent):
            return False
        return True

    async def reload(self) -> None:
        """Tell the server to load what the link points to now; Transient, Permanent. Can be repeated without harm."""
        await self._call("POST", self._load, b"{}", self._reload_timeout_s)

    async def infer(self, rows: Predictions, task: Task = Task.CLASSIFICATION) -> Answer:
        """Ask for all rows in one request; Transient, Permanent. What it answers is by task; a ranking is not asked."""
        return await self.infer_body(encode(rows), rows.n, task)

    async def infer_body(self, body: bytes, n: int, task: Task) -> Answer:
        """Ask for `n` rows that were encoded before; Transient, Permanent."""
        url = f"{self._model}/infer"
        return decode(await self._call("POST", url, body, self._timeout_s, ANSWER_BYTES_MAX), n, task)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _call(
        self, method: str, url: str, body: bytes, timeout_s: float, bytes_max: int = WORD_BYTES_MAX
    ) -> bytes:
        headers = {"content-type": "application/json"} if body else {}
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client.stream(method, url, content=body, headers=headers) as answer,
            ):
                _check_status(answer.status_code)
                return await _read(answer, bytes_max)
        except TimeoutError as error:
            raise Transient(f"the model server did not answer within {timeout_s:g} s") from error
        except httpx.TransportError as error:
            raise Transient("the model server cannot be reached") from error


def _check_status(status: int) -> None:
    if status == httpx.codes.OK:
        return
    if status in {TOO_MANY_REQUESTS, TIMED_OUT} or status >= SERVER_ERRORS:
        raise Transient(f"the model server answered {status}")
    raise Permanent(f"the model server answered {status}")


async def _read(answer: httpx.Response, bytes_max: int) -> bytes:
    found = bytearray()
    async for chunk in answer.aiter_raw():
        found += chunk
        if len(found) > bytes_max:
            raise Permanent(f"the model server's answer is larger than {bytes_max} bytes")
    return bytes(found)
