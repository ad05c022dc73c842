import base64
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as OracleEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Signature, SSlibKey

from monitor.errors import Permanent, SettingsError, Transient
from monitor.rollback.keys import read_public
from monitor.rollback.signing import (
    ENVELOPE_BYTES_MAX,
    SIGNATURES_MAX,
    Distrust,
    Opened,
    Purpose,
    Signer,
    Trust,
    Untrusted,
    keygen,
    pae,
)

INDEX = frozenset({Purpose.INDEX})
PAYLOAD = json.dumps({"serial": 7, "note": "ÿ€ bytes >>> ???"}).encode()


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Three people with keys; each is a pair of a Signer and the path of the public key."""
    folder = tmp_path_factory.mktemp("keys")
    for name in "abc":
        keygen(folder / name, folder / f"{name}.pub")
    return {name: (Signer.load(folder / name), folder / f"{name}.pub") for name in "abc"}


@pytest.fixture
def signers(people):
    return [signer for signer, _ in people.values()]


def trusting(people, names="ab", may=INDEX, **thresholds):
    keys = {people[name][1]: may for name in names}
    return Trust.load(keys, {Purpose(purpose): count for purpose, count in thresholds.items()})


@pytest.fixture
def trust(people):
    return trusting(people)


@pytest.fixture
def two(people):
    """Two must sign; both did."""
    (a, _), (b, _) = people["a"], people["b"]
    return trusting(people, "ab", index=2), b.add(Purpose.INDEX, a.sign(Purpose.INDEX, PAYLOAD))


def edited(envelope, **fields):
    return json.dumps(json.loads(envelope) | fields).encode()


def distrust(trust, envelope, purpose=Purpose.INDEX):
    with pytest.raises(Untrusted) as error:
        trust.open(purpose, envelope)
    return error.value.reason


def oracle(people, names):
    keys = []
    for name in names:
        signer, public = people[name]
        value = read_public(public).public_bytes_raw().hex()
        keys.append(SSlibKey(signer.keyid, "ed25519", "ed25519", {"public": value}))
    return keys


def test_what_was_signed_comes_back(people, trust):
    signer, _ = people["a"]
    assert trust.open(Purpose.INDEX, signer.sign(Purpose.INDEX, PAYLOAD)) == Opened(PAYLOAD, (signer.keyid,))


@settings(max_examples=40)
@given(st.binary(max_size=400))
def test_any_bytes_can_be_signed(people, payload):
    signer, _ = people["a"]
    assert trusting(people).open(Purpose.INDEX, signer.sign(Purpose.INDEX, payload)).payload == payload


def test_the_same_payload_has_the_same_envelope(signers):
    assert signers[0].sign(Purpose.INDEX, PAYLOAD) == signers[0].sign(Purpose.INDEX, PAYLOAD)


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_the_reference_implementation_believes_what_we_signed(people, payload):
    envelope = OracleEnvelope.from_dict(json.loads(people["a"][0].sign(Purpose.BUNDLE, payload)))
    assert envelope.payload == payload
    assert list(envelope.verify(oracle(people, "a"), 1)) == [people["a"][0].keyid]


@settings(max_examples=40)
@given(st.text(max_size=30), st.binary(max_size=200))
def test_what_is_signed_is_what_the_reference_implementation_signs(kind, payload):
    assert pae(kind, payload) == OracleEnvelope(payload, kind, {}).pae()


def test_we_believe_what_the_reference_implementation_signed(people, trust):
    signer, _ = people["a"]
    made = OracleEnvelope(PAYLOAD, Purpose.INDEX.payload_type, {})
    made.signatures[signer.keyid] = Signature(signer.keyid, signer._key.sign(made.pae()).hex())
    assert trust.open(Purpose.INDEX, json.dumps(made.to_dict()).encode()).payload == PAYLOAD


def test_the_reference_implementation_wants_both_signatures_too(people, two):
    _, envelope = two
    assert len(OracleEnvelope.from_dict(json.loads(envelope)).verify(oracle(people, "ab"), 2)) == 2
    with pytest.raises(VerificationError):
        OracleEnvelope.from_dict(json.loads(envelope)).verify(oracle(people, "ac"), 2)


@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_signature_for_one_purpose_is_none_for_another(people, purpose):
    trust = trusting(people, may=frozenset(Purpose))
    envelope = people["a"][0].sign(purpose, PAYLOAD)
    for other in set(Purpose) - {purpose}:
        assert distrust(trust, envelope, other) is Distrust.OTHER_PURPOSE
        assert distrust(trust, edited(envelope, payloadType=other.payload_type), other) is Distrust.DAMAGED


def test_a_key_signs_only_what_it_may(people):
    envelope = people["a"][0].sign(Purpose.PROBES, PAYLOAD)
    assert distrust(trusting(people), envelope, Purpose.PROBES) is Distrust.UNKNOWN_SIGNER


def test_a_stranger_signs_nothing(people, trust):
    assert distrust(trust, people["c"][0].sign(Purpose.INDEX, PAYLOAD)) is Distrust.UNKNOWN_SIGNER


def test_a_stranger_who_borrows_a_key_id_is_seen(people, trust):
    envelope = json.loads(people["c"][0].sign(Purpose.INDEX, PAYLOAD))
    envelope["signatures"][0]["keyid"] = people["a"][0].keyid
    assert distrust(trust, json.dumps(envelope).encode()) is Distrust.DAMAGED


def test_a_strangers_signature_beside_ours_is_ignored(people, trust):
    (a, _), (c, _) = people["a"], people["c"]
    envelope = c.add(Purpose.INDEX, a.sign(Purpose.INDEX, PAYLOAD))
    assert trust.open(Purpose.INDEX, envelope).keyids == (a.keyid,)


def test_an_unsigned_envelope_is_nobodys(people, trust):
    envelope = edited(people["a"][0].sign(Purpose.INDEX, PAYLOAD), signatures=[])
    assert distrust(trust, envelope) is Distrust.UNKNOWN_SIGNER


def test_two_people_are_two_signatures(people, two):
    trust, envelope = two
    assert trust.open(Purpose.INDEX, envelope).keyids == tuple(sorted(people[name][0].keyid for name in "ab"))
    assert distrust(trust, people["a"][0].sign(Purpose.INDEX, PAYLOAD)) is Distrust.TOO_FEW


def test_one_person_who_signs_twice_is_one(people, two):
    trust, envelope = two
    first = json.loads(envelope)["signatures"][0]
    assert distrust(trust, edited(envelope, signatures=[first, first])) is Distrust.TOO_FEW


def test_a_stranger_and_one_of_us_are_too_few(people, two):
    envelope = people["c"][0].add(Purpose.INDEX, people["a"][0].sign(Purpose.INDEX, PAYLOAD))
    assert distrust(two[0], envelope) is Distrust.TOO_FEW


def test_signing_again_changes_nothing(people, two):
    _, envelope = two
    assert people["b"][0].add(Purpose.INDEX, envelope) == envelope


def test_a_second_signature_does_not_heal_a_changed_payload(people, two):
    trust, envelope = two
    other = base64.b64encode(b"{}").decode()
    assert distrust(trust, people["b"][0].add(Purpose.INDEX, edited(envelope, payload=other))) is Distrust.DAMAGED


def test_a_signature_that_does_not_hold_damns_those_that_do(people, trust):
    envelope = people["b"][0].add(Purpose.INDEX, people["a"][0].sign(Purpose.INDEX, PAYLOAD))
    signatures = json.loads(envelope)["signatures"]
    signatures[1]["sig"] = signatures[0]["sig"]
    assert distrust(trust, edited(envelope, signatures=signatures)) is Distrust.DAMAGED


def test_every_byte_matters_or_changes_nothing(two):
    """All 255 other values of the structure's bytes would take minutes: each bit, and each byte gone."""
    trust, envelope = two
    whole = trust.open(Purpose.INDEX, envelope)
    tampered = [
        envelope[:i] + new + envelope[i + 1 :]
        for i in range(len(envelope))
        for new in (b"", *(bytes([envelope[i] ^ 1 << bit]) for bit in range(8)))
    ]
    seen = 0
    for each in tampered:
        try:
            assert trust.open(Purpose.INDEX, each) == whole
        except Untrusted:
            seen += 1
    assert seen == len(tampered) - 1  # the end of the line may go


@pytest.mark.parametrize("cut", [1, 2, 10, 100])
def test_a_cut_envelope_is_damaged(two, cut):
    assert distrust(two[0], two[1].rstrip()[:-cut]) is Distrust.DAMAGED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"payload": "", "payloadType": "x"}',
        b'{"payload": 1, "payloadType": "x", "signatures": []}',
        b'{"payload": "", "payloadType": "x", "signatures": {}}',
        b'{"payload": "", "payloadType": "x", "signatures": [null]}',
        b"[" * 1_000_000,
        b'{"x": ' * 200_000,
    ],
)
def test_what_is_no_envelope_is_damaged(trust, body):
    assert distrust(trust, body) is Distrust.DAMAGED


@pytest.mark.parametrize("text", ["!", "YQ", "YQ=", "YR==", "YQ==\n", " YQ==", "YQ==YQ==", "+-==", "ä", "\ud800"])
@pytest.mark.parametrize("field", ["payload", "sig"])
def test_base64_has_one_form(people, trust, text, field):
    envelope = json.loads(people["a"][0].sign(Purpose.INDEX, b"a"))
    (envelope if field == "payload" else envelope["signatures"][0])[field] = text
    assert distrust(trust, json.dumps(envelope).encode()) is Distrust.DAMAGED


def test_the_url_safe_alphabet_is_read_too(people, trust):
    payload = b"\xfb\xff\xfe" * 3
    envelope = edited(people["a"][0].sign(Purpose.INDEX, payload), payload=base64.urlsafe_b64encode(payload).decode())
    assert trust.open(Purpose.INDEX, envelope).payload == payload


def test_of_a_field_given_twice_the_one_that_is_returned_is_the_one_that_was_signed(people, trust):
    envelope = people["a"][0].sign(Purpose.INDEX, PAYLOAD)
    evil = b'"payload":"' + base64.b64encode(b"evil") + b'",'
    assert trust.open(Purpose.INDEX, b"{" + evil + envelope[1:]).payload == PAYLOAD
    assert distrust(trust, envelope.rstrip()[:-1] + b"," + evil[:-1] + b"}") is Distrust.DAMAGED


def test_fields_that_dsse_does_not_know_are_ignored(people, trust):
    envelope = edited(people["a"][0].sign(Purpose.INDEX, PAYLOAD), payload_type="evil", extra={"a": [1]})
    assert trust.open(Purpose.INDEX, envelope).payload == PAYLOAD


def test_a_signature_of_another_length_is_damaged(people, trust):
    signatures = [{"keyid": people["a"][0].keyid, "sig": "AAAA"}]
    envelope = edited(people["a"][0].sign(Purpose.INDEX, PAYLOAD), signatures=signatures)
    assert distrust(trust, envelope) is Distrust.DAMAGED


def test_thousands_of_signatures_are_not_verified(people, trust):
    signature = {"keyid": people["a"][0].keyid, "sig": base64.b64encode(bytes(64)).decode()}
    envelope = edited(people["a"][0].sign(Purpose.INDEX, PAYLOAD), signatures=[signature] * (SIGNATURES_MAX + 1))
    with pytest.raises(Untrusted, match=f"more than {SIGNATURES_MAX} signatures"):
        trust.open(Purpose.INDEX, envelope)


def test_a_giant_envelope_is_refused_before_it_is_read(trust, tmp_path):
    (tmp_path / "giant").touch()
    os.truncate(tmp_path / "giant", 1 << 40)  # sparse
    with pytest.raises(Permanent, match="larger than"):
        trust.open_file(Purpose.INDEX, tmp_path / "giant")
    assert distrust(trust, b" " * (ENVELOPE_BYTES_MAX + 1)) is Distrust.DAMAGED


def test_too_much_is_not_signed(signers):
    with pytest.raises(SettingsError, match="larger than"):
        signers[0].sign(Purpose.INDEX, bytes(ENVELOPE_BYTES_MAX))


def test_a_seventeenth_signature_is_refused(signers):
    strangers = [{"keyid": str(i), "sig": ""} for i in range(SIGNATURES_MAX)]
    with pytest.raises(SettingsError, match="signatures"):
        signers[1].add(Purpose.INDEX, edited(signers[0].sign(Purpose.INDEX, b""), signatures=strangers))


def test_a_file_is_opened_but_no_link_and_no_fifo(people, trust, tmp_path):
    (tmp_path / "f").write_bytes(people["a"][0].sign(Purpose.INDEX, PAYLOAD))
    assert trust.open_file(Purpose.INDEX, tmp_path / "f").payload == PAYLOAD
    (tmp_path / "link").symlink_to(tmp_path / "f")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "missing", ".", "f/g"):
        with pytest.raises(Permanent):
            trust.open_file(Purpose.INDEX, tmp_path / name)


def test_a_disk_that_fails_is_transient(trust, tmp_path, monkeypatch):
    def fails(*args, **options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "open", fails)
    with pytest.raises(Transient):
        trust.open_file(Purpose.INDEX, tmp_path / "f")


def test_one_key_in_two_files_is_refused(people, tmp_path):
    (tmp_path / "copy.pub").write_bytes(people["a"][1].read_bytes())
    with pytest.raises(SettingsError, match="is the key of another file"):
        Trust.load({people["a"][1]: INDEX, tmp_path / "copy.pub": INDEX}, {Purpose.INDEX: 2})


@pytest.mark.parametrize("threshold", [0, -1, 3, 17])
def test_a_threshold_can_be_reached(people, threshold):
    with pytest.raises(SettingsError, match="thresholds"):
        trusting(people, index=threshold)


def test_every_bad_key_is_named(people, tmp_path):
    (tmp_path / "bad.pub").write_text("hunter2")
    with pytest.raises(SettingsError) as error:
        Trust.load({tmp_path / "bad.pub": INDEX, tmp_path / "no.pub": INDEX, people["a"][1]: frozenset()})
    assert len(error.value.problems) == 3
    assert "hunter2" not in str(error.value)


def test_without_keys_nothing_is_believed(people):
    assert distrust(Trust.load({}), people["a"][0].sign(Purpose.INDEX, PAYLOAD)) is Distrust.UNKNOWN_SIGNER


def test_a_signer_prints_as_its_key_id(signers):
    assert repr(signers[0]) == f"{signers[0]}" == f"Signer({signers[0].keyid})"
