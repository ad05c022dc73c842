"""What changes beside the daemon, seen once a second: tokens, indexes, references, kill switches, silences.

Nobody asks the daemon before a file changes, so there is nothing to hold up: it is recorded when it is seen. What was
seen last is kept by the store, so a change made while no daemon ran is found at the next start. Who did it a file does
not say: the actor is `file`. The command line writes a record of its own, with the person's name, where it is told the
state directory.

A release index is told once it was read: with the serial and the signers in force from then on, which bundles changed
from what to what, and why the file is not believed, if it is not. Whose status changed has a line of its own, too, so
what one text has no room for is not lost.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from monitor.alerts.said import Key
from monitor.audit.records import Kind, Scalar
from monitor.errors import Corrupt
from monitor.facts import AlertState, Bundle, ModelName
from monitor.ingest.tokens import Token, read_tokens
from monitor.store.protocol import Change, Store
from monitor.turns.auditing import Auditing, Deed
from monitor.turns.loading import Releases
from monitor.turns.watched import Watched

KEY: Final = "noticed"
FILE: Final = "file"  # who did it cannot be told
INDEX_BYTES_MAX: Final = 32 << 20
NAMED_MAX: Final = 6  # bundles, or signers, in one text of a line: `TEXT_MAX` of a record
SHORT: Final = 12  # hex digits of an id, as people type it


class Noticed(msgspec.Struct, frozen=True):
    """What was there when it was looked last, as names and digests."""

    tokens: dict[str, tuple[str, str, bool]] = {}  # by id: name, digest of the entry, whether it is revoked
    releases: dict[str, str] = {}  # by model: digest of the index's bytes
    bundles: dict[str, str] = {}  # by "<model> <id>": status
    references: dict[str, str] = {}  # by model: digest of the profile that judges
    killed: dict[str, bool] = {}  # by model
    settings: str = ""  # digest of the document that was in force last
    rules: str = ""
    serials: dict[str, int] = {}  # by model: of the index in force
    refused: dict[str, bool] = {}  # by model: whether another index lies in the file


@dataclass(frozen=True, slots=True)
class Told:
    """What a model's releases say of themselves at one moment."""

    bundles: Sequence[Bundle] = ()
    serial: int | None = None  # of the index in force; None: it is none that is signed
    signed: Sequence[str] = ()
    refused: str = ""  # why the file is not in force


NOTHING_TOLD: Final[Mapping[str, Told]] = MappingProxyType({})


@dataclass(slots=True)
class Noticing:
    """Looks, compares, writes down."""

    audit: Auditing
    store: Store
    models: Mapping[ModelName, Watched]
    tokens_file: Path
    silenced: Callable[[Key], str]  # by which silence an alert is held, in words
    noticed: Noticed = field(init=False)
    _silences: dict[Key, str] = field(default_factory=dict)
    _stamps: dict[Path, tuple[object, str]] = field(default_factory=dict)  # of files: what was seen, digest
    _tokens: dict[str, Token] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.noticed = self.store.facts(Noticed).get(KEY, Noticed())

    async def look(self) -> None:
        """Write down what is other than it was. Transient if the store cannot keep it now: it is told again."""
        seen, told = await asyncio.to_thread(self._see)
        await self.audit.record([*changes(self.noticed, seen, self._tokens, told), *self._silent()])
        await self.keep(seen)

    async def keep(self, seen: Noticed) -> None:
        """Remember what was written down."""
        if seen != self.noticed:
            await asyncio.to_thread(self.store.commit, Change(puts=[(KEY, seen)]))
            self.noticed = seen

    async def in_force(self, settings: str, rules: str) -> None:
        """Remember which settings and rules are in force."""
        await self.keep(msgspec.structs.replace(self.noticed, settings=settings, rules=rules))

    def _see(self) -> tuple[Noticed, Mapping[str, Told]]:
        models = self.models
        told = {str(name): told_by(each) for name, each in models.items()}
        seen = msgspec.structs.replace(
            self.noticed,
            tokens=self._see_tokens(),
            releases={name: self._releases(name, each.releases) for name, each in models.items()},
            serials={name: each.serial or 0 for name, each in told.items()},
            refused={name: bool(each.refused) for name, each in told.items()},
            bundles={f"{name} {b.id}": b.status.value for name, each in told.items() for b in each.bundles},
            references={name: each.good.reference_digest for name, each in models.items()},
            killed={name: each.killed() for name, each in models.items()},
        )
        return seen, told

    def _releases(self, model: ModelName, releases: Releases) -> str:
        """The digest of the index; that of before, while the file of now waits to be read."""
        before = self.noticed.releases.get(model)
        return before if before is not None and releases.changed() else self._digest(releases.path)

    def _see_tokens(self) -> dict[str, tuple[str, str, bool]]:
        before = self._stamps.get(self.tokens_file)
        digest = self._digest(self.tokens_file)
        if before is not None and before[1] == digest:
            return self.noticed.tokens
        try:
            self._tokens = {token.id: token for token in read_tokens(self.tokens_file)}
        except Corrupt:  # said by who follows the file; what was seen last stands
            return self.noticed.tokens
        return {
            ident: (token.name, sha256(msgspec.json.encode(token)).hexdigest(), token.revoked is not None)
            for ident, token in self._tokens.items()
        }

    def _digest(self, path: Path) -> str:
        """The digest of a small file; "" if it cannot be read."""
        try:
            found = path.stat()
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
            if path not in self._stamps or self._stamps[path][0] != stamp:
                with path.open("rb") as file:
                    self._stamps[path] = stamp, sha256(file.read(INDEX_BYTES_MAX)).hexdigest()
        except OSError:
            self._stamps[path] = None, ""
        return self._stamps[path][1]

    def _silent(self) -> Iterator[Deed]:
        """Silences of what fires that are there now and were not, or the other way round."""
        firing = [
            Key(str(name), alert.rule, alert.segment)
            for name, watched in self.models.items()
            for alert in watched.state.alerts
            if alert.state is AlertState.FIRING
        ]
        found = {key: words for key in firing if (words := self.silenced(key))}
        for key in sorted(found.keys() | self._silences.keys()):
            now, before = found.get(key, ""), self._silences.get(key, "")
            if now != before:
                kind = Kind.SILENCE_SEEN if now else Kind.SILENCE_ENDED
                column = key.segment.partition("=")[0] or None  # its value may be one of rows
                yield Deed(kind, "alertmanager", {"model": key.model, "rule": key.rule, "by": column, "words": now})
        self._silences = found


def told_by(watched: Watched) -> Told:
    """What is in force, and what is not. Bundles are those of the index itself: the model takes them over later."""
    index, refused = watched.releases.index, watched.releases.problem
    if index is None:
        return Told(watched.bundles, refused=refused)
    mine = [bundle for bundle in index.bundles if bundle.model == watched.name]
    return Told(mine, index.document.serial, index.signed, refused)


def changes(
    before: Noticed, now: Noticed, tokens: Mapping[str, Token], told: Mapping[str, Told] = NOTHING_TOLD
) -> Iterator[Deed]:
    """What happened between two looks, in a fixed order."""
    for ident in sorted(before.tokens.keys() | now.tokens.keys()):
        yield from _token(ident, before.tokens.get(ident), now.tokens.get(ident), tokens.get(ident))
    for model in sorted(now.releases):
        if _index(now, model) != _index(before, model):
            yield Deed(Kind.RELEASES_CHANGED, FILE, _released(model, before, now, told.get(model, Told())))
    for name in sorted(before.bundles.keys() | now.bundles.keys()):
        old, new = before.bundles.get(name), now.bundles.get(name)
        if old != new:
            model, _, bundle = name.partition(" ")
            yield Deed(Kind.BUNDLE_CHANGED, FILE, {"model": model, "bundle": bundle, "before": old, "status": new})
    for model, digest in sorted(now.references.items()):
        if digest != before.references.get(model):
            subject = {"model": model, "digest": digest, "before": before.references.get(model)}
            yield Deed(Kind.REFERENCE_CHANGED, FILE, subject)
    for model, killed in sorted(now.killed.items()):
        if killed != before.killed.get(model, False):
            yield Deed(Kind.KILL_SWITCH_SET if killed else Kind.KILL_SWITCH_UNSET, FILE, {"model": model})


def _index(noticed: Noticed, model: str) -> tuple[str | None, int, bool]:
    return noticed.releases.get(model), noticed.serials.get(model, 0), noticed.refused.get(model, False)


def _released(model: str, before: Noticed, now: Noticed, told: Told) -> dict[str, Scalar]:
    names = sorted(name for name in before.bundles.keys() | now.bundles.keys() if name.startswith(f"{model} "))
    moved = [(name, before.bundles.get(name), now.bundles.get(name)) for name in names]
    texts = [
        f"{name.partition(' ')[2].removeprefix('sha256:')[:SHORT]} {old or 'none'} -> {new or 'none'}"
        for name, old, new in moved
        if old != new
    ]
    return {
        "model": model,
        "digest": now.releases[model],
        "before": before.releases.get(model),
        "serial": told.serial,
        "signed": _some(list(told.signed), " "),
        "changes": _some(texts, "; "),
        "refused": told.refused or None,
    }


def _some(texts: Sequence[str], between: str) -> str:
    """So many that they fit in one text, and how many more there are."""
    more = len(texts) - NAMED_MAX
    return between.join([*texts[:NAMED_MAX], *([f"and {more} more"] if more > 0 else [])])


def _token(
    ident: str, old: tuple[str, str, bool] | None, new: tuple[str, str, bool] | None, token: Token | None
) -> Iterator[Deed]:
    if old == new:
        return
    name = (new or old or ("", "", False))[0]
    subject: dict[str, Scalar] = {"id": ident, "name": name}
    if new is None:
        if old is not None and not old[2]:
            yield Deed(Kind.TOKEN_REVOKED, FILE, subject | {"removed": True})
        return
    if token is not None:
        scopes = " ".join(scope.value for scope in token.scopes)
        subject |= {"source": token.source, "scopes": scopes, "expires": token.expires}
    if old is None:
        yield Deed(Kind.TOKEN_CREATED, FILE, subject)
        if not new[2]:
            return
    yield Deed(Kind.TOKEN_REVOKED if new[2] else Kind.TOKEN_CHANGED, FILE, subject)
