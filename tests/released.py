"""A release directory for tests: its keys, and what an operator would type, as functions. The key lies beside it."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from monitor.facts import Bundle, BundleId, BundleStatus, ModelName
from monitor.rollback.keys import keygen
from monitor.rollback.manifest import About, Role
from monitor.rollback.release import read
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.make import Builder
from monitor.rollback.release.write import Editor
from monitor.rollback.signing import Signer

NOW = 2_000_000_000.0  # wall time of every change; the index expires after any test
VALID_S = 4e9


def signer(folder: Path, name: str = "release") -> Signer:
    """Whoever has the key of this name, which is made at the first question."""
    private = folder / f"{name}.key"
    if not private.exists():
        keygen(private, folder / f"{name}.pub")
    return Signer.load(private)


def trust(folder: Path, *names: str) -> list[Path]:
    """The public keys of these names, as settings list them."""
    chosen = names or ("release",)
    return [signer(folder, name) and folder / f"{name}.pub" for name in chosen]


def belief(index: Path, *names: str, **people: int) -> Belief:
    """Believe the key beside the index, or those of these names."""
    return Belief.load(trust(index.parent, *names), **people)


def editor(index: Path, by: str = "release", believed: Belief | None = None) -> Editor:
    """Somebody who may change the index."""
    return Editor(index, signer(index.parent, by), believed or belief(index), lambda: NOW, VALID_S)


def create(index: Path) -> None:
    """Write an empty index."""
    editor(index).create()


def bundle(index: Path, files: Mapping[str, Role], model: ModelName, name: str, **about: object) -> Bundle:
    """Sign a bundle of files below the index's directory, and add it."""
    folder = index.parent
    manifest = folder / f"{name}.{model}.bundle.json"
    said = About(model=model, name=name, **about)  # type: ignore[arg-type] # as the test says
    Builder(signer(folder), belief(index)).make(manifest, files, said)
    return editor(index).add(manifest)


def register(
    index: Path,
    model: ModelName,
    checkpoint: str,
    reference: str,
    *,
    wall: float,
    status: BundleStatus = BundleStatus.CANDIDATE,
    name: str = "",
    **about: object,
) -> Bundle:
    """Sign a bundle of a checkpoint and a reference, add it, and approve of it or set it aside."""
    files = {checkpoint: Role.CHECKPOINT, reference: Role.REFERENCE}
    made = bundle(index, files, model, name or PurePosixPath(checkpoint).name, created=wall, **about)
    return made if status is BundleStatus.CANDIDATE else set_status(index, made.id, status)


def set_status(index: Path, identity: BundleId, status: BundleStatus) -> Bundle:
    """Approve of a bundle, or set it aside."""
    if status is BundleStatus.KNOWN_GOOD:
        return editor(index).approve(identity)
    return editor(index).set_aside(identity, status)


def load(index: Path) -> tuple[Bundle, ...]:
    """The bundles, as anybody reads them who trusts the key."""
    return read.load(index, belief(index)).bundles


def settings(folder: str = ".") -> dict[str, object]:
    """What the settings of a model say of it."""
    return {"index": f"{folder}/releases.json", "trust": [f"{folder}/release.pub"]}
