"""Links to reports: they open one report until they expire, and nothing else opens anything."""

import hmac
from contextlib import contextmanager
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.clock import ManualClock
from monitor.errors import Corrupt, Rejected
from monitor.evidence import links as module
from monitor.evidence.links import KEY_FILE, STEPS, Links, Refusal, read_key, rotate, sign

DAY = 86_400.0
WEEK = 7 * DAY
NOW = 1_700_000_123.0


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def key(tmp_path):
    return tmp_path / KEY_FILE


@pytest.fixture
def links(key, clock):
    return Links(key, clock, WEEK)


@contextmanager
def refused(refusal):
    with pytest.raises(Rejected) as caught:
        yield
    assert caught.value.reason == refusal.value


def query(links, model="delays", report="delays-1"):
    return links.query(model, report).removeprefix("?").encode()


# ---------------------------------------------------------------- time


def test_a_link_opens_its_report_until_it_expires(links, clock):
    sent = query(links)
    expires = int(sent.partition(b"&")[0].removeprefix(b"expires="))
    clock.step(expires - 0.001)
    links.check("delays", "delays-1", sent)
    clock.step(expires)
    with refused(Refusal.EXPIRED):
        links.check("delays", "delays-1", sent)


@given(st.floats(1e9, 4e9), st.floats(60.0, 90 * DAY))
def test_a_link_is_good_for_no_more_than_was_said_and_for_seven_eighths_at_least(tmp_path_factory, now, valid_s):
    directory = tmp_path_factory.getbasetemp()
    links = Links(directory / KEY_FILE, ManualClock(now), valid_s)
    expires = int(query(links).partition(b"&")[0].removeprefix(b"expires="))
    assert valid_s * (STEPS - 1) / STEPS - 1 <= expires - now <= valid_s
    links.check("delays", "delays-1", query(links))


def test_what_is_told_again_keeps_its_link_for_a_while(links, clock):
    clock.step(NOW - NOW % (WEEK / STEPS) + WEEK / STEPS)
    first = query(links)
    clock.step(clock.now() + WEEK / STEPS - 1)
    assert query(links) == first
    clock.step(clock.now() + 1)
    assert query(links) != first


def test_links_that_were_made_for_longer_than_the_settings_say_now_have_expired(links):
    sent = query(links)
    links.valid_s = DAY
    with refused(Refusal.EXPIRED):
        links.check("delays", "delays-1", sent)


def test_turned_off_none_is_made_and_none_opens(links):
    sent = query(links)
    links.valid_s = None
    assert links.query("delays", "delays-1") == ""
    with refused(Refusal.OFF):
        links.check("delays", "delays-1", sent)


# ---------------------------------------------------------------- what is signed


@pytest.mark.parametrize(
    ("model", "report"), [("delays", "delays-2"), ("other", "delays-1"), ("delays-1", "delays"), ("delaysd", "elays-1")]
)
def test_a_link_opens_no_other_report(links, model, report):
    with refused(Refusal.INVALID):
        links.check(model, report, query(links))


@given(st.data())
def test_whatever_is_altered_it_opens_nothing(tmp_path_factory, data):
    links = Links(tmp_path_factory.getbasetemp() / KEY_FILE, ManualClock(NOW), WEEK)
    sent = query(links)
    place = data.draw(st.integers(0, len(sent) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != sent[place]))
    altered = sent[:place] + bytes([other]) + sent[place + 1 :]
    with refused(Refusal.INVALID):
        links.check("delays", "delays-1", altered)


def altered(sent):
    expires, signature = sent.split(b"&")
    return [
        b"",
        expires,
        signature,
        signature + b"&" + expires,
        sent + b"&x=1",
        sent + b"&" + signature,
        sent + b"=",
        sent + b"\n",
        expires.replace(b"=", b"=0") + b"&" + signature,
        b"expires=99999999999&" + signature,
        expires + b"&signature=" + b"A" * 43,
    ]


@pytest.mark.parametrize("number", range(11))
def test_only_the_very_query_that_was_made_opens(links, number):
    with refused(Refusal.INVALID):
        links.check("delays", "delays-1", altered(query(links))[number])


def test_that_a_link_has_expired_is_told_only_to_whoever_has_its_signature(links, clock):
    sent = query(links)
    clock.step(NOW + 2 * WEEK)
    with refused(Refusal.INVALID):
        links.check("delays", "delays-1", sent[:-1] + (b"A" if sent[-1:] != b"A" else b"B"))


def test_the_signature_is_an_hmac_of_model_report_and_time():
    message = b"tocsin evidence link 1\0delays\0delays-1\x0017"
    found = hmac.new(b"k" * 32, message, sha256).digest()
    assert module.urlsafe_b64encode(found).rstrip(b"=").decode() == sign(b"k" * 32, "delays", "delays-1", 17)


def test_signatures_are_compared_in_constant_time(links, monkeypatch):
    compared = []
    monkeypatch.setattr(module.hmac, "compare_digest", lambda *both: compared.append(both) or False)
    for sent in (query(links), b"", b"expires=1&signature=" + b"A" * 43):
        with refused(Refusal.INVALID):
            links.check("delays", "delays-1", sent)
    assert [{len(one) for one in both} for both in compared] == [{43}] * 3


# ---------------------------------------------------------------- the key


def test_the_key_is_for_its_owner_alone_and_in_no_link(links, key):
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in links.query("delays", "delays-1")


def test_a_restart_keeps_the_key(links, key, clock):
    Links(key, clock, WEEK).check("delays", "delays-1", query(links))


@pytest.mark.parametrize("replaced", [rotate, lambda key: key.unlink()], ids=["rotated", "deleted"])
def test_a_new_key_ends_every_older_link_within_a_second(links, key, clock, replaced):
    sent = query(links)
    replaced(key)
    clock.step(NOW + 1.0)
    with refused(Refusal.INVALID):
        links.check("delays", "delays-1", sent)
    links.check("delays", "delays-1", query(links))


def spoilt_mode(key):
    key.chmod(0o640)


def spoilt_text(key):
    key.write_bytes(b"secret\n")


def spoilt_link(key):
    key.rename(key.with_name("elsewhere"))
    key.symlink_to(key.with_name("elsewhere"))


@pytest.mark.parametrize("spoil", [spoilt_mode, spoilt_text, spoilt_link])
def test_a_key_that_others_may_read_or_that_is_none_makes_and_opens_no_link(links, key, clock, spoil):
    sent = query(links)
    spoil(key)
    clock.step(NOW + 1.0)
    assert links.query("delays", "delays-1") == ""
    with refused(Refusal.INVALID):
        links.check("delays", "delays-1", sent)
    with pytest.raises((Corrupt, OSError)):
        read_key(key)


def test_a_key_that_is_mended_is_used_again(links, key, clock):
    sent = query(links)
    key.chmod(0o644)
    clock.step(NOW + 1.0)
    assert links.query("delays", "delays-1") == ""
    key.chmod(0o600)
    clock.step(NOW + 2.0)
    links.check("delays", "delays-1", sent)


def test_without_a_disk_to_keep_a_key_on_there_are_no_links_and_no_error(tmp_path, clock):
    links = Links(tmp_path / "gone" / KEY_FILE, clock, WEEK)
    assert links.query("delays", "delays-1") == ""
    (tmp_path / "gone").mkdir()
    clock.step(NOW + 1.0)
    assert links.query("delays", "delays-1").startswith("?expires=")


def test_a_rotation_leaves_nothing_beside_the_key(key):
    rotate(key)
    before = read_key(key)
    rotate(key)
    assert (read_key(key) != before, [path.name for path in key.parent.iterdir()]) == (True, [KEY_FILE])
