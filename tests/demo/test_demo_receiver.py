import base64
import json
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook

from monitor.demo.receiver import Receiver, new_secret, verify

BODY = json.dumps({"version": "4", "status": "firing"}).encode()


@pytest.fixture
def secret():
    return new_secret()


@pytest.fixture
def receiver(secret):
    with Receiver(secret) as receiver:
        yield receiver


def headers(secret, body=BODY, message_id="incident.1", at=None):
    at = at or datetime.now(UTC)
    signature = Webhook(secret).sign(message_id, at, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature,
    }


def post(receiver, signed):
    return httpx.post(receiver.url, content=BODY, headers=signed, timeout=60, trust_env=False)


def test_a_delivery_signed_by_the_standards_own_library_is_accepted_and_kept(receiver, secret):
    answer = post(receiver, headers(secret))
    assert answer.status_code == 204
    [delivery] = receiver.deliveries
    assert (delivery.id, delivery.verified, delivery.status) == ("incident.1", True, "firing")


@pytest.mark.parametrize(
    "change",
    [
        {"webhook-signature": "v1," + base64.b64encode(b"x" * 32).decode()},
        {"webhook-signature": ""},
        {"webhook-id": "another.1"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1"},
        {"webhook-timestamp": "soon"},
    ],
)
def test_a_forged_delivery_is_refused_and_kept_as_unverified(receiver, secret, change):
    answer = post(receiver, headers(secret) | change)
    assert answer.status_code == 401
    assert [d.verified for d in receiver.deliveries] == [False]


def test_a_changed_body_does_not_verify(secret):
    signed = headers(secret)
    now = float(signed["webhook-timestamp"])
    assert verify(secret, signed, BODY, now)
    assert not verify(secret, signed, BODY.replace(b"firing", b"resolved"), now)


def test_an_old_delivery_is_a_replay(secret):
    signed = headers(secret)
    assert not verify(secret, signed, BODY, float(signed["webhook-timestamp"]) + 301)


def test_the_second_of_two_signatures_is_enough_during_a_rotation(secret):
    signed = headers(secret)
    signed["webhook-signature"] = headers(new_secret())["webhook-signature"] + " " + signed["webhook-signature"]
    assert verify(secret, signed, BODY, float(signed["webhook-timestamp"]))


def test_waiting_returns_the_first_wanted_delivery_and_none_when_none_comes(receiver, secret):
    post(receiver, headers(secret))
    assert receiver.wait_for(lambda d: d.status == "firing", 5).id == "incident.1"
    assert receiver.wait_for(lambda d: d.status == "resolved", 0) is None


def test_an_unverified_delivery_never_satisfies_a_wait(receiver, secret):
    post(receiver, headers(new_secret()))
    assert receiver.wait_for(lambda _: True, 0) is None
