"""From what the settings name on disk to what a turn works with: release index, reference profiles, rule pack.

The release index is read again whenever its file changes, because a deployment adds its bundle while the daemon runs;
what is not believed leaves the last good one in force, and is said. What was believed is remembered in the store before
anything rests on it, so that an older index is refused after a restart, too; one that the store cannot keep now, as on
a full disk, is treated as a refused one. A reference profile is content-addressed, so a copy under its digest is kept
in the state directory: panes counted in its bins stay readable when the index forgets the bundle.
"""

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from msgspec.structs import replace

from monitor.decisions.epochs import last_known_good
from monitor.errors import Corrupt, Problem, SettingsError, Transient
from monitor.facts import Bundle, BundleStatus, ModelName
from monitor.panes.layout import Layout
from monitor.panes.reference import decode_reference, digest, schema_digest
from monitor.rollback.release.belief import NOBODY, Belief
from monitor.rollback.release.memory import IndexMemory
from monitor.rollback.release.read import Index, load
from monitor.settings.fits import answer_problems

REFERENCE_BYTES_MAX = 64 << 20  # 2,000 features are 1.2 MB
log = structlog.get_logger()


@dataclass(slots=True)
class Shelf:
    """Reference profiles by digest: those of the release indexes, and a copy of each that was ever used."""

    folder: Path
    layouts: dict[str, Layout] = field(default_factory=dict)

    def layout(self, wanted: str, source: Path | None = None) -> Layout:
        """The layout of one reference profile, from memory, our copy or `source`; SettingsError if none will do."""
        if wanted not in self.layouts:
            copy = self.folder / f"{wanted.removeprefix('sha256:')}.json"
            kept = _read(copy) if copy.exists() or source is None else b""
            rotten = source is not None and digest(kept) != wanted  # or there was no copy yet
            body, path = (_read(source), source) if source is not None and rotten else (kept, copy)
            if digest(body) != wanted:
                raise SettingsError([Problem(str(path), f"is not the reference profile {wanted}", "restore it")])
            try:
                layout = Layout.of(decode_reference(body))
                if rotten:
                    _keep(copy, body)
            except Corrupt as error:
                raise SettingsError([Problem(str(path), str(error))]) from error
            except OSError as error:
                raise SettingsError([Problem(str(copy), error.strerror or "cannot be written")]) from error
            self.layouts[wanted] = layout
        return self.layouts[wanted]


@dataclass(slots=True)
class Releases:
    """One release index file, read again when it changes."""

    path: Path
    model: ModelName
    shelf: Shelf
    belief: Belief = NOBODY
    memory: IndexMemory = field(default_factory=IndexMemory)  # as it is stored
    remember: Callable[[IndexMemory], None] = lambda _: None  # durable when it returns
    wall: Callable[[], float] = time.time
    problem: str = ""  # why the present file is not in force; "" when it is
    _index: Index | None = None  # the one in force
    _seen: tuple[int, ...] = ()

    def changed(self) -> bool:
        """Whether the file is another than the one last looked at."""
        try:
            found = self.path.stat()
        except OSError:
            return bool(self._seen)
        return (found.st_mtime_ns, found.st_size, found.st_ino) != self._seen

    def load(self) -> tuple[Bundle, ...]:
        """The bundles of the model, their reference profiles on the shelf.

        SettingsError with all that is wrong; Transient if the store cannot remember the index now. After any other
        error the file counts as one that nobody looked at yet, so that what it says is not lost.
        """
        found = self._signature()  # before it is read: what is written meanwhile is another file
        try:
            bundles = self._load()
        except (SettingsError, Transient):
            self._seen = found
            raise
        self._seen = found
        return bundles

    def _load(self) -> tuple[Bundle, ...]:
        index = self.read()
        bundles = tuple(b for b in index.bundles if b.model == self.model)
        problems: list[Problem] = []
        for bundle in bundles:
            try:
                self.shelf.layout(bundle.reference_digest, self.path.parent / bundle.reference)
            except SettingsError as error:
                problems += error.problems
        schemas = {
            bundle.name or bundle.id: self.shelf.layouts[bundle.reference_digest].reference.schema
            for bundle in bundles
            if bundle.status is not BundleStatus.REVOKED and bundle.reference_digest in self.shelf.layouts
        }
        problems += answer_problems(str(self.path), schemas)
        if last_known_good(bundles) is None:
            hint = "tocsin bundle create, then tocsin bundle approve"
            problems.append(Problem(str(self.path), f"has no known-good bundle of {self.model}", hint))
        self.problem = "; ".join(map(str, problems))
        if problems:
            raise SettingsError(problems)
        self._index = index
        return tuple(self._with_schema(bundle) for bundle in bundles)

    def read(self) -> Index:
        """The index as it stands now, remembered; SettingsError if it is not believed, Transient if not kept."""
        index = load(self.path, self.belief, self.memory)
        if index.memory != self.memory:
            self.remember(index.memory)
            self.memory = index.memory
        return index

    @property
    def index(self) -> Index | None:
        """The index in force; None before one is."""
        return self._index

    @property
    def expires(self) -> float | None:
        """Wall time from which the index in force gives no targets; None before one is."""
        return self._index.document.expires if self._index else None

    @property
    def expired(self) -> bool:
        """Whether that time has come."""
        return self._index is not None and self._index.expired(self.wall())

    @property
    def floor(self) -> int:
        """The least security version of a target: the highest that was seen."""
        return self.memory.floor

    def told(self) -> dict[str, object]:
        """The index in force, for people."""
        found = self._index
        if found is None:
            return {}
        document = found.document
        return {
            "serial": document.serial,
            "issued": document.issued,
            "expires": document.expires,
            "expired": self.expired,
            "floor": self.floor,
            "signed": found.signed,
        }

    def refreshed(self, bundles: tuple[Bundle, ...]) -> tuple[Bundle, ...]:
        """The bundles of the present file, or `bundles` where it did not change or cannot be used.

        A file with a problem is tried again each time, because what it lacks may be a reference that is still copied,
        or space for what is to be remembered.
        """
        before = self.problem
        if not before and not self.changed():
            return bundles
        try:
            return self.load()
        except SettingsError as error:
            problems = error.problems
        except Transient as error:
            hint = "it is tried again at every turn; make space if the disk is full"
            problems = (Problem(str(self.path), f"cannot be remembered: {error}", hint),)
        self.problem = "\n".join(map(str, problems))
        if self.problem != before:
            log.warning("releases.refused", model=self.model, first=str(problems[0]))
        return bundles

    def _with_schema(self, bundle: Bundle) -> Bundle:
        """The bundle with the digest of what it is fed and answers, as its reference says."""
        layout = self.shelf.layouts.get(bundle.reference_digest)
        return bundle if layout is None else replace(bundle, schema_digest=schema_digest(layout.reference.schema))

    def _signature(self) -> tuple[int, ...]:
        try:
            found = self.path.stat()
        except OSError:
            return ()
        return (found.st_mtime_ns, found.st_size, found.st_ino)


def shelved(shelf: Shelf, digests: Iterable[str]) -> None:
    """Put the references of earlier epochs on the shelf, from our copies; SettingsError if one is lost."""
    for wanted in dict.fromkeys(digests):
        if wanted:
            shelf.layout(wanted)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(REFERENCE_BYTES_MAX + 1)
    except OSError as error:
        hint = "tocsin reference build writes one"
        raise SettingsError([Problem(str(path), error.strerror or "cannot be read", hint)]) from error
    if len(body) > REFERENCE_BYTES_MAX:
        raise SettingsError([Problem(str(path), f"is larger than {REFERENCE_BYTES_MAX} bytes")])
    return body


def _keep(copy: Path, body: bytes) -> None:
    """Write the copy whole or not at all."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    draft = copy.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(body)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(copy)
    folder = os.open(copy.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
