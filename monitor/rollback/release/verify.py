"""Whether what lies there now is what a bundle's manifest says: every file, and nothing beside those of its checkpoint.

A model server that is pointed at a directory loads what it finds there. So a file too many is as bad as a changed one.
"""

from collections.abc import Iterable
from pathlib import Path

from monitor.errors import Permanent
from monitor.facts import BundleId
from monitor.rollback.digest import SIZE_MAX, Progress, measure_beneath, nobody
from monitor.rollback.manifest import File, Manifest, Role
from monitor.rollback.release.read import Index
from monitor.rollback.tree import files_in


def verify(index: Index, identity: BundleId, size_max: int = SIZE_MAX, progress: Progress = nobody) -> None:
    """Read all files of a bundle now; Permanent if they are not those that were signed, Transient.

    `progress` is told how many bytes were read; there are `size_of` of them.
    """
    folder, manifest = _found(index, identity)
    _read(index, folder, manifest.files, size_max, progress)
    if others := strangers(index.folder / folder, manifest):
        raise Permanent(f"{others[0]!r} lies in {manifest.checkpoint!r}, and is no file of the bundle")


def verify_beside(index: Index, identity: BundleId) -> None:
    """Read all but the checkpoint, for whoever reads a copy of that, which is what will be installed; as `verify`."""
    folder, manifest = _found(index, identity)
    _read(index, folder, [file for file in manifest.files if file.role is not Role.CHECKPOINT], SIZE_MAX, nobody)


def _found(index: Index, identity: BundleId) -> tuple[Path, Manifest]:
    entry, manifest = index.document.find(identity), index.manifests.get(identity)
    if entry is None or manifest is None:
        raise Permanent(f"the release index does not know {identity}")
    return Path(entry.path).parent, manifest


def _read(index: Index, folder: Path, files: Iterable[File], size_max: int, progress: Progress) -> None:
    for file in files:
        relative = str(folder / file.path)
        read = measure_beneath(index.folder, relative, size_max, progress)
        if read != (file.digest, file.size):
            raise Permanent(f"{relative!r} has other bytes than were signed")


def strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Name what lies in the checkpoint's directory and is no file of it; none where it is one file. Permanent."""
    checkpoint = manifest.of(Role.CHECKPOINT)
    if len(checkpoint) == 1:
        return []
    found = {f"{manifest.checkpoint}/{name}" for name in files_in(folder / manifest.checkpoint)}
    return sorted(found - {file.path for file in checkpoint})


def size_of(index: Index, identity: BundleId) -> int:
    """How many bytes `verify` reads."""
    return sum(file.size for file in index.manifests[identity].files)
