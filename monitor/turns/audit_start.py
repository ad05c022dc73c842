"""Opening the audit log: keys, what a crash left, whether its end verifies; and the records of start and stop.

    key (made at the first start) -> torn line set aside -> newest signed head verified -> resume behind it

A log that does not verify stops nobody: whoever flips a byte of it must not be able to stop the monitor. It is said,
in the log, by `tocsin_audit_verified` (which pages) and by a record, and the chain goes on behind its last intact line.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import structlog

from monitor.audit.files import log_files
from monitor.audit.heads import HEADS, Why
from monitor.audit.log import Limits, Log
from monitor.audit.records import BEGINNING, Kind, Scalar
from monitor.audit.verify import check_end
from monitor.clock import Clock
from monitor.errors import Corrupt, Problem, SettingsError, Transient
from monitor.settings import Settings
from monitor.turns.audit_keys import AuditTrust, own_key, trusted_keys
from monitor.turns.auditing import Auditor, Deed
from monitor.turns.deeds import DAEMON

DIRECTORY = "audit"
FILE_BYTES_MAX = 1 << 20  # of a settings file or rule pack: both are refused far below

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Documents:
    """Digests of what is in force, never what it says: a receiver's URL often is a secret."""

    settings: str
    rules: str


def open_audit(settings: Settings, clock: Clock) -> Auditor:
    """Open or begin the log of a state directory; blocks. SettingsError, Permanent."""
    directory = settings.state_dir / DIRECTORY
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError([Problem("state_dir", f"cannot hold an audit log: {error}")]) from error
    signer, fresh = own_key(settings.state_dir, directory)
    auditor = Auditor(Log(directory, clock, signer=signer, limits=limits(settings)), clock, key=signer.keyid)
    _resume(auditor, directory, fresh=fresh)
    return auditor


def limits(settings: Settings) -> Limits:
    """What the settings say of it."""
    audit = settings.audit
    return Limits(int(audit.file_bytes_max), int(audit.bytes_max), audit.head_records, float(audit.head_every))


def _resume(auditor: Auditor, directory: Path, *, fresh: bool) -> None:
    """Go on where the log ends, having looked at its end; a log that was never there begins with a signed head."""
    new = fresh and not log_files(directory) and not (directory / HEADS).exists()
    try:
        auditor.log.find_end()
        if not new:
            _verify(auditor, directory)
        auditor.log.sign(Why.START)
    except (Transient, Corrupt) as error:
        auditor.failures += 1
        log.error("audit.not_opened", why=str(error))  # noqa: TRY400 - the error says it; a trace adds nothing
    if fresh:
        auditor.write([Deed(Kind.KEY_MADE, DAEMON, {"key": auditor.key})])


def _verify(auditor: Auditor, directory: Path) -> None:
    proof, newest = check_end(directory, AuditTrust.load(trusted_keys(directory)))
    auditor.verified = not proof.faults and newest is not None
    auditor.log.resume(newest.head if newest else BEGINNING)
    if not auditor.verified:
        first = str(proof.faults[0]) if proof.faults else "there is no signed head, and there was one"
        log.error("audit.unverified", faults=len(proof.faults) + proof.faults_more, first=first)
        told: dict[str, Scalar] = {"faults": len(proof.faults) + proof.faults_more, "first": first}
        auditor.write([Deed(Kind.UNVERIFIED, DAEMON, told)])


def documents(path: Path, settings: Settings) -> Documents:
    """Digests of the settings file and of all rule packs together; blocks. What cannot be read counts as empty."""
    packs = [f"{name}={_digest(model.rules)}" for name, model in sorted(settings.models.items())]
    return Documents(_digest(path), sha256("\n".join(packs).encode()).hexdigest())


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return sha256(file.read(FILE_BYTES_MAX)).hexdigest()
    except OSError:
        return ""
