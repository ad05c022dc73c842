"""A real Alertmanager and we, side by side: the same keys, types and fingerprints, so its receivers take ours."""

import asyncio
import contextlib
import json
import shutil
import subprocess

import httpx
import pytest
from servers import free_port

from monitor.alerts.webhook import body

pytestmark = pytest.mark.real
BINARY = shutil.which("prometheus-alertmanager")
CONFIG = """
route: {receiver: ops, group_by: [model], group_wait: 0s, group_interval: 1s}
receivers: [{name: ops, webhook_configs: [{url: "http://127.0.0.1:%d/"}]}]
"""


def _shape(value):
    """Types, all the way down; annotations and labels are free-form maps of strings."""
    if isinstance(value, dict):
        return {k: "map" if k.endswith(("abels", "nnotations")) else _shape(v) for k, v in value.items()}
    return [_shape(value[0])] if isinstance(value, list) else type(value).__name__


@contextlib.contextmanager
def _alertmanager(folder, receiver_port):
    """A real one on loopback; yields its address. It cannot bind to 0 and tell, so a port is found for it."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "am.yml").write_text(CONFIG % receiver_port)
    flags = [f"--config.file={folder}/am.yml", f"--storage.path={folder}/data", f"--web.listen-address={address}"]
    flags += ["--cluster.listen-address=", "--log.level=error"]
    with subprocess.Popen([BINARY, *flags], stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{address}"
        finally:
            process.kill()


async def _push(url, alert):
    """Post it as soon as Alertmanager listens; httpx's transport tries again once in a while."""
    async with httpx.AsyncClient(trust_env=False, transport=httpx.AsyncHTTPTransport(retries=7), timeout=60) as client:
        (await client.post(f"{url}/api/v2/alerts", json=[alert])).raise_for_status()


async def _through_alertmanager(folder, alert, listening, answering):
    """Push one alert; return the webhook body that the real Alertmanager sends for it."""
    sent = asyncio.Queue()

    class Seen:
        append = sent.put_nowait

    async with listening(answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Seen)) as (port, _):
        with _alertmanager(folder, port) as url:
            await _push(url, alert)
            _, received = await asyncio.wait_for(sent.get(), 60)
    return json.loads(received)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("alertmanager")


@pytest.mark.skipif(BINARY is None, reason="prometheus-alertmanager is not installed")
def test_alertmanager_sends_the_keys_types_and_fingerprint_that_we_send(folder, notice, listening, answering):
    ours = json.loads(body(notice(), "ops", "http://tocsin"))
    alert = ours["alerts"][0]
    pushed = {key: alert[key] for key in ("labels", "annotations", "generatorURL")}
    theirs = asyncio.run(_through_alertmanager(folder, pushed, listening, answering))
    assert _shape(ours) == _shape(theirs)
    assert theirs["alerts"][0]["labels"] == alert["labels"]
    assert theirs["alerts"][0]["fingerprint"] == alert["fingerprint"]
    assert (theirs["version"], theirs["alerts"][0]["endsAt"]) == (ours["version"], alert["endsAt"])
