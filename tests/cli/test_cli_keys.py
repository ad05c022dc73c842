"""Commands that make keys, and sign checkpoints with them."""

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from monitor.cli.exits import Exit

Tocsin = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_key_pair_is_made_and_named(tocsin: Tocsin, folder: Path) -> None:
    ended = tocsin("key", "generate", "ann.key")
    assert (ended.code, ended.out[:8]) == (Exit.OK, "ed25519:")
    assert stat.S_IMODE((folder / "ann.key").stat().st_mode) == 0o600
    assert tocsin("key", "show", "ann.key.pub").out == ended.out
    assert tocsin("key", "show", "ann.key.pub", "--json").json["keyid"] == ended.out.strip()


def test_a_key_is_never_overwritten(tocsin: Tocsin, folder: Path) -> None:
    tocsin("key", "generate", "ann.key")
    before = (folder / "ann.key").read_bytes()
    ended = tocsin("key", "generate", "ann.key")
    assert (ended.code, "is there already" in ended.err) == (Exit.PROBLEMS, True)
    assert (folder / "ann.key").read_bytes() == before


def test_a_key_can_be_encrypted(tocsin: Tocsin, folder: Path) -> None:
    (folder / "word").write_text("correct horse\n")
    (folder / "word").chmod(0o600)
    assert tocsin("key", "generate", "ann.key", "--passphrase-file", "word").code == Exit.OK
    assert "ENCRYPTED" in (folder / "ann.key").read_text()


def test_a_private_key_is_not_shown(tocsin: Tocsin, folder: Path) -> None:
    tocsin("key", "generate", "ann.key")
    assert tocsin("key", "show", "ann.key").code == Exit.PROBLEMS


@pytest.fixture
def checkpoint(folder: Path) -> Path:
    (folder / "v1").mkdir()
    (folder / "v1" / "weights.bin").write_bytes(b"w")
    make = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "k")
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run(("openssl", "pkey", "-in", "k", "-pubout", "-out", "k.pub"), check=True)
    (folder / "k").chmod(0o600)
    (folder / "k.pub").chmod(0o644)
    return folder / "v1"


def test_a_checkpoint_is_signed_beside_and_verified(tocsin: Tocsin, checkpoint: Path) -> None:
    assert tocsin("checkpoint", "sign", "v1", "--private-key", "k").out == "v1.sig\n"
    ended = tocsin("checkpoint", "verify", "v1", "--public-key", "k.pub", "--json")
    assert (ended.code, [row["file"] for row in ended.json]) == (Exit.OK, ["weights.bin"])


def test_a_changed_checkpoint_is_a_problem(tocsin: Tocsin, checkpoint: Path) -> None:
    tocsin("checkpoint", "sign", "v1", "--private-key", "k")
    (checkpoint / "weights.bin").write_bytes(b"W")
    ended = tocsin("checkpoint", "verify", "v1", "--public-key", "k.pub")
    assert (ended.code, "weights.bin" in ended.err) == (Exit.PROBLEMS, True)
