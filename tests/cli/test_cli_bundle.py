"""What people type about bundles and the release index, and what they are told."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import released
from msgspec import structs

from monitor.cli.exits import Exit
from monitor.clock import ManualClock
from monitor.ingest.tokens import Scope
from monitor.rollback.release.document import encode
from monitor.rollback.signing import Purpose
from monitor.settings.sections import Audit
from monitor.turns.audit_start import open_audit

Tocsin = Callable[..., Any]


def create(tocsin: Tocsin, *more: object) -> Any:
    files = ("--checkpoint", "models/v2", "--reference", "reference.json", "--model", "delays")
    return tocsin("bundle", "create", *files, *more)


def statuses(tocsin: Tocsin, *more: object) -> list[str]:
    return [row["status"] for row in tocsin("bundle", "list", "--json", *more).json]


@pytest.fixture
def v2(home: Path) -> Path:
    (home / "models" / "v2").write_text("v2")
    return home


@pytest.fixture
def bare(v2: Path) -> Path:
    """What a newcomer has: no key, no index, no bundle."""
    for gone in ("releases.json", ".releases.json.seen", "release.key", "release.pub", "v1.delays.bundle.json"):
        (v2 / gone).unlink(missing_ok=True)
    return v2


def test_three_commands_lead_from_nothing_to_a_known_good(tocsin: Tocsin, bare: Path) -> None:
    assert tocsin("key", "generate").out.startswith("ed25519:")
    assert create(tocsin, "--name", "v2").code == Exit.OK
    assert tocsin("bundle", "approve", "v2", "--json").json["status"] == "known_good"
    assert tocsin("check-config", "tocsin.yaml").code == Exit.OK


@pytest.mark.parametrize("command", [("create",), ("list",), ("approve", "v1")])
def test_without_a_key_it_is_told_how_to_get_one(tocsin: Tocsin, bare: Path, command: tuple[str, ...]) -> None:
    ended = create(tocsin) if command == ("create",) else tocsin("bundle", *command)
    assert ended.code == Exit.PROBLEMS
    assert "tocsin key generate" in ended.err


def test_a_key_is_never_overwritten(tocsin: Tocsin, home: Path) -> None:
    before = (home / "release.key").read_bytes()
    assert tocsin("key", "generate").code == Exit.PROBLEMS
    assert (home / "release.key").read_bytes() == before


def test_a_bundle_is_a_candidate_until_it_is_approved(tocsin: Tocsin, v2: Path) -> None:
    ended = create(tocsin, "--name", "v2")
    assert ended.out.startswith("sha256:")
    assert "tocsin bundle approve v2" in ended.err
    assert statuses(tocsin) == ["known_good", "candidate"]
    tocsin("bundle", "approve", "v2")
    assert statuses(tocsin) == ["known_good", "known_good"]


def test_what_to_type_next_names_the_same_index(tocsin: Tocsin, v2: Path) -> None:
    ended = create(tocsin, "--name", "v2", "--index", "my releases.json")
    command = ended.err.partition("candidate: ")[2].partition(" makes")[0]
    assert tocsin(*shlex.split(command)[1:], "--json").json["status"] == "known_good"


def test_the_same_bundle_again_changes_nothing(tocsin: Tocsin, v2: Path) -> None:
    first = create(tocsin, "--name", "v2")
    before = (v2 / "releases.json").read_bytes()
    again = create(tocsin, "--name", "v2")
    assert (again.code, again.out) == (Exit.OK, first.out)
    assert (v2 / "releases.json").read_bytes() == before


def test_a_bundle_is_found_by_the_beginning_of_its_id(tocsin: Tocsin, home: Path) -> None:
    ident = released.load(home / "releases.json")[0].id.removeprefix("sha256:")
    assert tocsin("bundle", "revoke", ident[:8], "--json").json["status"] == "revoked"


def test_files_are_named_as_seen_from_the_index(tocsin: Tocsin, v2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(v2 / "models")
    files = ("--checkpoint", "v2", "--reference", "../reference.json", "--index", "../releases.json")
    made = tocsin("bundle", "create", *files, "--model", "delays", "--key", "../release.key", "--json").json
    assert (made["checkpoint"], made["reference"]) == ("models/v2", "reference.json")


def test_a_checkpoint_may_be_a_directory(tocsin: Tocsin, home: Path) -> None:
    folder = home / "bundles" / "v3"
    (folder / "model" / "weights").mkdir(parents=True)
    (folder / "model" / "config").write_text("c")
    (folder / "model" / "weights" / "0").write_text("w")
    shutil.copy(home / "reference.json", folder / "reference.json")
    files = ("--checkpoint", folder / "model", "--reference", folder / "reference.json", "--model", "delays")
    made = tocsin("bundle", "create", *files, "--name", "v3", "--json").json
    assert (made["checkpoint"], made["reference"]) == ("bundles/v3/model", "bundles/v3/reference.json")
    assert (folder / "bundle.json").is_file()
    (folder / "model" / "hook.py").write_text("import os")
    assert "is no file of the bundle" in tocsin("bundle", "approve", "v3").err


def test_a_bundle_is_verified_before_it_is_approved(tocsin: Tocsin, v2: Path) -> None:
    create(tocsin, "--name", "v2")
    (v2 / "models" / "v2").write_text("vX")
    ended = tocsin("bundle", "approve", "v2")
    assert ended.code == Exit.PROBLEMS
    assert "other bytes" in ended.err
    assert statuses(tocsin) == ["known_good", "candidate"]


def test_verify_reads_every_bundle_that_is_not_revoked(tocsin: Tocsin, v2: Path) -> None:
    create(tocsin, "--name", "v2")
    assert len(tocsin("bundle", "verify", "--json").json["verified"]) == 2
    (v2 / "models" / "v2").unlink()
    assert tocsin("bundle", "verify").code == Exit.PROBLEMS
    assert tocsin("bundle", "verify", "v1").code == Exit.OK
    tocsin("bundle", "revoke", "v2", "--reason", "lost")
    assert tocsin("bundle", "verify").code == Exit.OK


def test_two_people_approve_where_two_are_demanded(tocsin: Tocsin, v2: Path) -> None:
    tocsin("key", "generate", "bob.key")
    both = ("--trust", "release.pub", "--trust", "bob.pub", "--approvers", "2")
    create(tocsin, "--name", "v2")
    first = tocsin("bundle", "approve", "v2", *both)
    assert "is candidate" in first.err
    assert "1 of 2 people have approved" in first.err
    assert tocsin("bundle", "approve", "v2", *both, "--json").json["status"] == "candidate"  # the same person again
    assert tocsin("bundle", "approve", "v2", *both, "--key", "bob.key", "--json").json["status"] == "known_good"


def test_an_index_that_two_must_sign_changes_with_the_second_signature(tocsin: Tocsin, v2: Path) -> None:
    tocsin("key", "generate", "bob.key")
    both = ("--trust", "release.pub", "--trust", "bob.pub", "--signers", "2")
    assert "1 of those trusted for this index signed it, 2 must" in tocsin("bundle", "revoke", "v1", *both).err
    assert "added as known_good" in tocsin("bundle", "sign", *both, "--key", "bob.key").err
    assert "another signature" in tocsin("bundle", "revoke", "v1", *both).err
    both = both[:4]
    assert statuses(tocsin, *both) == ["known_good"]
    assert "waits for a signature" in tocsin("bundle", "refresh", *both).err
    signed = tocsin("bundle", "sign", *both, "--signers", "2", "--key", "bob.key")
    assert "known_good -> revoked" in signed.err
    assert statuses(tocsin, *both) == ["revoked"]


def test_a_build_system_signs_and_somebody_else_adds(tocsin: Tocsin, v2: Path) -> None:
    tocsin("key", "generate", "ci.key")
    both = ("--trust", "release.pub", "--trust", "ci.pub")
    made = create(tocsin, "--name", "v2", "--no-add", "--key", "ci.key").out.strip()
    assert statuses(tocsin) == ["known_good"]
    assert tocsin("bundle", "add", made, *both, "--json").json["name"] == "v2"
    assert "nobody who is trusted" in tocsin("bundle", "list").err


def test_what_is_said_of_a_bundle_is_kept(tocsin: Tocsin, v2: Path) -> None:
    batch = {"digest": "sha256:" + "a" * 64, "source": "ops", "rows": 10, "start": 1.0, "end": 2.0}
    (v2 / "lineage.json").write_text(json.dumps({"batches": [batch], "cutoff": 2.0}))
    said = ("--lineage", "lineage.json", "--evaluation", "accuracy=0.91", "--locator", "mlflow=7")
    create(tocsin, "--name", "v2", *said, "--parent", released.load(v2 / "releases.json")[0].id)
    shown = tocsin("bundle", "show", "v2", "--json").json
    assert (shown["lineage"], shown["cutoff"], shown["evaluation"]) == ([batch], 2.0, {"accuracy": 0.91})
    assert (shown["locators"], len(shown["parents"])) == ({"mlflow": "7"}, 1)
    assert shown["no_target"] == "it is candidate"
    assert "accuracy: 0.91" in tocsin("bundle", "show", "v2").out


def test_how_far_its_data_reach_is_kept_without_a_lineage(tocsin: Tocsin, v2: Path) -> None:
    create(tocsin, "--name", "v2", "--cutoff", "1970-01-01T00:01:40Z")
    shown = tocsin("bundle", "show", "v2", "--json").json
    assert (shown["lineage"], shown["cutoff"]) == ([], 100.0)


HINT = "neither what it was trained on nor up to when"


def test_a_bundle_that_says_nothing_of_its_data_is_made_and_the_person_is_told(tocsin: Tocsin, v2: Path) -> None:
    ended = create(tocsin, "--name", "v2", "--json")
    assert (ended.code, ended.json["name"], HINT in ended.err) == (Exit.OK, "v2", True)
    assert HINT in create(tocsin, "--name", "v2", "--no-add").err


@pytest.mark.parametrize("said", [("--cutoff", "1970-01-01T00:01:40Z"), ("--lineage", "lineage.json")])
def test_a_bundle_that_says_how_far_its_data_reach_needs_no_hint(
    tocsin: Tocsin, v2: Path, said: tuple[str, str]
) -> None:
    (v2 / "lineage.json").write_text('{"cutoff": 2.0}')
    assert HINT not in create(tocsin, "--name", "v2", *said).err


def test_what_differs_between_two_bundles_is_shown(tocsin: Tocsin, v2: Path) -> None:
    create(tocsin, "--name", "v2")
    rows = {row["what"]: (row["one"], row["other"]) for row in tocsin("bundle", "diff", "v1", "v2", "--json").json}
    assert rows["checkpoint"] == ("models/v1", "models/v2")
    assert "reference_digest" not in rows
    assert "They are the same" in tocsin("bundle", "diff", "v1", "v1").out


def test_a_quarantined_bundle_must_be_approved_anew(tocsin: Tocsin, home: Path) -> None:
    assert tocsin("bundle", "quarantine", "v1", "--reason", "flipped labels", "--json").json["approved"] == []
    assert statuses(tocsin) == ["quarantined"]
    assert tocsin("bundle", "show", "v1", "--json").json["reason"] == "flipped labels"
    assert tocsin("bundle", "approve", "v1", "--json").json["status"] == "known_good"


def test_what_is_revoked_stays_so(tocsin: Tocsin, home: Path) -> None:
    tocsin("bundle", "revoke", "v1")
    for again in ("approve", "quarantine"):
        assert "is revoked, and stays so" in tocsin("bundle", again, "v1").err
    assert statuses(tocsin) == ["revoked"]


def test_a_refresh_is_a_new_serial_and_a_new_end(tocsin: Tocsin, home: Path) -> None:
    before = tocsin("bundle", "refresh", "--valid", "1d", "--json").json
    after = tocsin("bundle", "refresh", "--valid", "30d", "--floor", "2", "--json").json
    assert after["serial"] == before["serial"] + 1
    assert after["expires"] > before["expires"]
    assert "never lowered" in tocsin("bundle", "refresh", "--floor", "1").err
    assert tocsin("bundle", "show", "v1", "--json").json["no_target"].endswith("below the floor 2")


def test_an_old_index_that_was_put_back_is_refused(tocsin: Tocsin, home: Path) -> None:
    old = (home / "releases.json").read_bytes()
    tocsin("bundle", "revoke", "v1")
    (home / "releases.json").write_bytes(old)
    ended = tocsin("bundle", "list")
    assert (ended.code, "an old index was put back" in ended.err) == (Exit.PROBLEMS, True)


def test_a_spent_approval_that_was_attached_again_is_refused(tocsin: Tocsin, home: Path) -> None:
    index = home / "releases.json"
    approved = released.editor(index).read().document.bundles
    tocsin("bundle", "quarantine", "v1")
    now = released.editor(index).read().document
    body = encode(structs.replace(now, serial=now.serial + 1, bundles=approved))
    index.write_bytes(released.signer(home).sign(Purpose.INDEX, body))
    ended = tocsin("bundle", "list")
    assert (ended.code, "that approval is spent" in ended.err) == (Exit.PROBLEMS, True)


def test_an_expired_index_is_still_shown(tocsin: Tocsin, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1e10)
    ended = tocsin("bundle", "list")
    assert (ended.code, "has expired" in ended.err, "known_good" in ended.out) == (Exit.OK, True, True)


@pytest.mark.parametrize("always", [True, False])
def test_a_bar_is_shown_on_a_terminal_or_when_it_is_asked_for(tocsin: Tocsin, home: Path, *, always: bool) -> None:
    ended = tocsin("bundle", "verify", *(["--progress"] if always else []))
    assert ended.code == Exit.OK
    assert ("reading v1" in ended.err) is always


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("approve", "v9"), "there is no bundle 'v9'"),
        (("approve", ""), "there is no bundle"),
        (("revoke", "v9"), "tocsin bundle list"),
        (("list", "--index", "gone.json"), "No such file"),
        (("add", "gone.json"), "No such file"),
        (("sign", "gone.json"), "No such file"),
    ],
)
def test_a_bundle_command_says_what_to_do(tocsin: Tocsin, home: Path, arguments: tuple[str, ...], said: str) -> None:
    ended = tocsin("bundle", *arguments)
    assert (ended.code, ended.out) == (Exit.PROBLEMS, "")
    assert said in ended.err


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (("--checkpoint", "gone"), Exit.PROBLEMS, "gone"),
        (("--checkpoint", "/etc/hostname"), Exit.USAGE, "beside or below"),
        (("--reference", "gone.json"), Exit.PROBLEMS, "tocsin reference build"),
        (("--reference", "models/v1"), Exit.PROBLEMS, "damaged"),
        (("--model", "arrivals"), Exit.PROBLEMS, "a profile of delays, not of arrivals"),
        (("--evaluation", "accuracy=good"), Exit.USAGE, "is no number"),
        (("--locator", "mlflow"), Exit.USAGE, "no name=value"),
        (("--lineage", "gone.json"), Exit.PROBLEMS, "cannot be read"),
        (("--lineage", "rules.yaml"), Exit.PROBLEMS, "is no lineage"),
        (("--cutoff", "yesterday"), Exit.USAGE, "is no time"),
        (("--parent", "v1"), Exit.PROBLEMS, "parents"),
        (("--out", "models/x.json"), Exit.USAGE, "choose another --out"),
        (("--valid", "soon"), Exit.USAGE, "as in --valid 90d"),
        (("--key", "release.pub"), Exit.PROBLEMS, "release.pub"),
    ],
)
def test_what_cannot_be_created_is_told(
    tocsin: Tocsin, v2: Path, change: tuple[str, str], code: Exit, said: str
) -> None:
    before = (v2 / "releases.json").read_bytes()
    options = {"--checkpoint": "models/v2", "--reference": "reference.json", "--model": "delays"} | dict([change])
    ended = tocsin("bundle", "create", *(part for pair in options.items() for part in pair))
    assert ended.code == code
    assert said in ended.err
    assert (v2 / "releases.json").read_bytes() == before
    assert not list(v2.rglob("v2.bundle.json"))


# ---------------------------------------------------------------- the audit log of the daemon


@pytest.fixture
def audited(v2: Path) -> Path:
    """The state directory of a daemon that has begun its audit log."""
    state = v2 / "state"
    open_audit(SimpleNamespace(state_dir=state, audit=Audit()), ManualClock(1_700_000_000.0))
    return state


def written(tocsin: Tocsin) -> list[Any]:
    return [row for row in tocsin("audit", "show", "--json").json if row["kind"].startswith("bundle.")]


def test_who_changes_the_index_is_written_down(tocsin: Tocsin, audited: Path) -> None:
    place = ("--state-dir", audited)
    create(tocsin, "--name", "v2", "--no-add", *place)
    for command in (
        ("add", "v2.bundle.json"),
        ("approve", "v2"),
        ("quarantine", "v2", "--reason", "flipped labels"),
        ("revoke", "v2"),
        ("refresh",),
        ("sign",),
        ("sign", "v2.bundle.json"),
    ):
        assert tocsin("bundle", *command, *place).code == Exit.OK
    rows = written(tocsin)
    kinds = ["create", "add", "approve", "quarantine", "revoke", "refresh", "sign", "sign"]
    assert [row["kind"] for row in rows] == [f"bundle.{kind}" for kind in kinds]
    assert {row["actor"].partition(":")[0] for row in rows} == {"cli"}
    assert {row["subject"]["key"][:8] for row in rows} == {"ed25519:"}
    assert (rows[3]["subject"]["reason"], rows[3]["subject"]["status"]) == ("flipped labels", "known_good")
    assert rows[3]["subject"]["bundle"] == tocsin("bundle", "show", "v2", "--json").json["id"]


def test_the_state_directory_may_come_from_the_environment(
    tocsin: Tocsin, audited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOCSIN_STATE_DIR", str(audited))
    tocsin("bundle", "refresh")
    assert [row["kind"] for row in written(tocsin)] == ["bundle.refresh"]


def test_without_a_state_directory_nothing_is_written_down(tocsin: Tocsin, audited: Path) -> None:
    assert tocsin("bundle", "refresh").code == Exit.OK
    assert written(tocsin) == []


@pytest.mark.parametrize(
    "command",
    [
        ("add", "v1.delays.bundle.json"),
        ("approve", "v1"),
        ("quarantine", "v1"),
        ("revoke", "v1"),
        ("refresh",),
        ("sign",),
        ("sign", "v1.delays.bundle.json"),
    ],
)
def test_what_cannot_be_written_down_is_not_done(tocsin: Tocsin, v2: Path, command: tuple[str, ...]) -> None:
    before = {path: path.read_bytes() for path in v2.glob("*.json")}
    ended = tocsin("bundle", *command, "--state-dir", v2 / "nowhere")
    assert (ended.code, "there is no audit log" in ended.err) == (Exit.PROBLEMS, True)
    assert {path: path.read_bytes() for path in v2.glob("*.json")} == before


def test_a_bundle_that_cannot_be_written_down_is_not_made(tocsin: Tocsin, v2: Path) -> None:
    assert create(tocsin, "--name", "v2", "--state-dir", v2 / "nowhere").code == Exit.PROBLEMS
    assert not (v2 / "v2.bundle.json").exists()


def promoted(tocsin: Tocsin, api: Any, **told: object) -> Any:
    """What comes of promoting v2 when the daemon says this of what is served."""
    create(tocsin, "--name", "v2")
    [ident] = [row["id"] for row in tocsin("bundle", "list", "--json").json if row["name"] == "v2"]
    gates = [{"name": "soak", "held": told.get("earned"), "why": "served for 9 d, needs 7 d"}]
    api.control.results["promotion"] = {"bundle": ident, "name": "v2", "earned": True, "gates": gates} | told
    return tocsin("bundle", "promote", "v2", "--url", api.url, "--token-file", api.token_file(Scope.READ))


def test_what_has_earned_it_is_approved_by_the_persons_key(tocsin: Tocsin, v2: Path, api: Any) -> None:
    ended = promoted(tocsin, api, earned=True)
    assert (ended.code, statuses(tocsin)) == (Exit.OK, ["known_good", "known_good"])
    assert "yes: soak: served for 9 d" in ended.err
    assert api.control.asked == [("promotion", "delays")]


@pytest.mark.parametrize("earned", [False, None])
def test_what_has_not_or_is_not_known_to_is_not_approved(tocsin: Tocsin, v2: Path, api: Any, earned: object) -> None:
    ended = promoted(tocsin, api, earned=earned)
    assert (ended.code, statuses(tocsin)) == (Exit.REFUSED, ["known_good", "candidate"])
    assert f"{'unknown' if earned is None else 'no'}: soak" in ended.err


def test_evidence_about_another_bundle_promotes_none(tocsin: Tocsin, v2: Path, api: Any) -> None:
    ended = promoted(tocsin, api, bundle="sha256:another", name="v3", earned=True)
    assert (ended.code, statuses(tocsin)) == (Exit.REFUSED, ["known_good", "candidate"])
    assert "the daemon watches v3, not this one" in ended.err
