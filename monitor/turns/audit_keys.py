"""The keys of the audit log: the daemon's own pair, made at its first start, and whose heads are believed.

The private key lies in the state directory, not in `audit/`, so that a copy of the log holds no secret. The public one
lies with the log for convenience; who does not want to trust the machine keeps it, or anchors, elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monitor.audit.files import PRIVATE_KEY, PUBLIC_KEY
from monitor.rollback.keys import read_private
from monitor.rollback.signing import Purpose, Signer, Trust, keygen

_HEADS: Final = frozenset({Purpose.AUDIT})


@dataclass(frozen=True, slots=True)
class AuditSigner:
    """Signs heads (`monitor.audit.heads.Signs`)."""

    signer: Signer

    @property
    def keyid(self) -> str:
        """Of the daemon's key."""
        return self.signer.keyid

    def sign(self, payload: bytes) -> bytes:
        """An envelope for the purpose of the audit log alone."""
        return self.signer.sign(Purpose.AUDIT, payload)


@dataclass(frozen=True, slots=True)
class AuditTrust:
    """Believes heads (`monitor.audit.heads.Opens`)."""

    trust: Trust

    @classmethod
    def load(cls, keys: Sequence[Path]) -> "AuditTrust":
        """Public keys in PEM; SettingsError."""
        return cls(Trust.load(dict.fromkeys(keys, _HEADS)))

    def open(self, envelope: bytes) -> bytes:
        """The payload; Untrusted, a Permanent."""
        return self.trust.open(Purpose.AUDIT, envelope).payload


def own_key(state_dir: Path, audit_dir: Path) -> tuple[AuditSigner, bool]:
    """The daemon's key, and whether it was made just now. SettingsError if it is there and cannot be used.

    A lost private key is replaced, and the public one of before stays for the heads that it signed. A lost public key
    is written again.
    """
    private, public = state_dir / PRIVATE_KEY, audit_dir / PUBLIC_KEY
    fresh = not private.exists()
    if fresh and public.exists():
        older = next(name for n in range(1, 1 << 20) if not (name := public.with_name(f"audit-{n}.pub")).exists())
        public.rename(older)
    if fresh:
        keygen(private, public)
    elif not public.exists():
        key = read_private(private).public_key()
        public.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        public.chmod(0o644)
    return AuditSigner(Signer.load(private)), fresh


def trusted_keys(audit_dir: Path) -> list[Path]:
    """The public keys that lie with the log."""
    return sorted(audit_dir.glob("audit*.pub"))
