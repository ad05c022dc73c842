"""Signed sets of golden probes for tests, and the key that signed them."""

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from monitor.decisions.probes import Answers
from monitor.facts import ModelName, Task
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions
from monitor.rollback.signing import Purpose, Signer
from monitor.serving import probe_set

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
SIGNER = Signer(KEY)
CANARY = 0.12345678987654321  # a cell of a probe: it must be seen nowhere
WORD = "hush-hush"


def public_key(path):
    """Write the public key of `SIGNER`."""
    path.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    path.chmod(0o644)
    return path


def rows(n=4):
    """Rows of a number x and a word c."""
    no = np.zeros(n, np.bool_)
    columns = {
        "x": NumericColumn(np.linspace(CANARY, 1.0, n), no, no),
        "c": CategoricalColumn(np.arange(n, dtype=np.int32) % 2, (WORD, "b")),
    }
    nothing = np.zeros(n)
    return Predictions.unsent(columns, times=nothing, outputs=np.zeros(n, np.uint8), scores=nothing)


def answers(n=4, score=0.75):
    """Answers of a classifier to `rows(n)`."""
    return Answers(tuple("no" if i % 2 else "yes" for i in range(n)), (score,) * n)


def made(recorded=None, model="m", task=Task.CLASSIFICATION, n=4):
    """A set with these answers by digest."""
    found = probe_set.make(ModelName(model), task, rows(n), created=1.0)
    for digest, each in (recorded or {}).items():
        found = found.with_answers(digest, each, 2.0)
    return found


def write(path, probes, signer=SIGNER):
    """Sign a set and write it, for its owner alone."""
    path.touch(mode=0o600)
    path.write_bytes(signer.sign(Purpose.PROBES, probe_set.write(probes)))
    return path
