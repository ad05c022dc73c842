"""OpenSSF model signatures (`model.sig`) of a checkpoint, by EC P-256 keys; needs the extra `signing`.

Source: https://github.com/ossf/model-signing-spec, 1.0, by the library `model-signing`. A signature is a Sigstore
bundle around a DSSE envelope around an in-toto statement that lists every file with its SHA-256.

The library judges the signature, the list and the files. Then we read the same list and hash the files again, and are
stricter: it has to be ours to say that nothing in the directory is unsigned. The library leaves out what the signature
itself tells it to leave out (`ignore_paths`; by default whatever is called .git, .github, .gitignore, .gitattributes,
though a server may load code from there), and would follow links where the signature says so. Here every file but the
signature is listed, or the checkpoint is refused; an ignored path of which there is no file hurts nobody. Keys of the
bundle have one spelling here (the library takes two), so it cannot verify one envelope and we read another. Statements
from before 1.0 say nothing of links and lists, and are refused.

Cost: 0.7 s to import the library, hence inside the functions; every file is read twice.
"""

import contextlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature

from monitor.errors import Permanent, Problem, SettingsError
from monitor.rollback.digest import digest_beneath, digest_of
from monitor.rollback.keys import passphrase_of, private_bytes, public_bytes
from monitor.rollback.signing import read_envelope, unpacked

EXTRA: Final = "pip install 'tocsin[signing]'"
FILES_MAX: Final = 100_000  # of one checkpoint; the largest sharded models have some thousands


def sign(checkpoint: Path, signature: Path, private_key: Path, passphrase_file: Path | None = None) -> None:
    """Sign every file of a directory, or one file, and write the signature outside of it, replacing an older one.

    Permanent if the checkpoint holds a link or a special file, or the extra is not installed; SettingsError for keys
    that others may read.
    """
    private_bytes(private_key)
    password = None if passphrase_file is None else passphrase_of(passphrase_file)
    files = _files(checkpoint)
    if signature.resolve().is_relative_to(checkpoint.resolve()):
        raise Permanent(f"{signature} lies in what it signs: keep it beside the checkpoint")
    with _library("signed"):
        from model_signing import hashing, signing

        hashed = hashing.Config().set_ignored_paths(paths=(), ignore_git_paths=False)
        made = signing.Config().set_hashing_config(hashed)
        made = made.use_elliptic_key_signer(private_key=private_key, password=password)
        with tempfile.TemporaryDirectory(dir=signature.parent, prefix=".signing-") as folder:
            draft = Path(folder) / "model.sig"
            made.sign(checkpoint, draft)
            assert len(_listed(draft.read_bytes())) == len(files), "the library listed what we see"
            draft.chmod(0o644)
            draft.replace(signature)


def verify(checkpoint: Path, signature: Path, public_key: Path) -> dict[str, str]:
    """Return the files of a checkpoint with their digests ("." for one that is a single file), all of them signed.

    Permanent if the signature does not hold, a file differs, is missing or is not listed, the signature allows links,
    or the extra is not installed; SettingsError for a key that others may write; Transient if a file cannot be read.
    """
    public_bytes(public_key)
    body = read_envelope(signature)
    inside = _inside(checkpoint, signature)
    with _library("verified"):
        from model_signing import hashing, verifying

        hashed = hashing.Config().set_ignored_paths(paths=filter(None, [inside]), ignore_git_paths=False)
        judge = verifying.Config().set_hashing_config(hashed).use_elliptic_key_verifier(public_key=public_key)
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "model.sig"  # the bytes that are verified are the bytes that are read below
            copy.write_bytes(body)
            judge.verify(checkpoint, copy)
    listed = _listed(body)
    there = _files(checkpoint) - {inside}
    if unsigned := sorted(there - listed.keys()):
        raise Permanent(f"{len(unsigned)} files are not signed, {unsigned[0]!r} for one")
    for name, digest in listed.items():
        found = digest_of(checkpoint) if name == "." else digest_beneath(checkpoint, name)
        if found != digest:
            raise Permanent(f"{name!r} has other bytes than were signed")
    return listed


class _Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    media_type: str
    verification_material: dict[str, object]
    dsse_envelope: "_Envelope"


class _Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    payload: str
    payload_type: Literal["application/vnd.in-toto+json"]
    signatures: tuple[dict[str, object]]  # exactly one: the library verifies the first


class _Resource(msgspec.Struct, frozen=True):
    name: str
    digest: str
    algorithm: Literal["sha256"]


class _Serialization(msgspec.Struct, frozen=True):
    method: Literal["files"]
    hash_type: Literal["sha256"]
    allow_symlinks: bool


class _Predicate(msgspec.Struct, frozen=True):
    serialization: _Serialization
    resources: tuple[_Resource, ...]


class _Statement(msgspec.Struct, frozen=True, rename={"predicate_type": "predicateType"}):
    predicate_type: Literal["https://model_signing/signature/v1.0"]
    predicate: _Predicate


def _listed(body: bytes) -> dict[str, str]:
    """Return the digests by name that a signature lists; only for signatures that held."""
    try:
        bundle = msgspec.json.decode(body, type=_Bundle)
        predicate = msgspec.json.decode(unpacked(bundle.dsse_envelope.payload), type=_Statement).predicate
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Permanent(f"a signature that is not to be relied on: {error}") from None
    if predicate.serialization.allow_symlinks:
        raise Permanent("the signature allows symbolic links: sign a checkpoint without any")
    return {each.name: f"sha256:{each.digest}" for each in predicate.resources}


def _files(checkpoint: Path) -> set[str]:
    """Return the names of all files; Permanent for a link, a special file, or too many."""
    mode = checkpoint.lstat().st_mode if os.path.lexists(checkpoint) else 0
    if stat.S_ISREG(mode):
        return {"."}
    if not stat.S_ISDIR(mode):
        raise Permanent(f"{checkpoint} is no file and no directory")
    found: set[str] = set()
    for path in _walked(checkpoint):
        found.add(path.relative_to(checkpoint).as_posix())
        if len(found) > FILES_MAX:
            raise Permanent(f"{checkpoint} has more than {FILES_MAX} files")
    return found


def _walked(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise Permanent(f"{folder} cannot be read: {error.strerror}") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walked(folder / entry.name)
        elif entry.is_file(follow_symlinks=False):
            yield folder / entry.name
        else:
            raise Permanent(f"{folder / entry.name} is a link or a special file")


def _inside(checkpoint: Path, signature: Path) -> str:
    """Name the signature as a file of the checkpoint, where it lies in it; "" where it does not."""
    whole, part = checkpoint.resolve(), signature.resolve()
    return part.relative_to(whole).as_posix() if whole in part.parents else ""


@contextlib.contextmanager
def _library(done: str) -> Iterator[None]:
    """Say what the library's errors mean here, and keep what it prints out of our answer."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except ModuleNotFoundError as error:
        raise Permanent(f"OpenSSF model signatures need the extra `signing`: {EXTRA}") from error
    except InvalidSignature as error:
        raise Permanent("the signature does not hold: another key, or somebody changed it") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, json.JSONDecodeError, RecursionError) as error:
        raise Permanent(f"the checkpoint cannot be {done}: {str(error) or type(error).__name__}") from error
    except OSError as error:
        raise SettingsError([Problem(error.filename or "signature", error.strerror or "cannot be read")]) from error
