"""What every rollback target can do, whatever it moves: say where it stands, switch, and have it loaded.

    place     SOURCE    what is set is what the rollback leaves
              TARGET    what is set is the known-good
              OTHER     something else is set: somebody else's, and stays
              UNKNOWN   it cannot be told now

A switch is a compare-and-swap from the source to the target. What may or may not have happened (a timeout, a connection
that broke, a process that was killed) is Transient, never a guess: whoever drives the target looks again and finds it
done, or not done, and a repetition of what was done changes nothing. What was left half done by an earlier life is
finished or undone before `place` answers, or counts as not done and is finished by the next switch.

No message of these errors holds what the other side wrote, a URL, a token or a secret: they are logged and shown.
"""

from pathlib import Path
from typing import Protocol

import msgspec

from monitor.decisions.rollback import Place
from monitor.errors import Permanent
from monitor.facts import BundleId


class Conflict(Permanent):
    """What is set is not what was expected, and is left as somebody else put it."""


class Unfit(Permanent):
    """What was staged is not, or no longer, what was verified."""


class Release(msgspec.Struct, frozen=True):
    """What a target is told of a bundle."""

    bundle: BundleId
    name: str  # what people call it
    digest: str  # of the checkpoint, "sha256:<hex>"; "" is nobody's
    path: Path  # absolute; of the checkpoint
    locator: str = ""  # the manifest's entry for this kind of target; "": it has none


class Target(Protocol):
    """One place where a model is deployed."""

    async def place(self, source: Release, target: Release) -> Place:
        """Tell which of the two is set, after finishing or undoing a switch of ours that was cut off; never raises."""
        ...

    async def stage(self, target: Release) -> None:
        """Have what was verified where the switch will take it from; Unfit, Transient, Permanent. It can be repeated.

        Most kinds are told of a release by name, and stage nothing.
        """
        ...

    async def switch(self, source: Release, target: Release) -> bool:
        """Set the target where the source is set: True if that changed it, False if it was there already.

        Conflict if something else is set; Unfit if what was staged has changed; Transient if it may or may not have
        happened; Permanent.
        """
        ...

    async def load(self) -> None:
        """Tell the server to load what is set, nothing where the switch does that; Transient, Permanent."""
        ...


class Unstaged:
    """A kind of target that is told of a release, and gets the bytes itself."""

    async def stage(self, target: Release) -> None:
        """Do nothing."""


def located(release: Release) -> str:
    """Return where this kind of target finds a release; Permanent if its manifest does not say."""
    if not release.locator:
        raise Permanent(f"the bundle {release.name or release.bundle} has no locator for this target")
    return release.locator


def standing(found: str, source: Release, target: Release) -> Place:
    """Tell whose locator is set. A source without one is never recognised: what cannot be told apart stays."""
    if found and found == target.locator:
        return Place.TARGET
    return Place.SOURCE if found and found == source.locator else Place.OTHER
