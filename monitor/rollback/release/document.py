"""What the release index says: the payload of the envelope that `releases.json` is.

    {"bundles": [{"approval", "aside", "id", "order", "path", "reason", "security", "status"}, ...], "expires", "floor",
     "format": "tocsin-release-index", "issued", "serial", "version": 2}

`path` names the signed manifest of a bundle, relative to the directory of the index, and `id` is the SHA-256 of that
manifest's payload: so an entry cannot be pointed at another bundle. `approval` is an envelope itself, in which people
say that they approve of this id (`monitor.rollback.release.approval`): who signs the index cannot approve in the name
of others, nor with what they said before `aside`. As with manifests there is one way to write it, and what is written
otherwise is refused.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.errors import Problem, SettingsError
from monitor.facts import BundleStatus
from monitor.rollback.digest import path_problem
from monitor.rollback.manifest import Digest, Text

BUNDLES_MAX = 10_000
SERIAL_MAX = 1 << 53  # what every reader of JSON can hold

Count = Annotated[int, Meta(ge=0, le=SERIAL_MAX)]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One bundle, as the people who sign the index see it."""

    id: Digest
    path: Text
    status: BundleStatus
    order: Count  # the later, the newer
    security: Count = 0
    approval: Annotated[str, Meta(max_length=16_384)] = ""  # DSSE envelope of `approval_of`; "": nobody yet
    aside: Count = 0  # serial at which it was quarantined, revoked or taken back last; approvals before it are spent
    reason: Text = ""  # why it is quarantined or revoked


class Document(msgspec.Struct, frozen=True):
    """The whole index. Times are wall time."""

    serial: Annotated[int, Meta(ge=1, le=SERIAL_MAX)]  # of each change one more
    issued: float
    expires: float  # from then on nothing in it is a target
    floor: Count = 0  # the least security version of a target
    bundles: Annotated[tuple[Entry, ...], Meta(max_length=BUNDLES_MAX)] = ()
    format: Literal["tocsin-release-index"] = "tocsin-release-index"
    version: Literal[2] = 2

    def find(self, identity: str) -> Entry | None:
        """The entry of a bundle."""
        return next((entry for entry in self.bundles if entry.id == identity), None)


def encode(document: Document) -> bytes:
    """Return the bytes that are signed."""
    return msgspec.json.encode(document, order="sorted")


def decode(body: bytes, where: str) -> Document:
    """Read an index whose signatures held; SettingsError with everything that is wrong with it."""
    try:
        document = msgspec.json.decode(body, type=Document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise SettingsError([Problem(where, f"is no release index of this release: {error}")]) from None
    problems = [Problem(where, why) for why in _problems(document)]
    if not problems and encode(document) != body:
        problems = [Problem(where, "is not in its one form", "written by another release?")]
    if problems:
        raise SettingsError(problems)
    return document


def _problems(document: Document) -> Iterator[str]:
    if not document.issued < document.expires:
        yield "expires before it was issued"
    for field in ("id", "path", "order"):
        for value, times in Counter(getattr(entry, field) for entry in document.bundles).items():
            if times > 1:
                yield f"has {times} bundles of one {field}: {value!r}"
    for entry in document.bundles:
        if (problem := path_problem(entry.path)) or str(PurePosixPath(entry.path)) != entry.path:
            yield f"names the manifest {entry.path!r}, which {problem or 'is not written plainly'}"
        if entry.aside > document.serial:
            yield f"has set {entry.id} aside at serial {entry.aside}, which is later than itself"
