"""What must exist before the first start: bundles, tokens. What exists already is left alone.

    python first_run.py /srv/tocsin

    models/    v1.json v2.json      checkpoints                      current -> v1.json, what the model server loads
               v*.reference.json    reference profiles               v*.bundle.json, the signed bundles of both
               releases.json        signed, v1 in it as known-good   release.pub, who signed
    keys/      release.key          signs bundles and their index; nothing but this script has to see it
    secrets/   tokens.json          hashed, for the daemon           person.token, for `docker compose exec`
    tokens/    gateway.token ops.token                               one for each sender, and nothing more for it

It types the commands that you would: with your own model, these are the ones to put into your deployment.
"""

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "model_server"))

from serve import decode  # the example's model server is a file beside us, not a package
from traffic import FEATURES, MODEL, SCHEMA, checkpoint, flight, truth

HISTORY_ROWS = 20_000
START, HISTORY_S = datetime(2026, 1, 1, tzinfo=UTC), 28 * 86_400
TOKENS = {  # who: (where it is kept, what it may do)
    "gateway": ("tokens", ["ingest:predictions"]),
    "ops": ("tokens", ["ingest:labels"]),
    "person": ("secrets", ["read", "operate", "approve"]),
}


def tocsin(*arguments: object) -> str:
    """Type a command; end if it fails, as it has told why."""
    command = [sys.executable, "-m", "monitor.cli", *map(str, arguments)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        sys.exit(ended.returncode)
    return ended.stdout


def keep(path: Path, body: bytes, mode: int = 0o644) -> None:
    """Write a file whole or not at all."""
    handle, made = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "wb") as file:
        file.write(body)
        os.fsync(file.fileno())
    Path(made).chmod(mode)
    Path(made).rename(path)


def make_history(path: Path, body: bytes) -> None:
    """Write what the model answered to flights whose truth is known."""
    dice = random.Random(1)
    flights = [flight(dice) for _ in range(HISTORY_ROWS)]
    model = decode(body)
    assert model.classes is not None
    scores = model.score({name: [row[name] for row in flights] for name in FEATURES}, len(flights)).tolist()
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["at", *FEATURES, "answer", "p_late", "truth"])
        for i, (row, score) in enumerate(zip(flights, scores, strict=True)):
            at = START + timedelta(
                seconds=i * HISTORY_S / HISTORY_ROWS
            )  # as traffic.py asks: day and night, at one rate
            table.writerow(
                [at.isoformat(), *row.values(), model.classes[score >= model.threshold], score, truth(row, dice)]
            )


def make_key(home: Path) -> tuple[str, ...]:
    """Make the key that signs bundles and their index; the options that name it."""
    key, public = home / "keys" / "release.key", home / "models" / "release.pub"
    key.parent.mkdir(mode=0o700, exist_ok=True)
    if not public.exists():
        key.unlink(missing_ok=True)  # half a pair, which has signed nothing yet
        tocsin("key", "generate", key, "--public", public)
    return ("--key", str(key))


def make_bundle(models: Path, name: str, signing: tuple[str, ...]) -> None:
    """Put a checkpoint and the profile of its history where the release index names them."""
    body = checkpoint(name)
    if not (models / f"{name}.json").exists():
        keep(models / f"{name}.json", body)
    profile = models / f"{name}.reference.json"
    if not profile.exists():
        with tempfile.TemporaryDirectory() as folder:
            history, schema, made = Path(folder, "history.csv"), Path(folder, "schema.yaml"), Path(folder, "made.json")
            make_history(history, body)
            schema.write_text(json.dumps(SCHEMA))  # JSON is YAML
            tocsin("reference", "build", history, "--schema", schema, "--part", "--out", made)
            keep(profile, made.read_bytes())
    index = models / "releases.json"
    known = json.loads(tocsin("bundle", "list", "--index", index, "--json")) if index.exists() else []
    if name not in {bundle["name"] for bundle in known}:
        files = ("--checkpoint", models / f"{name}.json", "--reference", profile)
        approved = ["--approve"] if name == "v1" else []
        cutoff = (START + timedelta(seconds=HISTORY_S)).isoformat()  # no later data trained it: no later fault is in it
        said = ("--model", MODEL, "--name", name, "--cutoff", cutoff)
        tocsin("bundle", "create", *said, *files, "--index", index, *signing, *approved)


def make_token(home: Path, name: str, folder: str, scopes: list[str]) -> None:
    """Make a token, unless its file is there. One that was made but never reached its file is revoked."""
    kept, hashed = home / folder / f"{name}.token", home / "secrets" / "tokens.json"
    if kept.exists():
        return
    listed = json.loads(tocsin("token", "list", "--file", hashed, "--json")) if hashed.exists() else []
    if any(token["name"] == name and not token["revoked"] for token in listed):
        tocsin("token", "revoke", name, "--file", hashed)
    wanted = [word for scope in scopes for word in ("--scope", scope)]
    keep(kept, tocsin("token", "create", name, *wanted, "--file", hashed).encode(), 0o600)


def main() -> None:
    """Make what is missing below the directory that is named."""
    home = Path(sys.argv[1])
    signing = make_key(home)
    for name in ("v1", "v2"):
        make_bundle(home / "models", name, signing)
    if not (home / "models" / "current").is_symlink():
        (home / "models" / "current").symlink_to("v1.json")
    for name, (folder, scopes) in TOKENS.items():
        make_token(home, name, folder, scopes)
    print("everything is there")


if __name__ == "__main__":
    main()
