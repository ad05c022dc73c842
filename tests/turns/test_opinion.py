"""The second opinion: a bounded sample that no client chooses, of the right bytes or of none, and never a stop."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import DIGESTS, LISTS, MODEL, NUMBERS, SCHEMA, answers, bundle, prediction, profile, reference, watched

from monitor.facts import BundleStatus, Task
from monitor.panes.batch import encode_predictions
from monitor.panes.count import NOT_ASKED
from monitor.panes.decode import decode_predictions
from monitor.panes.layout import Layout
from monitor.serving.open_inference import OpenInference
from monitor.settings import KnownGood
from monitor.turns.opinion import ask, fitting, heard, sample, silent

V1 = Layout.of(reference())
KEYS = st.lists(st.integers(0, 2**64 - 1), max_size=200).map(lambda keys: np.array(keys, np.uint64))
TIMEOUT_S = 30.0  # real seconds: a busy machine takes its time


class Handler(BaseHTTPRequestHandler):
    """Answers an inference request as `server.answer(n)` says: a status and a document."""

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append(asked)
        status, document = self.server.answer(asked["inputs"][0]["shape"][0])
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def document(n, output="yes", digest=DIGESTS["v1"]):
    outputs = [{"name": "prediction", "shape": [n], "datatype": "BYTES", "data": [output] * n}]
    return 200, {"outputs": outputs, "parameters": {"checkpoint_digest": digest}}


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads, made.asked, made.answer = True, [], document
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def model(share=1.0, rows_max=1000, bundles=None, *, known_good=True):
    found = watched(bundles or (bundle("v1", V1),), (V1,), ())
    section = KnownGood(url="http://127.0.0.1:1", model="m", share=share, rows_max=rows_max) if known_good else None
    found.settings = found.settings.model_copy(update={"known_good": section})
    return found


def opinion(server, n, about=None, keys=None, url=None, *, timeout_s=TIMEOUT_S):
    """What the known-good says of `n` rows."""

    async def run():
        client = OpenInference(url or f"http://127.0.0.1:{server.server_port}", MODEL, timeout_s)
        try:
            return await ask(client, about or model(), rows(n), np.arange(n, dtype=np.uint64) if keys is None else keys)
        finally:
            await client.aclose()

    return asyncio.run(run())


def rows(n):
    made = [prediction(f"p{i}", float(i), 0, x=i / 10, c="a") for i in range(n)]
    return decode_predictions(encode_predictions(made, SCHEMA))


# ---------------------------------------------------------------- the sample


@given(KEYS, st.floats(0, 1), st.integers(1, 50))
def test_a_sample_is_ascending_bounded_and_only_of_the_lowest_hashes(keys, share, rows_max):
    chosen = sample(keys, share, rows_max)
    assert len(chosen) <= rows_max
    assert np.all(np.diff(chosen) > 0)
    assert share >= 1 or all(int(keys[i]) < share * 2**64 for i in chosen)


@given(KEYS, st.floats(0, 1))
def test_without_the_bound_a_row_is_in_the_sample_by_its_own_hash_alone(keys, share):
    together = set(sample(keys, share, 1000).tolist())
    alone = {i for i in range(len(keys)) if len(sample(keys[i : i + 1], share, 1000))}
    assert together == alone


def test_the_share_is_kept():
    keys = np.random.default_rng(5).integers(0, 2**64 - 1, 100_000, np.uint64)
    assert len(sample(keys, 0.1, 100_000)) == pytest.approx(10_000, abs=300)  # 3 standard deviations


def test_only_the_sample_is_sent_and_the_others_were_not_asked(server):
    keys = np.array([0, 1 << 63, 5], np.uint64)
    found = opinion(server, 3, model(share=0.25), keys)
    assert found.said.tolist() == [1, NOT_ASKED, 1]
    assert (found.asked, found.failed) == (2, 0)
    assert server.asked[0]["inputs"][0]["data"] == [0.0, 0.2]


def test_no_more_rows_are_sent_than_the_bound(server):
    found = opinion(server, 20, model(rows_max=7))
    assert (found.asked, int(np.count_nonzero(found.said != NOT_ASKED))) == (7, 7)


def test_an_empty_sample_asks_nobody(server):
    assert opinion(server, 3, model(share=1e-12), np.full(3, 2**63, np.uint64)).asked == 0
    assert server.asked == []


def test_settings_without_a_known_good_ask_nobody(server):
    assert opinion(server, 3, model(known_good=False)).said.tolist() == silent(3).said.tolist()
    assert server.asked == []


# ---------------------------------------------------------------- answers


def test_a_class_that_the_schema_lacks_is_another_class(server):
    server.answer = lambda n: document(n, output="maybe")
    assert opinion(server, 2).said.tolist() == [2, 2]


def test_an_answer_of_other_bytes_than_the_known_goods_does_not_count(server):
    server.answer = lambda n: document(n, digest=DIGESTS["v2"])
    found = opinion(server, 5)
    assert (found.said.tolist(), found.asked, found.failed) == ([NOT_ASKED] * 5, 0, 5)


def test_after_a_promotion_only_the_new_known_goods_bytes_count(server):
    both = (bundle("v1", V1), bundle("v2", V1, BundleStatus.KNOWN_GOOD, 2.0))
    assert opinion(server, 2, model(bundles=both)).failed == 2
    server.answer = lambda n: document(n, digest=DIGESTS["v2"])
    assert opinion(server, 2, model(bundles=both)).asked == 2


FAULTS = {
    "an error": lambda n: (500, {}),
    "not there": lambda n: (404, {}),
    "no document": lambda n: (200, []),
    "too few rows": lambda n: document(n - 1),
    "no digest": lambda n: document(n, digest=""),
    "numbers": lambda n: document(n, output=7),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failing_server_counts_as_failed_and_raises_nothing(server, fault):
    server.answer = FAULTS[fault]
    found = opinion(server, 4)
    assert (found.said.tolist(), found.asked, found.failed) == ([NOT_ASKED] * 4, 0, 4)


def test_a_server_that_is_too_slow_counts_as_failed(server):
    late = threading.Event()

    def answer(n):
        late.wait(60)
        return document(n)

    server.answer = answer
    found = opinion(server, 4, timeout_s=0.3)
    late.set()
    assert (found.asked, found.failed) == (0, 4)


def test_a_server_that_is_not_there_counts_as_failed(server):
    assert opinion(server, 4, url="http://127.0.0.1:1").failed == 4


@pytest.mark.parametrize("x", [float("nan"), float("inf"), "text", True, 10**400, None, [], "\udc80"])
def test_whatever_a_row_holds_it_can_be_asked_about(server, x):
    made = decode_predictions(encode_predictions([prediction("p", 0.0, 0, x=x, c=x)], SCHEMA))

    async def run():
        client = OpenInference(f"http://127.0.0.1:{server.server_port}", MODEL, TIMEOUT_S)
        try:
            return await ask(client, model(), made, np.zeros(1, np.uint64))
        finally:
            await client.aclose()

    assert asyncio.run(run()).asked == 1


# ---------------------------------------------------------------- other tasks


def asked_for(server, schema, share=1.0):
    """What the known-good of a model with this schema says of ten rows."""
    layout = profile(schema)
    found = watched((bundle("v1", layout),), (layout,), ())
    section = KnownGood(url="http://127.0.0.1:1", model="m", share=share)
    found.settings = found.settings.model_copy(update={"known_good": section})
    some = decode_predictions(encode_predictions(answers(schema, 10), schema))

    async def run():
        client = OpenInference(f"http://127.0.0.1:{server.server_port}", MODEL, TIMEOUT_S)
        try:
            return await ask(client, found, some, np.arange(10, dtype=np.uint64) << np.uint64(60))
        finally:
            await client.aclose()

    return asyncio.run(run())


def numbers(n):
    outputs = [{"name": "prediction", "shape": [n], "datatype": "FP64", "data": [7.5] * n}]
    return 200, {"outputs": outputs, "parameters": {"checkpoint_digest": DIGESTS["v1"]}}


def test_a_regressions_known_good_answers_in_numbers_and_nan_where_it_was_not_asked(server):
    server.answer = numbers
    found = asked_for(server, NUMBERS, share=0.25)
    assert found.asked == 4
    assert found.said[:4].tolist() == [7.5] * 4
    assert np.isnan(found.said[4:]).all()
    assert heard(found.said).tolist() == [True] * 4 + [False] * 6


def test_nobody_is_asked_about_lists(server):
    found = asked_for(server, LISTS)
    assert (found.asked, found.failed, server.asked) == (0, 0, [])
    assert not heard(found.said).any()


def test_a_server_that_fails_says_nothing_in_any_task(server):
    server.answer = lambda n: (500, {})
    found = asked_for(server, NUMBERS)
    assert (found.failed, heard(found.said).any()) == (10, False)


def test_an_opinion_on_another_task_is_none():
    for said in (silent(2).said, silent(2, Task.REGRESSION).said):
        assert not any(heard(fitting(said, task)).any() for task in Task)
    assert fitting(np.array([1, 0], np.uint8), Task.CLASSIFICATION).tolist() == [1, 0]
    assert not heard(fitting(np.array([1, 0], np.uint8), Task.REGRESSION)).any()
    assert fitting(np.array([1.0, 0.0]), Task.CLASSIFICATION).tolist() == [NOT_ASKED] * 2
