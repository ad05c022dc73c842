"""Whether a model server keeps to one model: two workers behind one address may hold two, and take turns.

Each proof names what one worker has loaded. If the last `PROOFS_MAX` proofs changed twice (v1 v2 v1), nobody can say
which model answered a row between two of them, so the stretch is a transition, which never acts. It is over when K
proofs in a row named the same bytes. One change is a deployment and is believed at once.

A digest that the flip-flop has not shown before is believed at once even in the midst of it: an unregistered or
rolled-back bundle pages with its first proof, and must not hide behind the noise of two others.

A rollback of ours changes what is served as well, on purpose and proved K times: what was seen before it is forgotten.

Cost: a tuple of at most `PROOFS_MAX` digests per model. Not stored: after a restart three proofs tell it again, and the
page stays until the bundle has stayed (`monitor.decisions.served`). Failure mode: the chance that K independent proofs
meet the same worker of two by chance is 2^(1-K), 1/4 at K = 3; an epoch then opens, and ends with the next change.
"""

from collections.abc import Iterable
from itertools import pairwise

import msgspec
from msgspec.structs import replace

from monitor.facts import Bundle

PROOFS_MAX = 10  # at a proof a second, ten seconds: a deployment and its reversal by hand are further apart
CHANGES = 2
FLIPS_MAX = 8  # digests told apart in one flip-flop; more are believed as they come


class Proofs(msgspec.Struct, frozen=True):
    """What the last proofs said, oldest first."""

    digests: tuple[str, ...] = ()
    unsteady: bool = False
    flips: frozenset[str] = frozenset()  # the digests it takes turns between
    believed: bool = True  # whether the last proof says what is served
    rollback: str = ""  # the newest rollback when they were seen


def proved(before: Proofs, digest: str, steady: int, rollback: str) -> Proofs:
    """Add one proof. `steady` >= 1 is K; `rollback` is the id of the newest rollback of ours, "" before the first."""
    if rollback != before.rollback:
        before = Proofs(rollback=rollback)
    digests = (*before.digests, digest)[-max(PROOFS_MAX, steady) :]
    if not before.unsteady:
        if changes(digests[-PROOFS_MAX:]) < CHANGES:
            return replace(before, digests=digests)
        return Proofs(digests, True, frozenset(digests), digest not in before.digests, rollback)
    if len(digests) >= steady and set(digests[-steady:]) == {digest}:
        return Proofs((digest,), rollback=rollback)
    flips = before.flips | {digest} if len(before.flips) < FLIPS_MAX else before.flips
    return replace(before, digests=digests, flips=flips, believed=digest not in before.flips)


def changes(digests: tuple[str, ...]) -> int:
    """How often a digest differs from the one before it.

    >>> changes(("v1", "v2", "v2", "v1"))
    2
    """
    return sum(one != other for one, other in pairwise(digests))


def between_registered(proofs: Proofs, bundles: Iterable[Bundle]) -> bool:
    """Whether it takes turns between bundles that the release index knows; another page tells of others."""
    return proofs.unsteady and proofs.flips <= {bundle.checkpoint_digest for bundle in bundles}
