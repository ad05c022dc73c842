"""The release index as a reader sees it: the attacks that The Update Framework names, one by one, and tampering."""

import base64
import json
from pathlib import Path

import pytest
import released
from msgspec.structs import replace
from released import NOW, VALID_S

from monitor.errors import Permanent, SettingsError
from monitor.facts import BundleStatus, ModelName
from monitor.rollback.manifest import Role
from monitor.rollback.release import document as documents
from monitor.rollback.release.approval import approval_of
from monitor.rollback.release.belief import NOBODY, Belief
from monitor.rollback.release.document import Document
from monitor.rollback.release.memory import ASIDE_MAX, IndexMemory
from monitor.rollback.release.read import load
from monitor.rollback.release.verify import verify
from monitor.rollback.signing import Purpose

DELAYS = ModelName("delays")


@pytest.fixture
def belief(releases):
    return released.belief(releases.index)


def refused(releases, belief, memory=None):
    with pytest.raises(SettingsError) as error:
        load(releases.index, belief, memory or IndexMemory())
    return str(error.value)


def signed(releases, by="release", **changes):
    """Put an index there whose document was changed and signed by somebody."""
    before = releases.read().document
    body = documents.encode(replace(before, **changes))
    releases.index.write_bytes(released.signer(releases.folder, by).sign(Purpose.INDEX, body))


def entries(releases, **changes):
    """The entries, the first one changed."""
    first, *rest = releases.read().document.bundles
    return (replace(first, **changes), *rest)


# ---------------------------------------------------------------- what is there


def test_bundles_come_in_order_with_what_their_manifests_say(releases, belief):
    index = load(releases.index, belief)
    assert index.bundles == (releases.v1, releases.v2)
    assert (releases.v1.checkpoint, releases.v1.order, releases.v1.name) == ("v1.bin", 1, "v1")
    assert releases.v1.approved == index.signed


def test_lineage_and_locators_reach_the_bundle(releases, belief):
    (releases.folder / "v3.bin").write_bytes(b"v3")
    said = {"parents": (releases.v1.id,), "locators": {"mlflow": "7"}}
    made = released.register(releases.index, DELAYS, "v3.bin", "v1.json", wall=3.0, name="v3", **said)
    assert (made.parents, made.locators, made.cutoff) == ((releases.v1.id,), {"mlflow": "7"}, None)


def test_an_index_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SettingsError, match="No such file"):
        load(tmp_path / "releases.json", NOBODY)


# ---------------------------------------------------------------- TUF's attacks


def test_rollback_an_older_index_is_refused(releases, belief):
    old = releases.index.read_bytes()
    released.set_status(releases.index, releases.v1.id, BundleStatus.REVOKED)
    memory = load(releases.index, belief).memory
    releases.index.write_bytes(old)
    assert "an old index was put back" in refused(releases, belief, memory)


def test_freeze_an_expired_index_is_shown_and_gives_no_targets(releases, belief):
    index = load(releases.index, belief)
    assert index.no_target(releases.v1.id, NOW) == ""
    assert not index.expired(NOW + VALID_S - 1)
    assert index.expired(NOW + VALID_S)
    assert index.no_target(releases.v1.id, NOW + VALID_S) == "the release index has expired"
    assert index.bundles[0].status is BundleStatus.KNOWN_GOOD


def test_fast_forward_a_serial_far_ahead_is_refused(releases, belief):
    memory = load(releases.index, belief).memory
    signed(releases, serial=memory.serial + belief.ahead_max)
    assert load(releases.index, belief, memory)
    signed(releases, serial=memory.serial + belief.ahead_max + 1)
    assert "more than 1000 ahead" in refused(releases, belief, memory)


def test_new_keys_begin_anew_after_a_stolen_one_signed_a_huge_serial(releases, belief):
    huge = replace(load(releases.index, belief).memory, serial=1 << 53)
    assert "an old index was put back" in refused(releases, belief, huge)
    both = released.belief(releases.index, "release", "new")
    assert load(releases.index, both, huge).memory.serial < 1 << 53


def test_mix_and_match_another_manifest_under_an_entry_is_refused(releases, belief):
    signed(releases, bundles=entries(releases, id="sha256:" + "0" * 64))
    assert "is not the manifest of sha256:000" in refused(releases, belief)


def test_mix_and_match_a_signed_manifest_in_the_place_of_another_is_refused(releases, belief):
    one, other = (releases.folder / f"{name}.delays.bundle.json" for name in ("v1", "v2"))
    one.write_bytes(other.read_bytes())
    assert "is not the manifest of" in refused(releases, belief)


def test_mix_and_match_files_of_another_bundle_are_refused(releases, belief):
    (releases.folder / "v1.bin").write_bytes((releases.folder / "v2.bin").read_bytes())
    with pytest.raises(Permanent, match="other bytes"):
        verify(load(releases.index, belief), releases.v1.id)


def test_arbitrary_file_what_was_never_signed_is_refused(releases, belief):
    releases.index.write_text(json.dumps({"format": "tocsin-release-index", "version": 1, "bundles": []}))
    assert "never signed" in refused(releases, belief)


def test_arbitrary_file_in_a_checkpoint_directory_is_refused(releases, belief):
    folder = releases.folder / "m"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_text(name)
    files = {"m/a": Role.CHECKPOINT, "m/b": Role.CHECKPOINT, "v1.json": Role.REFERENCE}
    made = released.bundle(releases.index, files, DELAYS, "m")
    index = load(releases.index, belief)
    verify(index, made.id)
    (folder / "c").write_text("c")
    with pytest.raises(Permanent, match="is no file of the bundle"):
        verify(index, made.id)


def test_wrong_signer_an_index_by_somebody_else_is_refused(releases, belief):
    signed(releases, by="mallory")
    assert "nobody who is trusted for this index signed it" in refused(releases, belief)


def test_wrong_signer_who_may_sign_bundles_may_not_sign_the_index(releases):
    [public] = released.trust(releases.folder, "ci")
    builders = Belief.load(released.trust(releases.folder), [public])
    signed(releases, by="ci")
    assert "nobody who is trusted for this index" in refused(releases, builders)


def test_wrong_signer_a_bundle_by_somebody_else_is_refused(releases):
    stranger = Belief.load(released.trust(releases.folder, "other"))
    signed(releases, by="other")
    assert "nobody who is trusted for this bundle signed it" in refused(releases, stranger)


def test_wrong_signer_an_index_is_no_bundle_and_no_approval_an_index(releases, belief):
    approval = releases.read().document.bundles[0].approval
    releases.index.write_text(approval)
    assert "no release index" in refused(releases, belief)
    releases.index.write_bytes((releases.folder / "v1.delays.bundle.json").read_bytes())
    assert "another purpose" in refused(releases, belief)


def test_too_few_signers_are_refused(releases):
    two = released.belief(releases.index, "release", "bob", index_min=2)
    assert "1 of those trusted for this index signed it, 2 must" in refused(releases, two)
    bundles = released.belief(releases.index, "release", "bob", bundle_min=2)
    assert "1 of those trusted for this bundle signed it, 2 must" in refused(releases, bundles)


def test_equivocation_other_bytes_under_a_serial_that_was_seen_are_refused(releases, belief):
    memory = load(releases.index, belief).memory
    signed(releases, expires=NOW + 1.0)
    assert "two were signed under one number" in refused(releases, belief, memory)


def test_a_signature_more_is_no_equivocation(releases):
    both = released.belief(releases.index, "release", "bob")
    memory = load(releases.index, both).memory
    added = released.signer(releases.folder, "bob").add(Purpose.INDEX, releases.index.read_bytes())
    releases.index.write_bytes(added)
    assert load(releases.index, both, memory).memory == memory


def test_lowered_floor_is_refused_whatever_the_serial_and_the_keys(releases, belief):
    memory = replace(load(releases.index, belief).memory, floor=3)
    signed(releases, serial=memory.serial + 1, floor=2)
    assert "the floor is never lowered" in refused(releases, belief, memory)
    assert "the floor is never lowered" in refused(releases, belief, replace(memory, signers="others"))


def test_a_bundle_below_the_floor_is_no_target(releases, belief):
    signed(releases, floor=1)
    assert "below the floor 1" in load(releases.index, belief).no_target(releases.v1.id, NOW)


@pytest.mark.parametrize("status", [BundleStatus.CANDIDATE, BundleStatus.QUARANTINED, BundleStatus.REVOKED])
def test_what_is_not_known_good_is_no_target(releases, belief, status):
    released.set_status(releases.index, releases.v1.id, status)
    assert load(releases.index, belief).no_target(releases.v1.id, NOW) == f"it is {status.value}"


def test_what_the_index_does_not_know_is_no_target(releases, belief):
    index = load(releases.index, belief)
    assert "does not know it" in index.no_target("sha256:gone", NOW)
    with pytest.raises(Permanent, match="does not know"):
        verify(index, "sha256:gone")


# ---------------------------------------------------------------- approvals


def test_who_signs_the_index_cannot_approve_for_others(releases):
    two = released.belief(releases.index, "release", "bob", approvers_min=2)
    assert load(releases.index, two).bundles[0].status is BundleStatus.CANDIDATE
    released.editor(releases.index, "bob", two).approve(releases.v1.id)
    assert load(releases.index, two).bundles[0].status is BundleStatus.KNOWN_GOOD


def test_an_approval_is_of_one_bundle(releases, belief):
    approval = releases.read().document.bundles[0].approval
    first, second = releases.read().document.bundles
    signed(releases, bundles=(first, replace(second, approval=approval, status=BundleStatus.KNOWN_GOOD)))
    found = load(releases.index, belief).bundles[1]
    assert (found.status, found.approved) == (BundleStatus.CANDIDATE, ())


@pytest.mark.parametrize("approval", ["", "x", "{}"])
def test_known_good_without_an_approval_is_a_candidate(releases, belief, approval):
    signed(releases, bundles=entries(releases, approval=approval))
    assert load(releases.index, belief).bundles[0].status is BundleStatus.CANDIDATE


# ---------------------------------------------------------------- approvals that are spent
# Whoever may sign the index alone drops what colleagues set aside, and attaches again what they signed before.


def set_aside(releases, status):
    """v1's approval as it was, and what a reader remembers who saw v1 set aside after it."""
    approval = releases.read().document.bundles[0].approval
    released.set_status(releases.index, releases.v1.id, status)
    return approval, load(releases.index, released.belief(releases.index)).memory


def approved_again(releases, approval, ahead=1, **changes):
    """The next index, in which v1 is known-good by this approval."""
    serial = releases.read().document.serial + ahead
    changes = {"status": BundleStatus.KNOWN_GOOD, "approval": approval, "aside": 0, "reason": ""} | changes
    signed(releases, serial=serial, bundles=entries(releases, **changes))


@pytest.mark.parametrize("status", [BundleStatus.QUARANTINED, BundleStatus.CANDIDATE])
def test_spent_approval_a_reader_remembers_though_the_index_is_silent(releases, belief, status):
    approval, memory = set_aside(releases, status)
    approved_again(releases, approval)
    assert "that approval is spent" in refused(releases, belief, memory)


@pytest.mark.parametrize("status", [BundleStatus.QUARANTINED, BundleStatus.CANDIDATE])
def test_spent_approval_a_reader_without_memory_sees_it_where_the_index_has_the_date(releases, belief, status):
    approval, memory = set_aside(releases, status)
    approved_again(releases, approval, aside=memory.serial)
    assert "that approval is spent" in refused(releases, belief)


def test_spent_approval_is_remembered_over_any_number_of_later_indexes(releases, belief):
    approval, memory = set_aside(releases, BundleStatus.QUARANTINED)
    first, second = releases.read().document.bundles
    signed(releases, serial=memory.serial + 1, bundles=(second,))  # v1 is not even named
    memory = load(releases.index, belief, memory).memory
    first = replace(first, status=BundleStatus.KNOWN_GOOD, approval=approval, aside=0)
    signed(releases, serial=memory.serial + 1, bundles=(first, second))
    assert "that approval is spent" in refused(releases, belief, memory)


def test_spent_approval_a_quarantine_that_does_not_say_since_when_outdates_all_the_same(releases, belief):
    approval, memory = set_aside(releases, BundleStatus.QUARANTINED)
    signed(releases, serial=memory.serial + 1, bundles=entries(releases, aside=0))
    memory = load(releases.index, belief).memory  # of one who never saw the index before
    approved_again(releases, approval)
    assert "that approval is spent" in refused(releases, belief, memory)


def test_what_was_set_aside_later_than_the_index_itself_cannot_be(releases, belief):
    first, second = releases.read().document.bundles
    signed(releases, bundles=(first, replace(second, aside=releases.read().document.serial + 1)))
    assert "which is later than itself" in refused(releases, belief)


def test_spent_approval_what_was_signed_in_between_is_spent_by_what_was_seen_later(releases, belief):
    set_aside(releases, BundleStatus.QUARANTINED)
    released.set_status(releases.index, releases.v1.id, BundleStatus.KNOWN_GOOD)
    approval, memory = set_aside(releases, BundleStatus.QUARANTINED)
    approved_again(releases, approval, aside=memory.serial - 2)  # the first quarantine alone
    assert load(releases.index, belief)
    assert "that approval is spent" in refused(releases, belief, memory)


def test_revival_what_was_seen_revoked_is_refused_as_anything_else(releases, belief):
    _, memory = set_aside(releases, BundleStatus.REVOKED)
    fresh = approval_of(releases.v1.id, memory.serial)
    approval = released.signer(releases.folder).sign(Purpose.INDEX, fresh).decode()
    for status in (BundleStatus.KNOWN_GOOD, BundleStatus.CANDIDATE, BundleStatus.QUARANTINED):
        approved_again(releases, approval, status=status)
        assert "it was seen revoked: that is for ever" in refused(releases, belief, memory)


def test_revival_is_refused_from_new_keys_too_and_a_lower_serial(releases, belief):
    approval, memory = set_aside(releases, BundleStatus.REVOKED)
    approved_again(releases, approval, ahead=-1)
    assert "that is for ever" in refused(releases, belief, replace(memory, signers="others"))


def test_new_keys_that_begin_anew_forget_quarantines_and_those_that_go_on_do_not(releases, belief):
    approval, memory = set_aside(releases, BundleStatus.QUARANTINED)
    approved_again(releases, approval)
    assert "spent" in refused(releases, belief, replace(memory, signers="others"))
    huge = replace(memory, signers="others", serial=1 << 53, aside=dict.fromkeys(memory.aside, 1 << 53))
    assert load(releases.index, belief, huge).memory.aside == {}


def test_an_approval_from_the_future_that_would_outlive_a_quarantine_is_refused(releases, belief):
    later = approval_of(releases.v1.id, releases.read().document.serial + 2)
    approved_again(releases, released.signer(releases.folder).sign(Purpose.INDEX, later).decode())
    assert "which is later than this index" in refused(releases, belief)


@pytest.mark.parametrize(
    "form", [lambda b: b.replace(b":2}", b":1}"), lambda b: b.replace(b'"serial"', b'"n":0,"serial"')]
)
def test_an_approval_of_another_form_is_none(releases, belief, form):
    payload = form(approval_of(releases.v1.id, 1))
    approved_again(releases, released.signer(releases.folder).sign(Purpose.INDEX, payload).decode())
    assert load(releases.index, belief).bundles[0].approved == ()


def test_what_people_approve_of_anew_is_known_good_again_for_everybody(releases, belief):
    _, memory = set_aside(releases, BundleStatus.QUARANTINED)
    released.set_status(releases.index, releases.v1.id, BundleStatus.KNOWN_GOOD)
    for remembered in (memory, IndexMemory()):
        assert load(releases.index, belief, remembered).bundles[0].status is BundleStatus.KNOWN_GOOD


def test_a_colleague_does_not_complete_a_spent_approval(releases):
    two = released.belief(releases.index, "release", "bob", approvers_min=2)
    approval, memory = set_aside(releases, BundleStatus.QUARANTINED)
    released.editor(releases.index).read()  # the command line saw it, too
    approved_again(releases, approval, status=BundleStatus.CANDIDATE)
    assert load(releases.index, two, memory).bundles[0].approved == ()
    found = released.editor(releases.index, "bob", two).approve(releases.v1.id)
    assert (found.status, len(found.approved)) == (BundleStatus.CANDIDATE, 1)


def test_no_more_bundles_are_remembered_than_the_bound_and_none_is_forgotten_for_another(releases, belief):
    _, memory = set_aside(releases, BundleStatus.QUARANTINED)
    others = {f"sha256:{i:064x}": 1 for i in range(ASIDE_MAX)}
    full = replace(memory, aside=others)
    assert f"more bundles than the {ASIDE_MAX}" in refused(releases, belief, full)
    del others["sha256:" + "0" * 64]
    assert len(load(releases.index, belief, replace(memory, aside=others)).memory.aside) == ASIDE_MAX


# ---------------------------------------------------------------- its form


@pytest.mark.parametrize(
    "changes",
    [
        {"path": "/etc/passwd"},
        {"path": "../v1.delays.bundle.json"},
        {"path": "./v1.delays.bundle.json"},
        {"path": "v2.delays.bundle.json"},
        {"path": "gone.json"},
        {"order": 2},
        {"order": -1},
        {"id": "sha256:1"},
        {"security": -1},
        {"reason": "x" * 2000},
    ],
)
def test_an_entry_that_cannot_be_is_refused_though_it_is_signed(releases, belief, changes):
    signed(releases, bundles=entries(releases, **changes))
    assert refused(releases, belief)


@pytest.mark.parametrize(
    "changes",
    [{"serial": 0}, {"serial": 1 << 60}, {"floor": -1}, {"expires": NOW}, {"version": 1}, {"format": "tocsin-bundle"}],
)
def test_an_index_that_cannot_be_is_refused_though_it_is_signed(releases, belief, changes):
    signed(releases, **changes)
    assert refused(releases, belief)


@pytest.mark.parametrize(
    "change", [lambda b: b + b" ", lambda b: b.replace(b'"floor"', b'"x":1,"floor"'), lambda _: b"["]
)
def test_another_form_is_refused_though_it_is_signed(releases, belief, change):
    body = change(documents.encode(releases.read().document))
    releases.index.write_bytes(released.signer(releases.folder).sign(Purpose.INDEX, body))
    assert refused(releases, belief)


def test_all_manifests_that_are_wrong_are_told_at_once(releases, belief):
    for name in ("v1", "v2"):
        (releases.folder / f"{name}.delays.bundle.json").write_text("{}")
    assert len(refused(releases, belief).splitlines()) == 2


def test_what_was_encoded_is_decoded():
    document = Document(7, 1.0, 2.0, 3)
    assert documents.decode(documents.encode(document), "") == document


# ---------------------------------------------------------------- every byte


def flips(path: Path):
    """Every file that differs from this one in one bit of one byte; afterwards it is as it was."""
    body = path.read_bytes()
    for i, byte in enumerate(body):
        path.write_bytes(body[:i] + bytes([byte ^ (1 << i % 8)]) + body[i + 1 :])
        yield i
    path.write_bytes(body)


@pytest.mark.parametrize("name", ["releases.json", "v1.delays.bundle.json"])
def test_every_byte_that_is_changed_in_index_and_manifest_is_seen(releases, belief, name):
    for _ in flips(releases.folder / name):
        assert refused(releases, belief)
    assert load(releases.index, belief)


@pytest.mark.parametrize("name", ["v1.bin", "v1.json"])
def test_every_byte_that_is_changed_in_a_file_of_the_bundle_is_seen(releases, belief, name):
    index = load(releases.index, belief)
    for _ in flips(releases.folder / name):
        with pytest.raises(Permanent):
            verify(index, releases.v1.id)
    verify(index, releases.v1.id)


@pytest.mark.parametrize("name", ["v1.bin", "v1.json"])
def test_a_file_that_is_cut_or_longer_is_seen(releases, belief, name):
    index, body = load(releases.index, belief), (releases.folder / name).read_bytes()
    for changed in (body[:-1], body + b"x", b""):
        (releases.folder / name).write_bytes(changed)
        with pytest.raises(Permanent):
            verify(index, releases.v1.id)


def test_the_payload_is_never_read_before_its_signature_held(releases, belief):
    envelope = json.loads(releases.index.read_bytes())
    envelope["payload"] = base64.b64encode(b"[" * 100_000).decode()
    releases.index.write_text(json.dumps(envelope))
    assert "does not hold" in refused(releases, belief)
