"""The example settings in a directory of their own, with every file they name."""

import tempfile
from functools import cache
from pathlib import Path

import probe_sets
import released

from monitor.evidence.history import keep_sample
from monitor.facts import BundleStatus, ModelName
from monitor.ingest.history import open_history
from monitor.panes.build import build_reference
from monitor.panes.reference import encode_reference
from monitor.panes.schema import parse_schema

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "tocsin.yaml"

SECRET = "whsec_" + "A" * 32 + "\n"
SCHEMA = {
    "model": "delays",
    "features": {"hour": "numeric", "carrier": "categorical"},
    "classes": ["late", "on_time"],
    "positive": "late",
    "columns": {"prediction": "answer", "time": "at", "label": "truth"},
}
HISTORY = "at,hour,carrier,answer,truth\n" + "".join(
    f"2013-01-01T{i % 24:02}:00:00Z,{i % 24},{'AB'[i % 2]},{('late', 'on_time')[i % 3 > 0]},late\n" for i in range(200)
)
RULES = """
version: 1
rules:
  - {name: output_moved, subject: output, detector: psi, window: 1h, severity: warning}
"""


def lay_out(home: Path) -> Path:
    """Write `tocsin.yaml` and what it names into `home`; `check` then finds nothing wrong."""
    (home / "tocsin.yaml").write_text(EXAMPLE.read_text())
    private(home / "on-call.secret", SECRET)
    private(home / "tokens.json", '{"format": 1, "tokens": []}')
    (home / "rules.yaml").write_text(RULES)
    (home / "models").mkdir()
    (home / "models" / "v1").write_text("v1")
    (home / "models" / "current").symlink_to("v1")
    (home / "reference.json").write_bytes(reference_body())
    (home / "reference-sample.parquet").write_bytes(sample_body())
    probe_sets.public_key(home / "ann.key.pub")
    probe_sets.write(home / "probes.json", probe_sets.made(model="delays"))
    released.create(home / "releases.json")
    released.register(
        home / "releases.json",
        ModelName("delays"),
        "models/v1",
        "reference.json",
        wall=1.0,
        status=BundleStatus.KNOWN_GOOD,
        name="v1",
    )
    return home


def reference_body() -> bytes:
    """Return the profile of a small history of the model `delays`."""
    return built()[0]


def sample_body() -> bytes:
    """Return the sample of that history."""
    return built()[1]


@cache
def built() -> tuple[bytes, bytes]:
    """Build both."""
    schema, names = parse_schema(SCHEMA)
    with tempfile.TemporaryDirectory() as folder:
        history = Path(folder, "history.csv")
        history.write_text(HISTORY)
        batches = open_history(history, schema, names)
        keep_sample(batches, schema, Path(folder, "sample"))
        profile = encode_reference(build_reference(batches, schema, lambda _: None))
        return profile, Path(folder, "sample").read_bytes()


def private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
    return path
