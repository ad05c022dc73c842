"""Approvals: what people sign who approve of a bundle, and when that is spent.

    {"bundle": id, "format": "tocsin-approval", "serial": 7, "version": 2}

An approval that named its bundle alone would hold for ever: whoever may sign the index could drop a quarantine from it
and attach again what colleagues signed before anything was suspected. So it names the serial of the index, too, that
its people had before them, and whatever sets the bundle aside outdates it:

    holds   <=>   aside <= serial <= serial of the index it stands in

`aside` is the serial at which the bundle was quarantined, revoked or taken back last: as its entry says, which a reader
without a memory sees, or as the reader remembers (`monitor.rollback.release.memory`), where the entry keeps silent. A
serial from the future would outlive the next quarantine; it is refused like one that is spent.

Two people sign the same bytes: the second one adds a signature to what the first one said, while that holds.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from monitor.facts import BundleId
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.document import SERIAL_MAX, Entry
from monitor.rollback.signing import Purpose, Untrusted


class _Approval(msgspec.Struct, frozen=True):
    bundle: BundleId
    serial: Annotated[int, Meta(ge=1, le=SERIAL_MAX)]
    format: Literal["tocsin-approval"] = "tocsin-approval"
    version: Literal[2] = 2


@dataclass(frozen=True, slots=True)
class Given:
    """An approval that trusted people signed, whether or not it still holds."""

    serial: int  # of the index they had before them
    keyids: tuple[str, ...]

    def problem(self, aside: int, serial: int) -> str:
        """Say why it does not count in the index of `serial`, of a bundle that was `aside` last; "" if it does."""
        if self.serial < aside:
            return f"was approved at serial {self.serial} and set aside at serial {aside}: that approval is spent"
        if self.serial > serial:
            return f"was approved at serial {self.serial}, which is later than this index"
        return ""


def approval_of(identity: str, serial: int) -> bytes:
    """Return what everybody signs who approves of a bundle, having seen the index of this serial."""
    return msgspec.json.encode(_Approval(BundleId(identity), serial), order="sorted")


def given(entry: Entry, belief: Belief) -> Given | None:
    """Read the approval of an entry; None if there is none that can be believed of this bundle."""
    if not entry.approval:
        return None
    try:
        opened = belief.approvals.open(Purpose.INDEX, entry.approval.encode())
        said = msgspec.json.decode(opened.payload, type=_Approval)
    except (Untrusted, msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    if opened.payload != approval_of(entry.id, said.serial):
        return None
    return Given(said.serial, opened.keyids)


def approvers(entry: Entry, belief: Belief, aside: int, serial: int) -> tuple[str, ...]:
    """Key ids of the people whose approval holds in the index of `serial`; () if there are none."""
    found = given(entry, belief)
    return () if found is None or found.problem(aside, serial) else found.keyids
