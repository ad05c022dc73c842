"""The release index: which bundles exist, and which of them are approved. One JSON file, written by people's commands.

    {"format": "tocsin-release-index", "version": 1, "bundles": [{"id": "sha256:...", "model": "delays", ...}]}

A bundle's id is the SHA-256 of what it consists of, so an entry cannot be pointed at other bytes and keep its id: the
canonical JSON of {"checkpoint_digest", "model", "reference_digest"}. Paths are relative to the index's own directory
and stay inside it. A reader sees the old file or the new one, never half of one (write, fsync, rename, fsync
directory); writers exclude each other by a lock on a file beside it.
"""

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.facts import Bundle, BundleId, BundleStatus, ModelName
from monitor.rollback.digest import SIZE_MAX, digest_beneath, path_problem

FORMAT, VERSION = "tocsin-release-index", 1
FILE_BYTES_MAX = 16 << 20  # some 30,000 bundles

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def bundle_id(model: ModelName, checkpoint_digest: str, reference_digest: str) -> BundleId:
    """Return the content address of a bundle."""
    parts = {"model": model, "checkpoint_digest": checkpoint_digest, "reference_digest": reference_digest}
    canonical = msgspec.json.encode(parts, order="sorted")
    return BundleId(f"sha256:{hashlib.sha256(canonical).hexdigest()}")


def load(path: Path) -> tuple[Bundle, ...]:
    """Read the index, in order of registration; SettingsError with everything that is wrong with it."""
    bundles, problems = _parse(_read(path), str(path))
    if problems:
        raise SettingsError(problems)
    return bundles


def create(path: Path) -> None:
    """Write an empty index; SettingsError if there is a file already."""
    with _locked(path):
        if path.exists():
            raise SettingsError([Problem(str(path), "is there already")])
        _save(path, ())


def register(
    path: Path,
    model: ModelName,
    checkpoint: str,
    reference: str,
    *,
    wall: float,
    status: BundleStatus = BundleStatus.CANDIDATE,
    name: str = "",
    size_max: int = SIZE_MAX,
) -> Bundle:
    """Digest both files and add the bundle; the present entry if the same is registered already.

    `checkpoint` and `reference` are relative to the index's directory. SettingsError if a file cannot be used, or the
    same content is registered under other paths.
    """
    digests = _digests(path.parent, {"checkpoint": checkpoint, "reference": reference}, size_max)
    identity = bundle_id(model, digests["checkpoint"], digests["reference"])
    made = Bundle(
        identity, model, checkpoint, digests["checkpoint"], reference, digests["reference"], status, wall, name
    )
    with _locked(path):
        bundles = load(path)
        present = next((bundle for bundle in bundles if bundle.id == identity), None)
        if present is None:
            _save(path, (*bundles, made))
            return made
    if (present.checkpoint, present.reference) != (checkpoint, reference):
        raise SettingsError([Problem("checkpoint", f"is registered already, as {present.checkpoint}")])
    return present


def set_status(path: Path, identity: BundleId, status: BundleStatus) -> Bundle:
    """Approve or revoke a bundle; SettingsError if the index does not know it."""
    with _locked(path):
        bundles = load(path)
        present = next((bundle for bundle in bundles if bundle.id == identity), None)
        if present is None:
            raise SettingsError([Problem("bundle", f"{path} does not know {identity}")])
        changed = replace(present, status=status)
        _save(path, tuple(changed if bundle is present else bundle for bundle in bundles))
        return changed


def verify(path: Path, bundle: Bundle, size_max: int = SIZE_MAX) -> None:
    """Read both files of a bundle now; Permanent if their bytes are not those that were registered, Transient."""
    wanted = (bundle.checkpoint, bundle.checkpoint_digest), (bundle.reference, bundle.reference_digest)
    for relative, digest in wanted:
        if digest_beneath(path.parent, relative, size_max) != digest:
            raise Permanent(f"{relative!r} has other bytes than were registered")


def _digests(folder: Path, files: dict[str, str], size_max: int) -> dict[str, str]:
    found, problems = {}, []
    for what, relative in files.items():
        try:
            found[what] = digest_beneath(folder, relative, size_max)
        except (Permanent, Transient) as error:
            problems.append(Problem(what, str(error)))
    if problems:
        raise SettingsError(problems)
    return found


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise SettingsError([Problem(str(path), error.strerror or "cannot be read")]) from error
    if len(body) > FILE_BYTES_MAX:
        raise SettingsError([Problem(str(path), f"is larger than {FILE_BYTES_MAX} bytes")])
    return body


def _parse(body: bytes, name: str) -> tuple[tuple[Bundle, ...], list[Problem]]:
    try:
        document: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return (), [Problem(name, "is not JSON")]
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return (), [Problem(name, f'is no release index: "format" is not "{FORMAT}"')]
    if document.get("version") != VERSION:
        return (), [Problem("version", f"is not {VERSION}", "written by a newer release?")]
    entries = document.get("bundles")
    if document.keys() != {"format", "version", "bundles"} or not isinstance(entries, list):
        return (), [Problem(name, 'must hold "format", "version" and the list "bundles", nothing else')]
    return _bundles(entries)


def _bundles(entries: Sequence[object]) -> tuple[tuple[Bundle, ...], list[Problem]]:
    bundles: list[Bundle] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    for i, entry in enumerate(entries):
        at = f"bundles.{i}"
        try:
            bundle = msgspec.convert(entry, Bundle)
        except msgspec.ValidationError as error:
            problems.append(Problem(at, str(error)))
            continue
        problems += [Problem(f"{at}.{field}", why) for field, why in _problems(bundle, entry) if why]
        if seen.setdefault(bundle.id, i) != i:
            problems.append(Problem(f"{at}.id", f"is the id of bundles.{seen[bundle.id]}, too"))
        bundles.append(bundle)
    return tuple(bundles), problems


def _problems(bundle: Bundle, entry: object) -> Iterator[tuple[str, str]]:
    assert isinstance(entry, dict), "msgspec made a Bundle of it"
    for key in entry.keys() - set(Bundle.__struct_fields__):
        yield str(key), "is not known"
    for field in ("checkpoint", "reference"):
        yield field, path_problem(getattr(bundle, field))
    for field in ("checkpoint_digest", "reference_digest"):
        if not _DIGEST.fullmatch(getattr(bundle, field)):
            yield field, "is not sha256:<64 hexadecimal digits>"
    if bundle.id != bundle_id(bundle.model, bundle.checkpoint_digest, bundle.reference_digest):
        yield "id", "is not the digest of this model, checkpoint and reference: the entry was edited"


def _save(path: Path, bundles: Sequence[Bundle]) -> None:
    document = {"format": FORMAT, "version": VERSION, "bundles": bundles}
    body = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
    draft = path.with_name(f".{path.name}.draft")  # one writer at a time: the lock is held
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the writers' lock; it stands beside the index, which is replaced and so cannot carry one."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        file = os.open(path.with_name(f".{path.name}.lock"), flags, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)
    except OSError as error:
        raise SettingsError([Problem(str(path), f"cannot be written: {error.strerror}")]) from error
