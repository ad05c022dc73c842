"""Whom a reader of the release index believes, for what, and how many of them it takes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.errors import Problem, SettingsError
from monitor.rollback.keys import key_id, read_public
from monitor.rollback.release.memory import AHEAD_MAX
from monitor.rollback.signing import Purpose, Trust

RELEASES = frozenset({Purpose.BUNDLE, Purpose.INDEX, Purpose.PROBES})
BUILDS = frozenset({Purpose.BUNDLE})


@dataclass(frozen=True, slots=True)
class Belief:
    """`trust` opens bundles and the index, `approvals` an approval by one or more; nobody is believed by default."""

    trust: Trust
    approvals: Trust
    signers: str = ""  # digest of the key ids that may sign the index
    approvers_min: int = 1  # people who must approve a bundle
    ahead_max: int = AHEAD_MAX

    @classmethod
    def load(
        cls,
        trust: Sequence[Path],
        builders: Sequence[Path] = (),
        *,
        index_min: int = 1,
        bundle_min: int = 1,
        approvers_min: int = 1,
        ahead_max: int = AHEAD_MAX,
    ) -> "Belief":
        """Read public keys: `trust` may sign the index, bundles, probes and approvals, `builders` bundles alone.

        SettingsError with everything that is wrong with the keys, or with numbers of people they cannot make up.
        """
        keys = dict.fromkeys(builders, BUILDS) | dict.fromkeys(trust, RELEASES)
        thresholds = {Purpose.INDEX: index_min, Purpose.BUNDLE: bundle_min}
        believed = Trust.load(keys, thresholds)
        releases = dict.fromkeys(trust, RELEASES)
        if approvers_min > len(releases):
            why = f"is {approvers_min}, but only {len(releases)} of the keys may approve"
            raise SettingsError([Problem("thresholds.approval", why)])
        names = sorted({key_id(read_public(path)) for path in trust})
        signers = f"sha256:{hashlib.sha256(' '.join(names).encode()).hexdigest()}"
        return cls(believed, Trust.load(releases), signers, approvers_min, ahead_max)


NOBODY = Belief(Trust({}), Trust({}))
