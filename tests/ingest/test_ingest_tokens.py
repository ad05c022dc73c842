import json
import os
import stat

import pytest

from monitor.clock import ManualClock
from monitor.errors import Corrupt, Rejected, SettingsError
from monitor.ingest.rates import Rate
from monitor.ingest.tokens import Bounds, Scope, Tokens, create_token, read_tokens, revoke_token


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.json"


@pytest.fixture
def clock():
    return ManualClock(100.0)


def bearer(text):
    return f"Bearer {text}".encode()


def create(path, name="gateway", scopes=(Scope.INGEST_PREDICTIONS,), source="", **bounds):
    return create_token(path, name, scopes, source, 5.0, bounds=Bounds(**bounds))


def test_finds_the_token_it_created(path, clock):
    token, text = create(path, scopes=(Scope.READ, Scope.APPROVE), source="crowd/*")
    assert Tokens(path, clock).find(bearer(text)) == token
    assert (token.name, token.scopes, token.source, token.created) == (
        "gateway",
        (Scope.READ, Scope.APPROVE),
        "crowd/*",
        5.0,
    )


def test_the_text_is_prefixed_and_256_bits_are_secret(path):
    token, text = create(path)
    assert text.startswith(f"tcs_{token.id}_")
    assert len(text) == len("tcs_") + 12 + 1 + 43


def test_the_file_holds_no_secret_and_is_private(path):
    token, text = create(path)
    secret = text.removeprefix(f"tcs_{token.id}_")  # whole: the alphabet of a secret has the underscore too
    assert len(secret) == 43
    assert secret.encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(p.name for p in path.parent.iterdir()) == ["tokens.json", "tokens.json.lock"]


def test_a_token_without_source_is_its_own(path):
    assert create(path, "gateway-2")[0].source == "gateway-2"


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text,
        lambda text: f"Basic {text}",
        lambda text: f"Bearer {text}x",
        lambda text: f"Bearer {text[:-1]}",
        lambda text: f"Bearer x{text}",
        lambda text: f"Bearer {text[:-1]}{'A' if text[-1] != 'A' else 'B'}",
        lambda text: "Bearer tcs_000000000000_" + text[-43:],
        lambda text: "Bearer " + "x" * 100_000,
        lambda text: "Bearer",
    ],
)
def test_finds_nobody_by_any_other_text(path, clock, change):
    _, text = create(path)
    assert Tokens(path, clock).find(change(text).encode()) is None


def test_finds_nobody_without_header_or_file(path, clock):
    tokens = Tokens(path, clock)
    assert tokens.find(None) is None
    assert tokens.find(b"Bearer tcs_000000000000_" + b"A" * 43) is None


def test_one_tokens_secret_does_not_open_another(path, clock):
    (first, one), (_, two) = create(path, "one"), create(path, "two")
    mixed = f"tcs_{first.id}_{two[-43:]}"
    tokens = Tokens(path, clock)
    assert tokens.find(bearer(mixed)) is None
    assert tokens.find(bearer(one)).name == "one"


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_revoked_token_is_listed_but_opens_nothing(path, clock, by):
    token, text = create(path)
    revoked = revoke_token(path, getattr(token, by), 7.0)
    assert read_tokens(path) == (revoked,)
    assert revoked.revoked == 7.0
    assert Tokens(path, clock).find(bearer(text)) is None


def test_a_revoked_name_may_be_used_again(path, clock):
    create(path)
    revoke_token(path, "gateway", 7.0)
    _, text = create(path)
    assert Tokens(path, clock).find(bearer(text)).name == "gateway"


def test_revoking_nobody_is_an_error_and_changes_nothing(path):
    create(path)
    before = path.read_bytes()
    with pytest.raises(SettingsError):
        revoke_token(path, "other", 7.0)
    assert path.read_bytes() == before


def test_says_all_that_is_wrong_with_a_new_token(path):
    with pytest.raises(SettingsError) as wrong:
        create(path, "No Name", (), "*")
    assert [problem.path for problem in wrong.value.problems] == ["name", "scopes", "source"]
    assert not path.exists()


@pytest.mark.parametrize("source", ["*", "a*", "/a", "a/", "a//b", "a/*/b", "a b", "é", "x" * 129, "a\n"])
def test_refuses_odd_sources(path, source):
    with pytest.raises(SettingsError):
        create(path, source=source)


def test_refuses_a_name_that_is_taken_and_a_scope_twice(path):
    create(path)
    with pytest.raises(SettingsError):
        create(path)
    with pytest.raises(SettingsError):
        create(path, "other", (Scope.READ, Scope.READ))


def test_follows_the_file_within_a_second(path, clock):
    tokens = Tokens(path, clock)
    _, text = create(path)
    clock.step(100.9)
    assert tokens.find(bearer(text)) is None
    clock.step(101.0)
    assert tokens.find(bearer(text)) is not None
    revoke_token(path, "gateway", 7.0)
    clock.step(102.0)
    assert tokens.find(bearer(text)) is None


def test_reload_follows_at_once(path, clock):
    tokens = Tokens(path, clock)
    _, text = create(path)
    assert tokens.reload() is None
    assert tokens.find(bearer(text)) is not None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"format": 2, "tokens": []}', b'{"format": 1, "tokens": [{}]}', b"\xff", b"[" * 9999]
)
def test_a_damaged_file_is_corrupt_at_start_and_keeps_the_last_good_later(path, clock, body):
    _, text = create(path)
    tokens = Tokens(path, clock)
    path.write_bytes(body)
    assert tokens.reload() is tokens.problem is not None
    assert tokens.find(bearer(text)) is not None
    with pytest.raises(Corrupt):
        Tokens(path, clock)


def test_a_repaired_file_clears_the_problem(path, clock):
    create(path)
    good = path.read_bytes()
    tokens = Tokens(path, clock)
    path.write_bytes(b"{")
    tokens.reload()
    path.write_bytes(good)
    assert tokens.reload() is tokens.problem is None


def test_a_file_that_is_gone_means_that_nobody_may(path, clock):
    _, text = create(path)
    tokens = Tokens(path, clock)
    path.unlink()
    clock.step(102.0)
    assert tokens.find(bearer(text)) is None


def test_a_failed_write_leaves_the_old_file(path, monkeypatch):
    create(path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "no space")))
    with pytest.raises(SettingsError, match="no space"):
        create(path, "other")
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["tokens.json", "tokens.json.lock"]


def test_the_file_can_be_read_by_people(path):
    create(path)
    assert json.loads(path.read_text())["tokens"][0]["scopes"] == ["ingest:predictions"]


# ---------------------------------------------------------------- what bounds a token


def test_a_token_opens_until_it_expires_and_then_says_so_to_who_has_its_secret(path, clock):
    token, text = create(path, expires=200.0)
    tokens = Tokens(path, clock)
    clock.step(199.9)
    assert tokens.find(bearer(text)) == token
    clock.step(200.0)
    with pytest.raises(Rejected) as error:
        tokens.find(bearer(text))
    assert error.value.reason == "token_expired"


def test_to_all_others_an_expired_token_is_as_unknown_as_any(path, clock):
    token, _ = create(path, expires=50.0)
    assert Tokens(path, clock).find(bearer(f"tcs_{token.id}_" + "A" * 43)) is None


def test_a_token_that_is_revoked_and_expired_is_unknown(path, clock):
    _, text = create(path, expires=50.0)
    revoke_token(path, "gateway", 7.0)
    assert Tokens(path, clock).find(bearer(text)) is None


def test_the_name_of_an_expired_token_may_be_used_again_and_means_the_new_one(path):
    create(path, expires=50.0)
    new, _ = create_token(path, "gateway", (Scope.READ,), "", 60.0)
    assert revoke_token(path, "gateway", 70.0).id == new.id


def test_an_expired_token_needs_no_revoking(path):
    create(path, expires=50.0)
    with pytest.raises(SettingsError):
        revoke_token(path, "gateway", 50.0)


def test_a_token_has_its_own_rate_or_the_default_or_none(path):
    assert create(path, rows_per_second=7)[0].rate(9) == Rate.of(7)
    assert create(path, "b", rows_per_second=7, burst_rows=8)[0].rate(None) == Rate(7, 8)
    assert create(path, "c")[0].rate(9) == Rate.of(9)
    assert create(path, "d", burst_rows=8)[0].rate(9) == Rate(9, 8)
    assert create(path, "e")[0].rate(None) is None


@pytest.mark.parametrize(
    "bounds",
    [
        {"expires": 5.0},
        {"expires": float("inf")},
        {"expires": float("nan")},
        {"rows_per_second": 0},
        {"rows_per_second": -1},
        {"burst_rows": 0},
        {"burst_rows": 10**9},
    ],
)
def test_a_bound_that_bounds_nothing_is_a_problem(path, bounds):
    with pytest.raises(SettingsError) as wrong:
        create(path, **bounds)
    assert [problem.path for problem in wrong.value.problems] == list(bounds)
    assert not path.exists()


def test_a_file_of_before_there_were_bounds_is_still_read(path, clock):
    _, text = create(path)
    found = json.loads(path.read_text())
    for name in ("expires", "rows_per_second", "burst_rows"):
        del found["tokens"][0][name]
    path.write_text(json.dumps(found))
    token = Tokens(path, clock).find(bearer(text))
    assert (token.expires, token.rows_per_second, token.burst_rows) == (None, None, None)
