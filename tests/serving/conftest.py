"""A model server whose every answer is scripted, on a real socket."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions

DIGEST = "sha256:" + "a" * 64


class Handler(BaseHTTPRequestHandler):
    """Answers what `server.answers[path]` says: (status, headers, body), or a callable that is given the handler."""

    protocol_version = "HTTP/1.1"

    def _answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.peers.append(self.client_address)
        self.server.asked.append((self.command, self.path, dict(self.headers), body))
        answer = self.server.answers.get(self.path, (404, {}, b"{}"))
        if callable(answer):
            answer(self)
            self.close_connection = True
            return
        status, headers, content = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _answer  # noqa: N815 - the names http.server looks up

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.asked, self.peers = {}, [], []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        pass  # a client that hung up is what the tests provoke


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def make_answer(outputs=("late", "on_time"), scores=(0.8, None), digest=DIGEST, **changes):
    """The document a correct server sends, with `changes` to either output."""
    n = len(outputs)
    prediction = {"name": "prediction", "shape": [n], "datatype": "BYTES", "data": list(outputs)}
    score = {"name": "score", "shape": [n], "datatype": "FP64", "data": list(scores)}
    prediction |= changes.get("prediction", {})
    score |= changes.get("score", {})
    return {"model_name": "delays", "outputs": [prediction, score], "parameters": {"checkpoint_digest": digest}}


@pytest.fixture
def answer():
    return lambda *args, **changes: json.dumps(make_answer(*args, **changes)).encode()


@pytest.fixture
def rows():
    """Two rows: one numeric feature with a NaN, one categorical with a missing cell."""
    nothing, no = np.zeros(2), np.zeros(2, np.bool_)
    columns = {
        "temp": NumericColumn(np.array([39.02, np.nan]), np.array([False, True]), no),
        "wind": NumericColumn(np.array([np.inf, 5.0]), no, no),
        "carrier": CategoricalColumn(np.array([0, -1], np.int32), ("UA",)),
        "origin": CategoricalColumn(np.array([-2, 1], np.int32), ("EWR", "JFK")),
    }
    return Predictions.unsent(columns, times=nothing, outputs=np.zeros(2, np.uint8), scores=nothing)
