"""What changes beside the daemon is seen once, also over a restart, and told without a value or a secret."""

import asyncio
from types import SimpleNamespace

import pytest
import released

from monitor.alerts.said import Key
from monitor.audit.records import TEXT_MAX, Kind
from monitor.facts import Alert, AlertState, Bundle, BundleStatus, ModelName
from monitor.ingest.tokens import Scope, create_token, read_tokens, revoke_token
from monitor.rollback.release import read
from monitor.turns.noticing import Noticed, Noticing, changes

MODEL = ModelName("m")


class Kept:
    """A store of documents."""

    def __init__(self):
        self.documents = {}

    def facts(self, kind):
        return {key: each for key, each in self.documents.items() if isinstance(each, kind)}

    def commit(self, change):
        self.documents |= dict(change.puts)


class Book:
    def __init__(self):
        self.deeds = []

    async def record(self, deeds, *, must=False):
        assert not must, "a file has changed already"
        self.deeds += deeds

    def anchor(self):
        return ""


def bundle(ident="b1", status=BundleStatus.KNOWN_GOOD):
    return Bundle(ident, MODEL, "v1", "sha256:1", "ref", f"sha256:{ident}", status, 1.0, "v1")


@pytest.fixture
def world(tmp_path):
    made = SimpleNamespace(killed=False, bundles=(bundle(),), words={}, alerts=())
    index = tmp_path / "releases.json"
    index.write_text("one")
    releases = SimpleNamespace(path=index, index=None, problem="", changed=lambda: False)
    watched = SimpleNamespace(
        name=MODEL, releases=releases, killed=lambda: made.killed, state=SimpleNamespace(alerts=())
    )
    made.index, made.watched, made.store, made.tokens = index, watched, Kept(), tmp_path / "tokens.json"
    return made


def start(world):
    world.book = Book()
    words = lambda key: world.words.get(key, "")  # noqa: E731 - what an Alertmanager says
    world.noticing = Noticing(world.book, world.store, {MODEL: world.watched}, world.tokens, words)
    look(world)
    return world


def look(world):
    world.watched.bundles, world.watched.good = world.bundles, world.bundles[-1]
    world.watched.state.alerts = world.alerts
    world.book.deeds.clear()
    asyncio.run(world.noticing.look())
    return [(deed.kind, *deed.subject.values()) for deed in world.book.deeds]


def test_what_is_there_at_the_first_start_is_told_and_not_again(world):
    start(world)
    kinds = [deed.kind for deed in world.book.deeds]
    assert kinds == [Kind.RELEASES_CHANGED, Kind.BUNDLE_CHANGED, Kind.REFERENCE_CHANGED]
    assert look(world) == []


def test_the_kill_switch_is_seen_set_and_unset(world):
    start(world).killed = True
    assert look(world) == [(Kind.KILL_SWITCH_SET, MODEL)]
    world.killed = False
    assert look(world) == [(Kind.KILL_SWITCH_UNSET, MODEL)]


def test_a_token_is_seen_made_revoked_edited_and_removed(world):
    start(world)
    token, secret = create_token(world.tokens, "a", [Scope.READ], "", 1.0)
    create_token(world.tokens, "b", [Scope.READ], "", 1.0)
    found = look(world)
    assert found[0][0] == Kind.TOKEN_CREATED
    assert {each[2] for each in found} == {"a", "b"}
    revoke_token(world.tokens, "a", 2.0)
    assert [each[:3] for each in look(world)] == [(Kind.TOKEN_REVOKED, token.id, "a")]
    world.tokens.write_text(world.tokens.read_text().replace('"read"', '"admin"'))
    assert {each[0] for each in look(world)} == {Kind.TOKEN_CHANGED, Kind.TOKEN_REVOKED}
    world.tokens.write_text('{"format": 1, "tokens": []}')
    assert [(each[0], each[2], each[3]) for each in look(world)] == [(Kind.TOKEN_REVOKED, "b", True)]
    assert secret not in str(world.store.documents)


def test_a_token_file_that_cannot_be_read_takes_no_token_away(world):
    create_token(world.tokens, "a", [Scope.READ], "", 1.0)
    start(world)
    world.tokens.write_text("{")
    assert look(world) == []
    assert len(read_tokens_of(world)) == 1


def read_tokens_of(world):
    return world.noticing.noticed.tokens


def test_a_change_of_the_release_index_is_told_with_both_digests(world):
    start(world)
    world.index.write_text("two, and longer")
    [(kind, model, digest, before, *_)] = look(world)
    assert (kind, model, len(digest), len(before), digest != before) == (Kind.RELEASES_CHANGED, MODEL, 64, 64, True)


@pytest.fixture
def releases(tmp_path):
    """A real release directory: so many candidates, and who reads it."""
    folder = tmp_path / "releases"
    folder.mkdir()
    index = folder / "releases.json"
    released.create(index)
    for i in range(8):
        for name in (f"v{i}.bin", f"v{i}.ref"):
            (folder / name).write_text(name)
        released.register(index, MODEL, f"v{i}.bin", f"v{i}.ref", wall=float(i), name=f"v{i}")
    return index


def in_force(world, index, problem=""):
    """Let the model read this index."""
    found = read.load(index, released.belief(index))
    world.watched.releases = SimpleNamespace(path=index, index=found, problem=problem, changed=lambda: False)
    world.bundles = found.bundles
    return found


def of_index(world):
    look(world)
    return [deed.subject for deed in world.book.deeds if deed.kind is Kind.RELEASES_CHANGED]


def test_a_change_of_the_index_is_told_with_serial_signers_and_who_became_what(world, releases):
    before = in_force(world, releases).bundles
    start(world)
    released.set_status(releases, before[0].id, BundleStatus.KNOWN_GOOD)
    released.set_status(releases, before[1].id, BundleStatus.QUARANTINED)
    index = in_force(world, releases)
    [said] = of_index(world)
    assert (said["serial"], said["signed"], said["refused"]) == (index.document.serial, index.signed[0], None)
    names = [bundle.id.removeprefix("sha256:")[:12] for bundle in before[:2]]
    expected = [f"{names[0]} candidate -> known_good", f"{names[1]} candidate -> quarantined"]
    assert sorted(said["changes"].split("; ")) == sorted(expected)


def test_of_many_changes_a_few_are_named_and_the_rest_counted_and_each_has_a_line(world, releases):
    in_force(world, releases)
    start(world)
    for bundle in world.bundles:
        released.set_status(releases, bundle.id, BundleStatus.REVOKED)
    in_force(world, releases)
    [said] = of_index(world)
    assert (said["changes"].count("->"), said["changes"].endswith("; and 2 more")) == (6, True)
    assert len(said["changes"]) <= TEXT_MAX
    assert sum(deed.kind is Kind.BUNDLE_CHANGED for deed in world.book.deeds) == 8


def test_an_index_is_told_once_it_was_read_and_why_it_is_refused(world, releases):
    in_force(world, releases)
    start(world)
    releases.write_text("of a stranger")
    world.watched.releases.changed = lambda: True
    assert of_index(world) == []
    world.watched.releases.changed, world.watched.releases.problem = (lambda: False), "nobody signed it"
    [said] = of_index(world)
    assert (said["refused"], said["changes"], said["serial"]) == ("nobody signed it", "", 9)
    assert of_index(world) == []
    world.watched.releases.problem = ""
    assert [said["refused"] for said in of_index(world)] == [None]


def test_a_bundle_that_is_revoked_and_a_reference_that_changed_are_told(world):
    start(world)
    world.bundles = (bundle(status=BundleStatus.REVOKED), bundle("b2"))
    assert look(world) == [
        (Kind.BUNDLE_CHANGED, MODEL, "b1", "known_good", "revoked"),
        (Kind.BUNDLE_CHANGED, MODEL, "b2", None, "known_good"),
        (Kind.REFERENCE_CHANGED, MODEL, "sha256:b2", "sha256:b1"),
    ]


def test_a_silence_is_told_when_it_is_seen_and_when_it_ends_and_names_no_value(world):
    start(world).alerts = (Alert(MODEL, "psi", "carrier=AA", AlertState.FIRING),)
    assert look(world) == []
    world.words[Key(MODEL, "psi", "carrier=AA")] = "silenced by 42"
    assert look(world) == [(Kind.SILENCE_SEEN, MODEL, "psi", "carrier", "silenced by 42")]
    assert look(world) == []
    world.words.clear()
    assert look(world) == [(Kind.SILENCE_ENDED, MODEL, "psi", "carrier", "")]


def test_a_change_while_no_daemon_ran_is_told_at_the_next_start(world):
    create_token(world.tokens, "a", [Scope.READ], "", 1.0)
    start(world)
    revoke_token(world.tokens, "a", 2.0)
    world.killed = True
    start(world)
    assert [deed.kind for deed in world.book.deeds] == [Kind.TOKEN_REVOKED, Kind.KILL_SWITCH_SET]
    assert [token.name for token in read_tokens(world.tokens)] == ["a"]


def test_two_looks_at_the_same_tell_nothing():
    seen = Noticed({"i": ("a", "d", False)}, {"m": "1"}, {"m b": "candidate"}, {"m": "r"}, {"m": True})
    assert list(changes(seen, seen, {})) == []
