"""Opening the log: keys made once, torn lines first, an edited end is said and stops nobody."""

from types import SimpleNamespace

import pytest

from monitor.audit.heads import HEADS, Why
from monitor.audit.records import Kind, read
from monitor.clock import ManualClock
from monitor.errors import SettingsError
from monitor.settings.sections import Audit
from monitor.turns.audit_keys import AuditTrust, trusted_keys
from monitor.turns.audit_start import open_audit
from monitor.turns.auditing import Deed


@pytest.fixture
def settings(tmp_path):
    return SimpleNamespace(state_dir=tmp_path, audit=Audit())


def opened(settings, *deeds):
    auditor = open_audit(settings, ManualClock(100.0))
    auditor.write([Deed(Kind.DAEMON_STARTED, "a", {}), *deeds])
    auditor.sign(Why.STOP)
    return auditor


def kinds(settings):
    return [read(line).kind for line in (settings.state_dir / "audit" / "00000001.jsonl").read_bytes().splitlines()]


def test_the_first_start_makes_a_key_pair_and_says_so(settings):
    auditor = opened(settings)
    assert kinds(settings) == [Kind.KEY_MADE, Kind.DAEMON_STARTED]
    assert (settings.state_dir / "audit.key").stat().st_mode & 0o777 == 0o600
    assert (auditor.verified, auditor.key.startswith("ed25519:")) == (None, True)


def test_a_later_start_uses_it_and_verifies_the_end(settings):
    first, second = opened(settings), opened(settings)
    assert (first.key == second.key, second.verified) == (True, True)


def test_a_torn_line_is_no_edit(settings):
    opened(settings)
    with (settings.state_dir / "audit" / "00000001.jsonl").open("ab") as file:
        file.write(b'{"v":1,"seq":3,"ti')
    assert opened(settings).verified is True
    assert Kind.TORN in kinds(settings)


@pytest.mark.parametrize("what", ["record", "head", "heads gone", "records gone"])
def test_an_edit_is_said_and_the_log_goes_on(settings, what):
    opened(settings)
    records, heads = settings.state_dir / "audit" / "00000001.jsonl", settings.state_dir / "audit" / HEADS
    path = heads if what.startswith("head") else records
    body = path.read_bytes()
    edits = {
        "record": body.replace(b'"actor":"a"', b'"actor":"b"'),
        "head": body[:-10] + b"x" + body[-9:],
        "heads gone": b"",
        "records gone": b"",
    }
    path.write_bytes(edits[what])
    auditor = opened(settings)
    assert auditor.verified is False
    assert Kind.UNVERIFIED in kinds(settings)
    assert kinds(settings)[-1] == Kind.DAEMON_STARTED


def test_a_lost_private_key_is_replaced_and_the_old_heads_still_count(settings):
    first = opened(settings)
    (settings.state_dir / "audit.key").unlink()
    second = opened(settings)
    assert first.key != second.key
    third = opened(settings)
    assert (second.verified, third.verified, third.key) == (True, True, second.key)
    assert len(trusted_keys(settings.state_dir / "audit")) == 2
    assert AuditTrust.load(trusted_keys(settings.state_dir / "audit"))


def test_a_key_that_others_may_read_is_refused(settings):
    opened(settings)
    (settings.state_dir / "audit.key").chmod(0o644)
    with pytest.raises(SettingsError, match="0644"):
        opened(settings)


def test_a_log_that_was_moved_away_begins_anew(settings):
    opened(settings)
    (settings.state_dir / "audit").rename(settings.state_dir / "evidence-of-an-edit")
    assert opened(settings).verified is False, "somebody must know of it"
    assert opened(settings).verified is True


def test_a_log_that_was_moved_away_with_its_key_is_a_new_one(settings):
    opened(settings)
    (settings.state_dir / "audit").rename(settings.state_dir / "evidence-of-an-edit")
    (settings.state_dir / "audit.key").unlink()
    assert opened(settings).verified is None
    assert kinds(settings) == [Kind.KEY_MADE, Kind.DAEMON_STARTED]
