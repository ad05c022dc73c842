"""What a reader remembers of the indexes it has seen, and what it refuses because of that.

A signature says who wrote an index, never that it is the newest one. Whoever can write the file but not sign can still
put an old one back. The attacks, as The Update Framework names them (theupdateframework.github.io/specification):

    rollback       an older serial                           refused
    equivocation   the same serial with other bytes          refused
    fast-forward   a serial so far ahead that the next       refused beyond `ahead_max`
                   honest one would be a rollback
    lowered floor  an index that forgives old bundles        refused, whatever its serial
    freeze         the same index for ever                   `Index.expired`: shown, and no target any more

The first index that is seen is believed: there is nothing to hold it against. Serials are remembered together with who
may sign; new keys begin anew, which is how a stolen key that signed a huge serial is got over. The floor stays.
"""

import msgspec

from monitor.rollback.release.document import Document

AHEAD_MAX = 1_000


class IndexMemory(msgspec.Struct, frozen=True):
    """The newest index that was believed."""

    serial: int = 0  # 0: none yet
    digest: str = ""  # of its payload, which everybody who signs it signs
    floor: int = 0
    signers: str = ""  # digest of the key ids that might sign it


def refusal(memory: IndexMemory, document: Document, digest: str, signers: str, ahead_max: int = AHEAD_MAX) -> str:
    """Say why an index is not believed after what was seen before; "" if it is."""
    serial = document.serial
    if document.floor < memory.floor:
        return f"has the security floor {document.floor}, and {memory.floor} was seen: the floor is never lowered"
    if not memory.serial or memory.signers != signers:
        return ""
    if serial < memory.serial:
        return f"has serial {serial}, and {memory.serial} was seen: an old index was put back"
    if serial == memory.serial and digest != memory.digest:
        return f"has serial {serial}, as another index that was seen: two were signed under one number"
    if serial > memory.serial + ahead_max:
        return f"has serial {serial}, and {memory.serial} was seen last: more than {ahead_max} ahead"
    return ""


def remembered(memory: IndexMemory, document: Document, digest: str, signers: str) -> IndexMemory:
    """Return what is known after an index that was believed."""
    return IndexMemory(document.serial, digest, max(memory.floor, document.floor), signers)
