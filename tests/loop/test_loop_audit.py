"""The audit log of real processes: a whole rollback in it, what people and files do, restarts, kills, edits."""

import json

import httpx
import released
from loopworld import MODEL, committed, poisoned
from msgspec import structs
from servers import wait_for

from monitor.audit.records import digest_of
from monitor.audit.verify import Anchor
from monitor.audit.verify import verify as walk
from monitor.facts import BundleStatus
from monitor.ingest.tokens import Scope, create_token, revoke_token
from monitor.rollback.release.document import encode
from monitor.rollback.signing import Purpose
from monitor.turns.audit_keys import AuditTrust, trusted_keys


def records(loop):
    files = sorted((loop.directory / "state" / "audit").glob("0*.jsonl"))
    lines = [line for path in files for line in path.read_bytes().splitlines(keepends=True)]
    return [json.loads(line) for line in lines if line.endswith(b"\n")]  # one may be half-way


def kinds(loop, *prefixes):
    return [each["kind"] for each in records(loop) if each["kind"].startswith(prefixes or "")]


def of_kind(loop, kind):
    return [each for each in records(loop) if each["kind"] == kind]


def verify(loop, *anchors):
    directory = loop.directory / "state" / "audit"
    return walk(directory, AuditTrust.load(trusted_keys(directory)), anchors)


def shown(loop, name, page=None):
    """The numbers of a metric by its labels, of the present page."""
    found = [line.rsplit(" ", 1) for line in (page or loop.metrics()).splitlines() if line.startswith(name)]
    return {labels.removeprefix(name): float(value) for labels, value in found}


def anchor(loop):
    """An anchor as Prometheus holds it."""
    page = loop.metrics()  # both of one scrape
    sequence = shown(loop, "tocsin_audit_head_sequence", page)
    parts = shown(loop, "tocsin_audit_head_digest", page)
    numbers = [parts[f'{{part="{part}"}}'] for part in range(5)]
    return Anchor(int(sequence[""]), digest_of(tuple(map(int, numbers))))


def told_anchor(text):
    """An anchor as a notice carries it."""
    sequence, _, digest = text.partition(":")
    return Anchor(int(sequence), digest)


def annotations(loop):
    return [each["annotations"] for delivery in loop.receiver.deliveries for each in delivery.body["alerts"]]


def test_a_rollback_is_in_the_log_from_its_decision_to_its_end_and_its_notices_anchor_it(make_loop):
    loop = make_loop()
    loop.start_receiver()
    loop.start()
    poisoned(loop)
    loop.until(committed)
    wait_for(lambda: len(loop.receiver.deliveries) >= 3, "notices came")
    told = [*dict.fromkeys(kinds(loop, "decision.acted", "rollback."))]  # a setback tells its step again
    steps = ["planned", "verified", "probed", "switched", "reloaded", "committed"]
    assert told == ["decision.acted", *(f"rollback.{step}" for step in steps)]
    said = {told_anchor(each["audit"]) for each in annotations(loop)}
    assert [each for each in annotations(loop) if each["audit"] in each["description"]] == []
    assert loop.stop() == 0
    proof = verify(loop, *said)
    assert (proof.ok, proof.proven, proof.last) == (True, len(records(loop)), len(records(loop)))
    assert proof.anchors == len(said) >= 3


def test_what_people_do_bears_their_names(make_loop):
    loop = make_loop(mode="approve").start()
    poisoned(loop)
    found = loop.until(lambda status: status["rollbacks"])["rollbacks"][0]
    assert loop.call("POST", f"/v1/rollbacks/{found['id']}/decline").status_code == httpx.codes.OK
    body = {"model": MODEL, "reason": "because"}
    assert loop.call("POST", "/v1/rollbacks", json=body).status_code == httpx.codes.OK
    assert loop.call("POST", "/v1/rollbacks/unlatch", json={"model": MODEL}).status_code == httpx.codes.OK
    wait_for(lambda: committed(loop.status), "the rollback is committed")
    people = [(each["kind"], each["actor"]) for each in records(loop) if each["kind"].startswith("person.")]
    assert people == [("person.declined", "person"), ("person.started", "person"), ("person.unlatched", "person")]
    assert of_kind(loop, "person.started")[0]["subject"]["reason"] == "because"
    assert of_kind(loop, "clock.stepped")[-1]["actor"] == "person"


def test_what_changes_beside_the_daemon_is_seen_and_what_changed_while_it_was_away(make_loop):
    loop = make_loop(replay=False).start()
    tokens, switch = loop.directory / "tokens.json", loop.directory / "state" / "kill_switch"
    wait_for(lambda: len(of_kind(loop, "token.created")) == 4, "the tokens there are", 60)
    secret = create_token(tokens, "extra", [Scope.READ], "", 1.0)[1]
    switch.touch()
    loop.register("v2")
    wait_for(lambda: len(of_kind(loop, "token.created")) == 5, "one more token", 60)
    wait_for(lambda: len(of_kind(loop, "kill_switch.set")) == 1, "the kill switch", 60)
    wait_for(lambda: len(of_kind(loop, "bundle.changed")) == 2, "the new bundle", 60)
    assert loop.stop() == 0
    revoke_token(tokens, "extra", 2.0)
    switch.unlink()
    loop.rewrite(lambda document: document.update(look_every="5m"))
    loop.start()
    wait_for(lambda: of_kind(loop, "token.revoked") and of_kind(loop, "kill_switch.unset"), "both are seen", 60)
    assert [each["subject"]["name"] for each in of_kind(loop, "token.revoked")] == ["extra"]
    again = of_kind(loop, "daemon.started")[-1]["subject"]
    assert (again["settings_changed"], again["verified"]) == (True, True)
    assert secret.rpartition("_")[2] not in str(records(loop))


def told(loop):
    """What was told of the release index, the newest last."""
    return [each["subject"] for each in of_kind(loop, "releases.changed")]


def test_a_spent_approval_that_is_attached_again_changes_nothing_and_is_written_down(make_loop):
    loop = make_loop(replay=False)
    index = loop.directory / "releases.json"
    v2 = loop.register("v2", BundleStatus.KNOWN_GOOD)
    approved = released.editor(index).read().document.bundles
    loop.start()
    wait_for(lambda: of_kind(loop, "releases.changed"), "the first index is told", 60)
    released.set_status(index, v2.id, BundleStatus.QUARANTINED)
    wait_for(lambda: any("known_good -> quarantined" in each["changes"] for each in told(loop)), "it is seen", 60)
    now = released.editor(index).read().document
    revived = encode(structs.replace(now, serial=now.serial + 1, bundles=approved))
    index.write_bytes(released.signer(loop.directory).sign(Purpose.INDEX, revived))
    wait_for(lambda: any(each["refused"] for each in told(loop)), "the index is refused", 60)
    [said] = [each for each in told(loop) if each["refused"]]
    assert ("that approval is spent" in said["refused"], said["serial"]) == (True, now.serial)
    assert "that approval is spent" in loop.status["release_index_problem"]
    assert of_kind(loop, "bundle.changed")[-1]["subject"]["status"] == "quarantined"


def test_a_reload_names_what_changed_and_never_its_value_and_the_key_is_the_daemons_alone(make_loop):
    loop = make_loop(replay=False).start()
    secret = "https://hooks.example.test/T0KEN-OF-OURS"
    loop.rewrite(lambda document: document["receivers"][0].update(url=secret))
    assert loop.call("POST", "/-/reload").json() == {"reloaded": True}
    [said] = of_kind(loop, "settings.reloaded")
    assert (said["actor"], said["subject"]["named"], said["subject"]["changed"]) == ("person", "receivers.0.url", 1)
    loop.rewrite(lambda document: document.update(replica="other"))
    assert loop.call("POST", "/-/reload").status_code == httpx.codes.UNPROCESSABLE_ENTITY
    assert of_kind(loop, "settings.refused")[0]["subject"]["named"] == "replica"
    assert "T0KEN" not in str(records(loop))
    state = loop.directory / "state"
    assert (state / "audit.key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (state / "audit").glob("*key*")] == []


def test_a_kill_loses_nothing_and_an_edit_pages_and_stops_nobody(make_loop):
    loop = make_loop(replay=False).start()
    wait_for(lambda: shown(loop, "tocsin_audit_head_sequence").get("", 0) >= 5, "the page shows the head", 60)
    assert shown(loop, "tocsin_audit_verified") == {}, "it was new"
    [key] = shown(loop, "tocsin_audit_key_info")
    assert of_kind(loop, "audit.key_made")[0]["subject"]["key"] in key
    kept = anchor(loop)
    loop.kill()
    assert verify(loop, kept).ok
    path = loop.directory / "state" / "audit" / "00000001.jsonl"
    whole = path.read_bytes()
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert "before the anchor" in str(verify(loop, kept).faults), "Prometheus is a witness of what was cut off"
    path.write_bytes(whole.replace(b'"replay":false', b'"replay":true '))
    loop.start()
    wait_for(lambda: shown(loop, "tocsin_audit_verified") == {"": 0.0}, "it is shown", 60)
    assert of_kind(loop, "audit.unverified")[0]["subject"]["faults"] >= 1
    assert loop.call("GET", "/v1/status").status_code == httpx.codes.OK
