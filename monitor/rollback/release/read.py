"""Reading the release index: signatures, then memory, then the manifests it names, and only then what it says.

    releases.json -> trusted signatures -> one form -> memory does not refuse -> manifests: trusted, digest is id

A bundle that is approved by fewer people than the settings demand is shown as a candidate; an index that has one for
known-good by an approval that is spent is refused, because no honest hand writes that. Files are not read here, but
for the manifests: checkpoints are large, and are verified when it matters (`monitor.rollback.release.verify`).

Cost: 0.2 ms a bundle.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.facts import Bundle, BundleId, BundleStatus, ModelName
from monitor.rollback import manifest as bundles
from monitor.rollback.manifest import Manifest, Role
from monitor.rollback.release.approval import approvers, given
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.document import Document, Entry, decode
from monitor.rollback.release.memory import IndexMemory, refusal, remembered
from monitor.rollback.signing import Purpose, Untrusted, read_envelope

FIRST = IndexMemory()


@dataclass(frozen=True, slots=True)
class Index:
    """A release index that is believed. Times are wall time."""

    path: Path
    document: Document
    bundles: tuple[Bundle, ...]  # by order
    manifests: Mapping[BundleId, Manifest]
    signed: tuple[str, ...]  # key ids
    memory: IndexMemory = field(default=FIRST)  # to be kept before anything rests on this index

    @property
    def folder(self) -> Path:
        """What the paths of bundles are relative to."""
        return self.path.parent

    @property
    def floor(self) -> int:
        """The least security version of a target."""
        return self.document.floor

    def expired(self, wall: float) -> bool:
        """Whether nobody has said for too long that this is still the newest: then it gives no targets."""
        return wall >= self.document.expires

    def find(self, identity: BundleId) -> Bundle | None:
        """The bundle of an id."""
        return next((bundle for bundle in self.bundles if bundle.id == identity), None)

    def no_target(self, identity: BundleId, wall: float) -> str:
        """Say why the index does not allow a rollback to this bundle now; "" if it does."""
        bundle = self.find(identity)
        if bundle is None:
            return "the release index does not know it"
        if bundle.status is not BundleStatus.KNOWN_GOOD:
            return f"it is {bundle.status.value}"
        if bundle.security < self.floor:
            return f"its security version {bundle.security} is below the floor {self.floor}"
        return "the release index has expired" if self.expired(wall) else ""


def load(path: Path, belief: Belief, memory: IndexMemory = FIRST) -> Index:
    """Read the index; SettingsError with everything for which it is not believed, in which case nothing of it counts.

    Whoever relies on it keeps `Index.memory` first, and gives it the next time.
    """
    where = str(path)
    body, signed = _opened(path, belief)
    document = decode(body, where)
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    if why := refusal(memory, document, digest, belief.signers, belief.ahead_max):
        raise SettingsError([Problem(where, why)])
    after = remembered(memory, document, digest, belief.signers)
    manifests: dict[BundleId, Manifest] = {}
    problems = [Problem(where, why, "tocsin bundle approve") for why in _spent(document, after, belief)]
    for entry in document.bundles:
        try:
            manifests[BundleId(entry.id)] = read_manifest(path.parent, entry, belief)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    found = sorted(_bundles(document, manifests, belief, after), key=lambda bundle: bundle.order)
    return Index(path, document, tuple(found), manifests, signed, after)


def read_manifest(folder: Path, entry: Entry, belief: Belief) -> Manifest:
    """Read the manifest of an entry; SettingsError if it is not there, not trusted, or not the one that is meant."""
    where = str(folder / entry.path)
    body, _ = open_manifest(folder / entry.path, belief)
    if bundles.bundle_id(body) != entry.id:
        raise SettingsError([Problem(where, f"is not the manifest of {entry.id}, as the release index says")])
    return bundles.decode(body, where)


def open_manifest(path: Path, belief: Belief) -> tuple[bytes, tuple[str, ...]]:
    """Return the bytes of a manifest and who signed it; SettingsError."""
    try:
        opened = belief.trust.open_file(Purpose.BUNDLE, path)
    except (Permanent, Transient) as error:
        raise SettingsError([Problem(str(path), str(error), "tocsin bundle create writes it")]) from error
    return opened.payload, opened.keyids


def _opened(path: Path, belief: Belief) -> tuple[bytes, tuple[str, ...]]:
    try:
        envelope = read_envelope(path)
        opened = belief.trust.open(Purpose.INDEX, envelope)
    except Untrusted as error:
        hint = "sign it with a key that the settings trust, or trust the one that signed it"
        raise SettingsError([Problem(str(path), str(error), hint)]) from error
    except (Permanent, Transient) as error:
        text = str(error).removeprefix(f"{path} ")
        raise SettingsError([Problem(str(path), text, "tocsin bundle create makes one")]) from error
    return opened.payload, opened.keyids


def _spent(document: Document, memory: IndexMemory, belief: Belief) -> Iterator[str]:
    """What is called known-good by an approval that does not count any more, or not yet."""
    for entry in document.bundles:
        found = given(entry, belief) if entry.status is BundleStatus.KNOWN_GOOD else None
        if found is not None and (why := found.problem(memory.aside.get(entry.id, 0), document.serial)):
            yield f"has {entry.id} as known_good, which {why}"


def _bundles(
    document: Document, manifests: Mapping[BundleId, Manifest], belief: Belief, memory: IndexMemory
) -> Iterator[Bundle]:
    for entry in document.bundles:
        manifest = manifests[BundleId(entry.id)]
        approved = approvers(entry, belief, memory.aside.get(entry.id, 0), document.serial)
        enough = entry.status is not BundleStatus.KNOWN_GOOD or len(approved) >= belief.approvers_min
        folder = PurePosixPath(entry.path).parent
        schemas = manifest.of(Role.SCHEMA)
        yield Bundle(
            id=BundleId(entry.id),
            model=ModelName(manifest.model),
            checkpoint=str(folder / manifest.checkpoint),
            checkpoint_digest=manifest.checkpoint_digest,
            reference=str(folder / manifest.reference.path),
            reference_digest=manifest.reference.digest,
            status=entry.status if enough else BundleStatus.CANDIDATE,
            registered=manifest.created,
            name=manifest.name,
            schema_digest=schemas[0].digest if schemas else "",
            cutoff=manifest.lineage.cutoff,
            lineage=manifest.lineage.batches,
            parents=tuple(BundleId(parent) for parent in manifest.parents),
            locators=manifest.locators,
            order=entry.order,
            security=entry.security,
            approved=approved,
        )
