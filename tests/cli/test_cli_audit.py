"""`tocsin audit`: what is proven, by which exit code, and what a record looks like; tokens tell who made them."""

import json
from types import SimpleNamespace

import pytest

from monitor.audit.heads import Why
from monitor.audit.records import Kind
from monitor.clock import ManualClock
from monitor.settings.sections import Audit
from monitor.turns.audit_start import open_audit
from monitor.turns.auditing import Deed


@pytest.fixture
def log(home):
    """The log of the example settings, of four records."""
    auditor = open_audit(SimpleNamespace(state_dir=home / "state", audit=Audit()), ManualClock(1_700_000_000.0))
    auditor.write([Deed(Kind.LATCH_SET, "tocsin", {"model": "m", "why": "r1 failed"})])
    auditor.write([Deed(Kind.ROLLBACK_PLANNED, "ann", {"n": number}) for number in range(2)])
    auditor.sign(Why.STOP)
    return SimpleNamespace(auditor=auditor, directory=home / "state" / "audit", anchor=auditor.anchor())


def test_what_is_proven_is_told_with_its_range(tocsin, log):
    ended = tocsin("audit", "verify")
    assert (ended.code, ended.out.strip()) == (
        0,
        "records 1 to 4 are proven, by 2 signed heads, from 2023-11-14T22:13:20Z to 2023-11-14T22:13:20Z.",
    )
    assert "signed by ed25519:" in ended.err
    assert "seen with --anchor alone" in ended.err


def test_anchors_are_taken_from_notices_and_from_metrics(tocsin, log):
    parts = ",".join(f"{float(part):.17g}" for part in log.auditor.view().digest_parts)
    ended = tocsin("audit", "verify", "--anchor", log.anchor, "--anchor", f"4:{parts}", "--json")
    assert (ended.code, ended.json["ok"], ended.json["anchors"], ended.json["proven"]) == (0, True, 2, 4)


def test_an_edit_ends_with_1_and_says_where(tocsin, log):
    path = log.directory / "00000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"failed", b"worked"))
    ended = tocsin("audit", "verify")
    assert ended.code == 1
    assert "FAULT 00000001.jsonl:2: was changed" in ended.err
    assert tocsin("audit", "verify", "--json").json["ok"] is False


def test_an_anchor_that_is_not_met_ends_with_1(tocsin, log):
    assert tocsin("audit", "verify", "--anchor", f"4:{'0' * 64}").code == 1
    assert "before the anchor 9" in tocsin("audit", "verify", "--anchor", f"9:{'0' * 64}").err


@pytest.mark.parametrize("text", ["", "4", "x:y", f"0:{'0' * 64}", "4:1,2,3", "4:1,2,3,4,1e99", "4:nan,1,1,1,1"])
def test_what_is_no_anchor_is_a_wrong_command_line(tocsin, log, text):
    assert tocsin("audit", "verify", "--anchor", text).code == 2


def test_another_key_is_believed_only_where_it_signed(tocsin, log, tmp_path):
    from monitor.rollback.signing import keygen

    keygen(tmp_path / "other.key", tmp_path / "other.pub")
    assert tocsin("audit", "verify", "--key", log.directory / "audit.pub").code == 0
    assert tocsin("audit", "verify", "--key", tmp_path / "other.pub").code == 1


def test_a_copy_is_verified_without_settings(tocsin, log, tmp_path):
    copy = log.directory.rename(tmp_path / "copy")
    assert tocsin("audit", "verify", "--dir", copy).code == 0
    assert tocsin("audit", "verify").code == 1


def test_records_are_shown_newest_last_and_by_kind(tocsin, log):
    assert [row["seq"] for row in tocsin("audit", "show", "--json", "--last", "2").json] == [3, 4]
    assert [row["seq"] for row in tocsin("audit", "show", "--json", "--kind", "rollback").json] == [3, 4]
    assert "model=m why=r1 failed" in tocsin("audit", "show").out
    assert tocsin("audit", "show", "--kind", "nothing").out == "There are no such records.\n"


def test_what_is_exported_is_what_lies_there(tocsin, log):
    body = (log.directory / "00000001.jsonl").read_text()
    assert tocsin("audit", "export", "--json").out == body
    assert tocsin("audit", "export", "--from", "2", "--to", "3").out == "".join(body.splitlines(keepends=True)[1:3])


def test_a_line_that_is_not_intact_is_left_out_of_an_export_and_said(tocsin, log):
    path = log.directory / "00000001.jsonl"
    path.write_bytes(path.read_bytes().replace(b"failed", b"worked"))
    ended = tocsin("audit", "export")
    assert ("worked" in ended.out, "left out" in ended.err) == (False, True)


def test_who_makes_or_revokes_a_token_is_written_down_first(tocsin, log, home):
    made = tocsin("token", "create", "gw", "--scope", "read", "--state-dir", home / "state")
    assert tocsin("token", "revoke", "gw", "--state-dir", home / "state").code == 0
    *_, create, revoke = tocsin("audit", "show", "--json").json
    assert (create["kind"], create["subject"]["scopes"], revoke["kind"]) == ("token.create", "read", "token.revoke")
    assert create["actor"].startswith("cli:")
    assert made.out.strip().rpartition("_")[2] not in json.dumps([create, revoke])
    assert tocsin("audit", "verify").code == 0


def test_a_token_is_not_made_where_that_cannot_be_written_down(tocsin, home):
    before = (home / "tokens.json").read_text()
    ended = tocsin("token", "create", "gw", "--scope", "read", "--state-dir", home / "nowhere")
    assert (ended.code, "there is no audit log" in ended.err) == (1, True)
    assert (home / "tokens.json").read_text() == before
