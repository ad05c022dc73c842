"""How fast the audit log is verified: records a second, beside a bare pass of SHA-256 over the same bytes.

A log of 400,000 records of the size that steps of rollbacks have, with a signed head after each thousand, as by the
default settings. It is built without an fsync for each record, which would take twenty minutes and measure the disk.
"""

import resource
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

from bench.figure import Figure
from monitor.audit.files import log_files
from monitor.audit.heads import HEADS, Why, sign_head
from monitor.audit.records import BEGINNING, Entry, Head, line_of
from monitor.audit.verify import Anchor, verify
from monitor.rollback.signing import Signer, keygen
from monitor.turns.audit_keys import AuditSigner, AuditTrust

RECORDS, HEAD_RECORDS, FILE_BYTES = 400_000, 1_000, 16 << 20
SUBJECT = {
    "rollback": "delays-20260101T000000Z-1.r1",
    "incident": "delays-20260101T000000Z-1",
    "model": "delays",
    "source": "sha256:" + "1" * 64,
    "target": "sha256:" + "2" * 64,
    "mode": "auto",
    "attempts": 0,
    "reason": None,
    "at": 1_700_000_000.25,
}


def measure() -> list[Figure]:
    """Build the log, then walk over it."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder, "audit")
        directory.mkdir()
        keygen(Path(folder, "audit.key"), directory / "audit.pub")
        signer = AuditSigner(Signer.load(Path(folder, "audit.key")))
        end, size = build(directory, signer)
        trust = AuditTrust.load([directory / "audit.pub"])
        before = rss_mib()
        verify_s = min(timed(directory, trust, end) for _ in range(3))
        grown = rss_mib() - before
        bare_s = min(bare(directory) for _ in range(3))
    return [
        Figure(f"audit log verified: {RECORDS:,} records of {size // RECORDS} bytes, a head each {HEAD_RECORDS:,}",
               round(RECORDS / verify_s), "records/s", ">= 50000"),
        Figure("  the same in times of a bare pass of SHA-256", round(verify_s / bare_s, 1), "times"),
        Figure("  memory it takes beyond the interpreter's", round(grown, 1), "MiB", "<= 16"),
    ]  # fmt: skip


def build(directory: Path, signer: AuditSigner) -> tuple[Head, int]:
    """Write records and heads as the daemon would; the end, and the bytes of the records."""
    end, size, number, file = BEGINNING, 0, 1, (directory / "00000001.jsonl").open("wb")
    with (directory / HEADS).open("wb") as heads:
        for _ in range(RECORDS):
            line, end = line_of(Entry("rollback.verified", "policy", SUBJECT, 1_700_000_000.5 + end.seq), end)
            size += file.write(line)
            if end.seq % HEAD_RECORDS == 0:
                heads.write(sign_head(signer, end, Why.RECORDS, end.time))
            if file.tell() >= FILE_BYTES:
                number += 1
                file.close()
                file = (directory / f"{number:08d}.jsonl").open("wb")
    file.close()
    return end, size


def timed(directory: Path, trust: AuditTrust, end: Head) -> float:
    """Seconds of one verification, which must succeed."""
    began = time.perf_counter()
    proof = verify(directory, trust, [Anchor(end.seq, end.digest)])
    took = time.perf_counter() - began
    assert proof.ok, proof.faults
    assert (proof.proven, proof.heads) == (RECORDS, RECORDS // HEAD_RECORDS)
    return took


def bare(directory: Path) -> float:
    """Seconds that reading and hashing the same lines takes, and nothing else."""
    began = time.perf_counter()
    for path in log_files(directory):
        with path.open("rb", buffering=1 << 20) as file:
            for line in file:
                sha256(line).digest()
    return time.perf_counter() - began


def rss_mib() -> float:
    """The most this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)
