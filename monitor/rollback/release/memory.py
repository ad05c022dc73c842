"""What a reader remembers of the indexes it has seen, and what it refuses because of that.

A signature says who wrote an index, never that it is the newest one. Whoever can write the file but not sign can still
put an old one back. The attacks, as The Update Framework names them (theupdateframework.github.io/specification):

    rollback       an older serial                           refused
    equivocation   the same serial with other bytes          refused
    fast-forward   a serial so far ahead that the next       refused beyond `ahead_max`
                   honest one would be a rollback
    lowered floor  an index that forgives old bundles        refused, whatever its serial
    freeze         the same index for ever                   `Index.expired`: shown, and no target any more

Who may sign the index alone is no stranger, and has two more:

    revival        a bundle that was seen revoked is         refused, whatever its serial
                   something else again
    spent          a bundle that was seen set aside bears    refused (`monitor.rollback.release.approval`)
    approval       again what was signed before that

The first index that is seen is believed: there is nothing to hold it against. Serials are remembered together with who
may sign; new keys begin anew, which is how a stolen key that signed a huge serial is got over. The floor stays, and so
does what was revoked; when a bundle was set aside is forgotten only if new keys begin with a lower serial, because
serials of one count do not order those of another.

Bound: `ASIDE_MAX` bundles, 90 bytes each, so 2 MB at the worst. An index that goes beyond is refused, as forgetting
some would let a flood of quarantined bundles wash out the one that matters.
"""

from collections.abc import Iterator

import msgspec

from monitor.facts import BundleStatus
from monitor.rollback.release.document import BUNDLES_MAX, Document

AHEAD_MAX = 1_000
ASIDE_MAX = BUNDLES_MAX  # one index may name as many
SET_ASIDE = frozenset({BundleStatus.QUARANTINED, BundleStatus.REVOKED})


class IndexMemory(msgspec.Struct, frozen=True):
    """The newest index that was believed."""

    serial: int = 0  # 0: none yet
    digest: str = ""  # of its payload, which everybody who signs it signs
    floor: int = 0
    signers: str = ""  # digest of the key ids that might sign it
    aside: dict[str, int] = {}  # by bundle: the last serial at which it was seen set aside
    revoked: tuple[str, ...] = ()  # bundles that were seen revoked, sorted


def refusal(memory: IndexMemory, document: Document, digest: str, signers: str, ahead_max: int = AHEAD_MAX) -> str:
    """Say why an index is not believed after what was seen before; "" if it is."""
    if document.floor < memory.floor:
        return f"has the security floor {document.floor}, and {memory.floor} was seen: the floor is never lowered"
    if memory.serial and memory.signers == signers and (why := _count_refused(memory, document, digest, ahead_max)):
        return why
    revoked = frozenset(memory.revoked)
    for entry in document.bundles:
        if entry.id in revoked and entry.status is not BundleStatus.REVOKED:
            return f"has {entry.id} as {entry.status.value}, and it was seen revoked: that is for ever"
    after = remembered(memory, document, digest, signers)
    if max(len(after.aside), len(after.revoked)) > ASIDE_MAX:
        return f"sets aside more bundles than the {ASIDE_MAX} that can be remembered"
    return ""


def _count_refused(memory: IndexMemory, document: Document, digest: str, ahead_max: int) -> str:
    serial = document.serial
    if serial < memory.serial:
        return f"has serial {serial}, and {memory.serial} was seen: an old index was put back"
    if serial == memory.serial and digest != memory.digest:
        return f"has serial {serial}, as another index that was seen: two were signed under one number"
    if serial > memory.serial + ahead_max:
        return f"has serial {serial}, and {memory.serial} was seen last: more than {ahead_max} ahead"
    return ""


def remembered(memory: IndexMemory, document: Document, digest: str, signers: str) -> IndexMemory:
    """Return what is known after an index that was believed."""
    anew = memory.signers != signers and document.serial < memory.serial
    aside = {} if anew else dict(memory.aside)
    for identity, serial in _set_aside(document):
        aside[identity] = max(serial, aside.get(identity, 0))
    revoked = {entry.id for entry in document.bundles if entry.status is BundleStatus.REVOKED}
    return IndexMemory(
        document.serial,
        digest,
        max(memory.floor, document.floor),
        signers,
        aside,
        tuple(sorted(revoked.union(memory.revoked))),
    )


def _set_aside(document: Document) -> Iterator[tuple[str, int]]:
    """Which bundles the index says to be set aside, or to have been, and at which serial at least."""
    for entry in document.bundles:
        if entry.status in SET_ASIDE:
            yield entry.id, document.serial  # whatever the entry says: an approval must have seen this
        elif entry.aside:
            yield entry.id, entry.aside
