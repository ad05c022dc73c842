"""A log in a directory, with real keys, a clock that stands still, and what is done to it."""

import shutil
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from monitor.audit.files import Io
from monitor.audit.heads import HEADS, Why
from monitor.audit.log import Limits, Log
from monitor.audit.verify import Anchor, verify
from monitor.clock import ManualClock
from monitor.rollback.signing import Signer
from monitor.turns.audit_keys import AuditSigner, AuditTrust

NOW = 1_700_000_000.0


@dataclass
class Made:
    directory: Path
    keys: Path
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOW))

    def __post_init__(self):
        self.directory.mkdir()
        shutil.copy(self.keys / "audit.pub", self.directory)

    @cached_property
    def signer(self):
        return AuditSigner(Signer.load(self.keys / "audit.key"))

    @cached_property
    def trust(self):
        return AuditTrust.load([self.directory / "audit.pub"])

    def log(self, io=None, *, signs=True, **limits):
        return Log(self.directory, self.clock, signer=self.signer if signs else None, limits=Limits(**limits), io=io)

    def verify(self, *anchors, **options):
        return verify(self.directory, self.trust, anchors, **options)

    def filled(self, records, log=None, every=0):
        """So many records, a head first and last, and after `every` records."""
        log = log or self.log()
        log.sign(Why.START)
        for number in range(records):
            self.clock.step(self.clock.now() + 1)
            log.append(
                "test.made", "someone", {"n": number, "share": 0.5, "sure": True, "why": None, "text": "ü\u2028\n"}
            )
            if every and (number + 1) % every == 0:
                log.sign(Why.RECORDS)
        log.sign(Why.STOP)
        return log

    def files(self):
        """The bytes that are to be what was written: records and heads."""
        paths = [*sorted(self.directory.glob("*.jsonl"))]
        return {path: path.read_bytes() for path in paths}

    @property
    def records(self):
        return self.directory / "00000001.jsonl"

    @property
    def heads(self):
        return self.directory / HEADS


def anchor(head):
    return Anchor(head.seq, head.digest)


class Faulty(Io):
    """Fails when told to: `full` is how many bytes may still be written, `sync_fails` from now on."""

    def __init__(self):
        self.full, self.sync_fails, self.killed = None, False, False

    def write(self, descriptor, data):
        if self.full is not None and len(data) > self.full:
            super().write(descriptor, data[: self.full])
            raise OSError(28, "No space left on device")
        super().write(descriptor, data)

    def sync(self, descriptor):
        if self.sync_fails:
            from monitor.errors import Permanent

            raise Permanent("an fsync failed")
        super().sync(descriptor)

    def truncate(self, descriptor, size):
        if self.killed:
            raise OSError(5, "Input/output error")
        super().truncate(descriptor, size)
