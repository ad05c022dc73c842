"""Changing the release index: what people's commands do. Every change is a new serial, signed by whoever makes it.

    lock -> read what is there, believing as a reader does -> change -> serial + 1 -> sign -> fsync, rename, fsync

A reader sees the old file or the new one, never half of one; writers exclude each other by a lock on a file beside it.
Where the index needs more signatures than one, a change waits in `.releases.json.waiting` until `sign` has added the
last one; meanwhile the old index stays in force, and no other change is begun.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.facts import Bundle, BundleId, BundleStatus
from monitor.rollback.manifest import bundle_id, decode
from monitor.rollback.release.approval import approval_of, approvers
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.document import Document, Entry
from monitor.rollback.release.document import decode as decode_index
from monitor.rollback.release.document import encode as encode_index
from monitor.rollback.release.files import locked, sync, waiting_beside, write
from monitor.rollback.release.memory_file import MemoryFile
from monitor.rollback.release.read import Index, load, open_manifest
from monitor.rollback.signing import Distrust, Purpose, Signer, Untrusted, read_envelope

VALID_S = 90 * 86_400.0


@dataclass(frozen=True, slots=True)
class Editor:
    """One release index and somebody who may sign it. Every call reads and writes files; run it on a thread."""

    path: Path
    signer: Signer
    belief: Belief
    wall: Callable[[], float]
    valid_s: float = VALID_S  # how long an index is believed without another change

    def read(self) -> Index:
        """Read the index as it stands, with the memory beside it; SettingsError."""
        return MemoryFile.beside(self.path).load(self.belief)

    def create(self) -> None:
        """Write an empty index; SettingsError if there is a file already."""
        with locked(self.path):
            if self.path.exists():
                raise SettingsError([Problem(str(self.path), "is there already")])
            self._save(Document(0, 0.0, 0.0))  # the first serial is 1

    def add(self, manifest: Path, security: int | None = None) -> Bundle:
        """Add the bundle of a signed manifest below the index's directory, as a candidate; SettingsError.

        `security` is the floor where nothing is said. A bundle that is there already is returned as it is.
        """
        relative = os.path.relpath(manifest.absolute(), self.path.absolute().parent)
        body, _ = open_manifest(manifest, self.belief)
        decode(body, str(manifest))
        identity = bundle_id(body)

        def added(index: Index) -> Document:
            document = index.document
            if document.find(identity):
                return document
            order = 1 + max((entry.order for entry in document.bundles), default=0)
            entry = Entry(
                identity,
                relative,
                BundleStatus.CANDIDATE,
                order,
                document.floor if security is None else security,
            )
            return replace(document, bundles=(*document.bundles, entry))

        return self._change(identity, added)

    def approve(self, identity: BundleId) -> Bundle:
        """Approve of a bundle: with the last person that is needed it is known-good. SettingsError if it is revoked.

        A function for whoever decides: it reads no file of the bundle (`monitor.rollback.release.verify`).
        """

        def approved(index: Index, entry: Entry) -> Entry:
            if entry.status is BundleStatus.REVOKED:
                raise SettingsError([Problem(identity, "is revoked, and stays so", "create a new bundle")])
            serial, aside = index.document.serial, index.memory.aside.get(identity, 0)
            if approvers(entry, self.belief, aside, serial):
                envelope = self.signer.add(Purpose.INDEX, entry.approval.encode())
            else:
                envelope = self.signer.sign(Purpose.INDEX, approval_of(identity, serial))
            entry = replace(entry, approval=envelope.decode(), reason="")
            enough = len(approvers(entry, self.belief, aside, serial)) >= self.belief.approvers_min
            return replace(entry, status=BundleStatus.KNOWN_GOOD if enough else BundleStatus.CANDIDATE)

        return self._change(identity, self._of(identity, approved))

    def set_aside(self, identity: BundleId, status: BundleStatus, reason: str = "") -> Bundle:
        """Quarantine or revoke a bundle, or make it a candidate again; whoever approved of it must do so again."""
        assert status is not BundleStatus.KNOWN_GOOD, "that takes people who approve"

        def aside(index: Index, entry: Entry) -> Entry:
            if entry.status is BundleStatus.REVOKED and status is not BundleStatus.REVOKED:
                raise SettingsError([Problem(identity, "is revoked, and stays so", "create a new bundle")])
            if (entry.status, entry.reason, entry.approval) == (status, reason, ""):
                return entry  # it is so already
            after = index.document.serial + 1  # the index that is about to be written
            return replace(entry, status=status, reason=reason, approval="", aside=after)

        return self._change(identity, self._of(identity, aside))

    def refresh(self, floor: int | None = None) -> Index:
        """Say again that this is the newest index; raise the security floor. SettingsError if that would lower it."""

        def refreshed(document: Document) -> Document:
            if floor is not None and floor < document.floor:
                raise SettingsError([Problem("floor", f"is {document.floor}, and is never lowered")])
            return replace(document, floor=document.floor if floor is None else floor)

        with locked(self.path):
            before = self._begin()
            self._save(refreshed(before.document))
            return self.read()

    def sign(self) -> bool:
        """Add a signature to the change that waits, else to the index; True if it is in force now. SettingsError."""
        with locked(self.path):
            return self._write(self.signer.add(Purpose.INDEX, self._to_sign()[0]))

    def to_sign(self) -> Document:
        """What `sign` would sign, which one person has at least: the change that waits, else the index."""
        return self._to_sign()[1]

    def waits(self) -> bool:
        """Whether a change waits for more signatures."""
        return waiting_beside(self.path).exists()

    def _to_sign(self) -> tuple[bytes, Document]:
        path = waiting_beside(self.path) if self.waits() else self.path
        try:
            envelope = read_envelope(path)
            body = self.belief.approvals.open(Purpose.INDEX, envelope).payload
        except (Permanent, Transient) as error:
            raise SettingsError([Problem(str(path), str(error), "make the change again")]) from error
        return envelope, decode_index(body, str(path))

    def _of(self, identity: BundleId, change: Callable[[Index, Entry], Entry]) -> Callable[[Index], Document]:
        def changed(index: Index) -> Document:
            document = index.document
            entry = document.find(identity)
            if entry is None:
                raise SettingsError([Problem("bundle", f"{self.path} does not know {identity}")])
            return replace(document, bundles=tuple(change(index, e) if e is entry else e for e in document.bundles))

        return changed

    def _change(self, identity: BundleId, change: Callable[[Index], Document]) -> Bundle:
        with locked(self.path):
            before = self._begin()
            after = change(before)
            if after != before.document:
                self._save(after)
            found = before.find(identity) if self.waits() else self.read().find(identity)
        if found is None:
            raise SettingsError([Problem("bundle", "waits with its index for another signature", "tocsin bundle sign")])
        return found

    def _begin(self) -> Index:
        if self.waits():
            hint = f"tocsin bundle sign, or remove {waiting_beside(self.path)}"
            raise SettingsError([Problem(str(self.path), "has a change that waits for a signature", hint)])
        return self.read()

    def _save(self, document: Document) -> None:
        wall = self.wall()
        document = replace(document, serial=document.serial + 1, issued=wall, expires=wall + self.valid_s)
        body = encode_index(document)
        decode_index(body, str(self.path))  # what we could not read, nobody could
        self._write(self.signer.sign(Purpose.INDEX, body))

    def _write(self, envelope: bytes) -> bool:
        """Put an index in force, or aside until there are enough signatures. Nothing changes if it cannot be read."""
        waiting = waiting_beside(self.path)
        try:
            self.belief.trust.open(Purpose.INDEX, envelope)
        except Untrusted as error:
            if error.reason is not Distrust.TOO_FEW:
                hint = "the key that signs must be one that is trusted"
                raise SettingsError([Problem(str(self.path), str(error), hint)]) from error
            write(waiting, envelope)
            return False
        if self.path.exists():
            write(waiting, envelope)
            try:
                load(waiting, self.belief, MemoryFile.beside(self.path).memory())  # as every reader will
            except BaseException:
                waiting.unlink()
                raise
            waiting.replace(self.path)
            sync(self.path.parent)
        else:
            write(self.path, envelope)
        return True
