"""`tocsin backtest` and `tocsin tune`: how they are asked, how they end, what they print; and they leave nothing."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
import yaml

from monitor.backtest.describe import schemas
from monitor.backtest.report import Report
from monitor.backtest.tuning import Advice
from monitor.cli.exits import Exit
from monitor.ingest.history import open_history
from monitor.panes.build import build_reference
from monitor.panes.reference import encode_reference
from monitor.panes.schema import parse_schema

Tocsin = Callable[..., Any]
ROOT = Path(__file__).parent.parent.parent
SCHEMA_FILE = ROOT / "docs" / "backtest.schema.json"
SCHEMA = """
model: m
features: {load: numeric, kind: categorical}
classes: ["no", "yes"]
positive: "yes"
columns: {prediction: answer, time: at, label: truth}
"""
RULES = """
version: 1
sequential: {}
rules:
  - {name: error, subject: outcomes, detector: error, limit: 0.3, rows_min: 100, window: 1h, severity: critical}
"""
START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(start: datetime, hours: int, shift: float = 0.0) -> str:
    """Four rows a minute as CSV; `load` moves by `shift` after half of the time."""
    rng, lines = Random(9), ["at,load,kind,answer,truth"]
    for i in range(hours * 240):
        at, answer = start + timedelta(seconds=15 * i), rng.choice(["yes", "no"])
        load = round(rng.gauss(shift * (i > hours * 120), 1), 4)
        lines.append(f"{at.isoformat()},{load},{rng.choice('ab')},{answer},{answer}")
    return "\n".join(lines) + "\n"


@cache
def files() -> dict[str, bytes]:
    """The profile of three days, and what came in the hours after."""
    later = START + timedelta(days=3)
    with tempfile.TemporaryDirectory() as folder:
        past = Path(folder, "past.csv")
        past.write_text(rows(START, 72))
        schema, names = parse_schema(yaml.safe_load(SCHEMA))
        profile = encode_reference(build_reference(open_history(past, schema, names), schema, lambda _: None))
    return {
        "m.json": profile,
        "m.yaml": SCHEMA.encode(),
        "rules.yaml": RULES.encode(),
        "live.csv": rows(later, 12).encode(),
        "moved.csv": rows(later, 12, shift=1.0).encode(),
    }


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Work where these files are; the options that name them."""
    monkeypatch.chdir(tmp_path)
    for name, body in files().items():
        (tmp_path / name).write_bytes(body)
    return "--schema", "m.yaml", "--reference", "m.json", "--rules", "rules.yaml"


def test_a_quiet_history_ends_with_0(tocsin: Tocsin, made) -> None:
    ended = tocsin("backtest", "live.csv", *made, "--fail-above", "pages-per-month=1")
    assert ended.code == Exit.OK
    assert ended.out.splitlines()[0].split() == ["tier", "family", "alerts", "per_month", "95%", "budget"]
    assert "2880 rows, 2024-01-04T00:00:00Z to 2024-01-04T11:59:45Z" in ended.err


def test_more_pages_than_allowed_end_with_a_code_of_their_own(tocsin: Tocsin, made) -> None:
    ended = tocsin("backtest", "moved.csv", *made, "--fail-above", "pages-per-month=1")
    assert ended.code == Exit.LIMIT
    assert "LIMIT: pages-per-month is" in ended.err
    assert "features_page" in ended.out
    assert tocsin("backtest", "moved.csv", *made).code == Exit.OK


def test_a_missed_shift_ends_with_a_code_of_its_own(tocsin: Tocsin, made) -> None:
    asked = ("--plant", "load+0.05sigma", "--plant", "load+2sigma", "--within", "2h")
    missed = tocsin("backtest", "live.csv", *made, *asked, "--fail-missed", "0.05sigma")
    assert missed.code == Exit.LIMIT
    assert "shifts of 0.05sigma or more were missed" in missed.err
    assert tocsin("backtest", "live.csv", *made, *asked, "--fail-missed", "1sigma").code == Exit.OK


def test_a_limit_about_shifts_that_nobody_planted_is_not_kept(tocsin: Tocsin, made) -> None:
    ended = tocsin("backtest", "live.csv", *made, "--fail-missed", "0.5sigma")
    assert ended.code == Exit.LIMIT
    assert "was planted" in ended.err


def test_the_json_is_the_documented_one(tocsin: Tocsin, made) -> None:
    ended = tocsin("backtest", "moved.csv", *made, "--plant", "label~60%", "--plant", "kind=a:50%", "--json")
    told = msgspec.json.decode(ended.out, type=Report, strict=True)
    assert json.loads(ended.out) == json.loads(msgspec.json.encode(told))
    assert {each.size for each in told.planted} == {"60%", "50%"}
    assert {(rate.tier, rate.family) for rate in told.rates} >= {
        ("warn", "all"),
        ("page", "all"),
        ("page", "incidents"),
        ("page", "features"),
    }
    assert ended.err == ""


def test_the_schema_in_the_documents_is_that_of_the_answers() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == json.loads(msgspec.json.encode(schemas()))


def test_a_wider_band_can_be_tried(tocsin: Tocsin, made) -> None:
    narrow = tocsin("backtest", "moved.csv", *made, "--json").json
    wide = tocsin("backtest", "moved.csv", *made, "--tolerance", "0.5", "--json").json
    assert (narrow["tolerance"], wide["tolerance"]) == (0.04, 0.5)
    assert wide["fired"][0]["start"] > narrow["fired"][0]["start"]


def test_settings_name_reference_rules_and_state(tocsin: Tocsin, home: Path) -> None:
    (home / "schema.yaml").write_text(
        "model: delays\nfeatures: {hour: numeric, carrier: categorical}\nclasses: [late, on_time]\npositive: late\n"
        "columns: {prediction: answer, time: at, label: truth}\n"
    )
    from laid_out import HISTORY

    (home / "history.csv").write_text("".join(HISTORY.splitlines(keepends=True)[:25]))
    ended = tocsin("backtest", "history.csv", "--schema", "schema.yaml", "--config", "tocsin.yaml", "--json")
    assert ended.code == Exit.OK
    assert ended.json["model"] == "delays"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("gone.csv",), "gone.csv"),
        (("m.json",), "of no known kind"),
        (("live.csv", "--plant", "lod+1sigma"), "lod is no feature"),
        (("live.csv", "--plant", "load+1sigma@1999-01-01"), "outside of the history"),
        (("live.csv", "--fail-above", "pages=1"), "is no limit"),
        (("live.csv", "--fail-missed", "big"), "is no size"),
    ],
)
def test_what_is_wrong_is_told(tocsin: Tocsin, made, change: tuple[str, ...], why: str) -> None:
    ended = tocsin("backtest", *change, *made)
    assert ended.code == Exit.PROBLEMS
    assert why in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "asked",
    [
        ("live.csv",),
        ("live.csv", "--reference", "m.json"),
        ("live.csv", "--reference", "m.json", "--rules", "rules.yaml"),
        ("--reference", "m.json", "--rules", "rules.yaml"),
        ("--reference", "m.json", "--rules", "rules.yaml", "--config", "c.yaml"),
        ("--state", ".", "--reference", "m.json", "--rules", "rules.yaml", "--plant", "all"),
        ("live.csv", "--state", ".", "--reference", "m.json", "--rules", "rules.yaml", "--schema", "m.yaml"),
        ("live.csv", "--reference", "m.json", "--rules", "rules.yaml", "--schema", "m.yaml", "--within", "soon"),
    ],
)
def test_a_command_line_that_says_too_little_or_too_much_is_usage(tocsin: Tocsin, made, asked) -> None:
    assert tocsin("backtest", *asked).code == Exit.USAGE


def test_tuning_proposes_and_changes_nothing(tocsin: Tocsin, made, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    ended = tocsin("tune", "moved.csv", *made)
    assert ended.code == Exit.OK
    assert "sequential:" in ended.out
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    told = tocsin("tune", "moved.csv", *made, "--json")
    assert msgspec.json.decode(told.out, type=Advice).noisy[0].group == "features/load"


def test_a_pack_without_a_budget_cannot_be_tuned(tocsin: Tocsin, made, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.replace("sequential: {}\n", ""))
    ended = tocsin("tune", "live.csv", *made)
    assert ended.code == Exit.PROBLEMS
    assert "no budget" in ended.err


def test_a_backtest_that_is_killed_leaves_nothing(made, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "endless.csv")
    before = sorted(path.name for path in tmp_path.rglob("*"))
    command = [sys.executable, "-m", "monitor.cli", "backtest", "endless.csv", *made, "--plant", "all"]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)})
    with (tmp_path / "endless.csv").open("wb"):  # opens when the command reads it
        process.kill()
        assert process.wait() == -signal.SIGKILL
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
