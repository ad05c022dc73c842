"""What a bundle consists of, and where it came from: the payload of its `bundle.json`, which is signed.

    {"created": ..., "evaluation": {"accuracy": 0.91}, "files": [{"digest", "path", "role", "size"}, ...],
     "format": "tocsin-bundle", "lineage": {"batches": [...], "cutoff": ...}, "locators": {"mlflow": "7"},
     "model": "delays", "name": "v7", "parents": ["sha256:..."], "version": 1}

The bundle's id is the SHA-256 of these bytes, so there must be only one way to write them: JSON without blanks, keys
sorted, files by path, numbers as short as they can be. What is not in this form is refused, which refuses unknown keys
as well. Paths are relative to the directory of the manifest and stay below it, so that a bundle can be moved or copied
as a whole and stays what it is.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.facts import Batch, BundleId
from monitor.rollback.digest import SIZE_MAX, Progress, measure_beneath, nobody, path_problem
from monitor.rollback.tree import FILES_MAX, Part, combine

MANIFEST_BYTES_MAX = 8 << 20  # 10,000 files and as many batches
BATCHES_MAX = 100_000

Digest: TypeAlias = Annotated[str, Meta(pattern=r"^sha256:[0-9a-f]{64}\Z")]
Text: TypeAlias = Annotated[str, Meta(max_length=1024)]
Name: TypeAlias = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{0,128}\Z")]
Model: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]  # as the settings name models


class Role(Enum):
    """What a file is to its bundle."""

    CHECKPOINT = "checkpoint"
    REFERENCE = "reference"
    RULES = "rules"
    SCHEMA = "schema"
    OTHER = "other"


class File(msgspec.Struct, frozen=True):
    """One file, opaque bytes but for the reference profile."""

    path: Annotated[str, Meta(max_length=1024)]
    role: Role
    digest: Digest
    size: Annotated[int, Meta(ge=0)]  # bytes


class Lineage(msgspec.Struct, frozen=True):
    """What the checkpoint was trained on, as its builder says."""

    batches: Annotated[tuple[Batch, ...], Meta(max_length=BATCHES_MAX)] = ()
    cutoff: float | None = None  # event time of the newest row


class About(msgspec.Struct, frozen=True):
    """What a builder says of a bundle, beside its files."""

    model: Model
    name: Name = ""
    created: float = 0.0  # wall time
    lineage: Lineage = Lineage()
    evaluation: dict[Text, float] = {}
    parents: Annotated[tuple[Digest, ...], Meta(max_length=64)] = ()
    locators: dict[Text, Text] = {}


class Manifest(About, frozen=True, kw_only=True):
    """A bundle. `files` by path: one reference profile, at least one file of the checkpoint."""

    files: Annotated[tuple[File, ...], Meta(min_length=2, max_length=FILES_MAX)]
    format: Literal["tocsin-bundle"] = "tocsin-bundle"
    version: Literal[1] = 1

    def of(self, role: Role) -> tuple[File, ...]:
        """The files of a role."""
        return tuple(file for file in self.files if file.role is role)

    @property
    def reference(self) -> File:
        """The reference profile."""
        return self.of(Role.REFERENCE)[0]

    @property
    def checkpoint(self) -> str:
        """What a link to the checkpoint must name: its file, or the directory of its files."""
        files = self.of(Role.CHECKPOINT)
        return files[0].path if len(files) == 1 else str(_around(files))

    @property
    def checkpoint_digest(self) -> str:
        """What a model server proves that it has loaded."""
        files = self.of(Role.CHECKPOINT)
        return combine(Part(str(PurePosixPath(f.path).relative_to(_around(files))), f.digest, f.size) for f in files)


def encode(manifest: Manifest) -> bytes:
    """Return the bytes that are signed, and that the bundle is named after."""
    return msgspec.json.encode(manifest, order="sorted")


def bundle_id(body: bytes) -> BundleId:
    """Return the id of the bundle whose manifest has these bytes."""
    return BundleId(f"sha256:{hashlib.sha256(body).hexdigest()}")


def decode(body: bytes, where: str) -> Manifest:
    """Read a manifest whose signature held; SettingsError with everything that is wrong with it."""
    if len(body) > MANIFEST_BYTES_MAX:
        raise SettingsError([Problem(where, f"is larger than {MANIFEST_BYTES_MAX} bytes")])
    try:
        manifest = msgspec.json.decode(body, type=Manifest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(where, f"is no manifest of a bundle: {error}")]) from None
    problems = [Problem(where, why) for why in _problems(manifest)]
    if not problems and encode(manifest) != body:
        problems = [Problem(where, "is not in its one form", "written by another release?")]
    if problems:
        raise SettingsError(problems)
    return manifest


def measure(
    folder: Path,
    files: Mapping[str, Role],
    about: About,
    *,
    size_max: int = SIZE_MAX,
    progress: Progress = nobody,
) -> Manifest:
    """Read every file below `folder` and write down what it is; SettingsError with all that cannot be used.

    Memory does not depend on the sizes; `progress` is told every MiB.
    """
    found: list[File] = []
    problems: list[Problem] = []
    for path, role in sorted(files.items()):
        try:
            found.append(File(path, role, *measure_beneath(folder, path, size_max, progress)))
        except (Permanent, Transient) as error:
            problems.append(Problem(role.value, str(error)))
    if problems:
        raise SettingsError(problems)
    manifest = Manifest(**msgspec.structs.asdict(about), files=tuple(found))
    return decode(encode(manifest), "the bundle")


def _around(files: tuple[File, ...]) -> PurePosixPath:
    """The nearest directory that holds all of them."""
    parents = [PurePosixPath(file.path).parents for file in files]
    shared = (folder for folder in parents[0] if all(folder in others for others in parents))
    return next(shared, PurePosixPath())  # of absolute and relative ones, which are refused, there is none


def _problems(manifest: Manifest) -> Iterator[str]:
    paths = [file.path for file in manifest.files]
    for path in paths:
        if (problem := path_problem(path)) or str(PurePosixPath(path)) != path or not path.isprintable():
            yield f"names the file {path!r}, which {problem or 'is not written plainly'}"
    for path, times in Counter(paths).items():
        if times > 1:
            yield f"names the file {path!r} {times} times"
    if paths != sorted(paths):
        yield "does not name its files in order"
    checkpoints, references = manifest.of(Role.CHECKPOINT), manifest.of(Role.REFERENCE)
    if len(references) != 1:
        yield f"has {len(references)} reference profiles, not one"
    if not checkpoints:
        yield "has no checkpoint"
    elif len(checkpoints) > 1 and not _around(checkpoints).name:
        yield "has several files of a checkpoint, which must lie in a directory of their own"
    for batch in manifest.lineage.batches:
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", batch.digest) or batch.rows < 0 or batch.start > batch.end:
            yield f"has a batch that cannot be: {batch.digest[:80]!r} of {batch.rows} rows"
