import base64
from datetime import UTC, datetime

import pytest
import standardwebhooks.webhooks as oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.errors import SettingsError
from monitor.wire.webhooks import headers, load_keys, parse_keys

OLD = "whsec_" + base64.b64encode(b"o" * 32).decode()
NEW = "whsec_" + base64.b64encode(b"n" * 24).decode()
WALL = 1_700_000_000.9
BODY = '{"a": "ü"}'.encode()


class Frozen(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(WALL, UTC)


@settings(derandomize=True)
@given(st.text(), st.text(min_size=1).filter(lambda s: "." not in s), st.integers(0, 2**33))
def test_signs_what_the_reference_implementation_signs(body, message_id, second):
    at = datetime.fromtimestamp(second, UTC)
    try:
        raw, _ = body.encode(), message_id.encode()
    except UnicodeEncodeError:  # a lone surrogate has no bytes to sign
        return
    expected = oracle.Webhook(OLD).sign(message_id, at, body)
    assert headers(parse_keys(OLD), message_id, second + 0.5, raw)["webhook-signature"] == expected


@pytest.mark.parametrize("known", [OLD, NEW])
def test_during_a_rotation_either_key_verifies(known, monkeypatch):
    monkeypatch.setattr(oracle, "datetime", Frozen)
    signed = headers(parse_keys(f"# rotated\n{NEW}\n{OLD}\n"), "i-1.1", WALL, BODY)
    assert oracle.Webhook(known).verify(BODY, signed) == {"a": "ü"}


def test_another_key_does_not_verify(monkeypatch):
    monkeypatch.setattr(oracle, "datetime", Frozen)
    with pytest.raises(oracle.WebhookVerificationError):
        oracle.Webhook(OLD).verify(BODY, headers(parse_keys(NEW), "i-1.1", WALL, BODY))


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_id_time_and_body_are_all_signed(changed, monkeypatch):
    monkeypatch.setattr(oracle, "datetime", Frozen)
    signed = headers(parse_keys(OLD), "i-1.1", WALL, BODY)
    forged = {"webhook-id": "i-1.2", "webhook-timestamp": "1700000001"}
    body = b"{}" if changed == "body" else BODY
    with pytest.raises(oracle.WebhookVerificationError):
        oracle.Webhook(OLD).verify(body, signed | ({} if changed == "body" else {changed: forged[changed]}))


def test_a_retry_keeps_the_id_and_moves_the_time():
    first, second = (headers(parse_keys(OLD), "i-1.1", wall, BODY) for wall in (WALL, WALL + 60))
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) - int(first["webhook-timestamp"]) == 60


def test_a_secret_without_padding_is_read_as_the_reference_reads_it():
    bare = NEW.rstrip("=")
    assert headers(parse_keys(bare), "i", WALL, BODY) == headers(parse_keys(NEW), "i", WALL, BODY)


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment", "hunter2", "whsec_!!!", "whsec_" + "A" * 8, "whsec_" + "A" * 200, f"{OLD}\n{NEW}\n{OLD}"],
)
def test_an_unusable_secret_file_is_a_settings_error_that_does_not_quote_it(text):
    with pytest.raises(SettingsError) as error:
        parse_keys(text)
    assert not any(line and line in str(error.value) for line in text.splitlines() if line != "whsec_")


def test_every_bad_line_is_named():
    with pytest.raises(SettingsError) as error:
        parse_keys("hunter2\nwhsec_!!!")
    assert [p.path for p in error.value.problems] == ["secret_file:1", "secret_file:2"]


def test_keys_print_redacted():
    assert repr(parse_keys(OLD)) == f"{parse_keys(NEW)}" == "Keys([redacted])"


def test_reads_the_file(tmp_path):
    (tmp_path / "secret").write_text(OLD + "\n")
    assert headers(load_keys(tmp_path / "secret"), "i", WALL, b"") == headers(parse_keys(OLD), "i", WALL, b"")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read_is_a_settings_error(tmp_path, content):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError):
        load_keys(tmp_path / "secret")
