"""One call: where it may go, how long it takes, and that it says nothing it must not."""

import asyncio
import ssl
import threading

import pytest
from relays import Relay
from targetworlds import TOKEN

from monitor.errors import Permanent, Transient
from monitor.rollback.targets import calls
from monitor.rollback.targets.calls import Answer, Caller
from monitor.rollback.targets.cluster import service_account, trusting


@pytest.fixture
def relay():
    made = Relay(lambda *_: (200, b'{"a": {"b": "c"}}'), lambda *_: False)
    yield made
    made.close()


def ask(caller, path="/v2"):
    return asyncio.run(caller.ask(path))


def resolving(*addresses):
    async def resolve(host, port):
        return addresses

    return resolve


def test_returns_the_status_and_the_document(relay):
    answer = ask(Caller(relay.url, "x", 30.0))
    assert (answer.status, answer.text("a", "b"), answer.text("a"), answer.text("no", "where")) == (200, "c", "", "")


def test_a_path_stands_below_that_of_the_url(relay):
    ask(Caller(f"{relay.url}/prefix/", "x", 30.0), "/v2")
    assert [path for _, path, _, _ in relay.calls] == ["/prefix/v2"]


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_may_work_later_is_transient(relay, status):
    relay.status = status
    with pytest.raises(Transient, match=str(status)):
        ask(Caller(relay.url, "x", 30.0))


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 422])
def test_any_other_status_is_the_targets_to_judge(relay, status):
    relay.status = status
    assert ask(Caller(relay.url, "x", 30.0)) == Answer(status, None)
    assert len(relay.calls) == 1, "a redirect is not followed"


def test_one_that_hangs_is_given_up(relay):
    relay.hang = threading.Event()
    with pytest.raises(Transient, match="in time"):
        ask(Caller(relay.url, "x", 0.2))
    relay.hang.set()


def test_an_answer_without_end_is_refused(relay, monkeypatch):
    monkeypatch.setattr(calls, "ANSWER_BYTES_MAX", 1000)
    relay.rubbish = b"x" * 1001
    with pytest.raises(Permanent, match="larger"):
        ask(Caller(relay.url, "x", 30.0))


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "100.100.100.200", "::ffff:169.254.1.1"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_to_metadata_is_never_connected_to(address, scheme):
    caller = Caller(f"{scheme}://models.example:1/", "x", 30.0, resolve=resolving("127.0.0.1", address))
    with pytest.raises(Permanent, match="never reached"):
        ask(caller)


def test_plain_http_goes_to_private_addresses_only(relay):
    public = Caller("http://models.example:1/", "x", 30.0, resolve=resolving("93.184.215.14"))
    with pytest.raises(Permanent, match="never reached"):
        ask(public)
    named = relay.url.replace("127.0.0.1", "models.example")
    assert ask(Caller(named, "x", 30.0, resolve=resolving("127.0.0.1"))).status == 200


def test_a_name_without_an_address_is_transient():
    with pytest.raises(Transient):
        ask(Caller("http://models.example:1/", "x", 30.0, resolve=resolving()))


def test_no_proxy_of_the_environment_is_asked(relay, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert ask(Caller(relay.url, "x", 30.0)).status == 200


def test_the_token_is_read_anew_for_each_call(relay, tmp_path):
    file = tmp_path / "token"
    caller = Caller(relay.url, "x", 30.0, credentials=service_account(file))
    for token in ("first", "second"):
        file.write_text(token + "\n")
        ask(caller)
    sent = [headers["authorization"] for _, _, headers, _ in relay.calls]
    assert sent == ["Bearer first", "Bearer second"]


@pytest.mark.parametrize("content", [None, "", "two\nlines" + TOKEN, "é" + TOKEN])
def test_a_token_that_cannot_be_read_is_transient_and_sends_nothing(relay, tmp_path, content):
    if content is not None:
        (tmp_path / "token").write_text(content)
    with pytest.raises(Transient) as raised:
        ask(Caller(relay.url, "x", 30.0, credentials=service_account(tmp_path / "token")))
    assert (relay.calls, TOKEN in str(raised.value)) == ([], False)


def test_certificates_that_cannot_be_read_are_transient(tmp_path):
    (tmp_path / "ca.crt").write_text("nonsense")
    for path in (tmp_path / "ca.crt", tmp_path / "gone"):
        with pytest.raises(Transient, match="certificates"):
            ask(Caller("https://127.0.0.1:1/", "x", 30.0, tls=trusting(path)))


def test_a_server_without_tls_is_no_answer_to_https(relay):
    caller = Caller(relay.url.replace("http:", "https:"), "x", 30.0, tls=ssl.create_default_context)
    with pytest.raises(Transient):
        ask(caller)
    assert relay.calls == []
