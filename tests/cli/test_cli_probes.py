"""Golden probes from the command line, of the example model server: recorded, verified, shown, and never printed."""

import base64
import json
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from laid_out import ROOT
from probe_sets import public_key, write

from monitor.cli.exits import Exit
from monitor.serving.probe_set import parse

Tocsin = Callable[..., Any]
SCHEMA = {
    "model": "m",
    "features": {"x": "numeric"},
    "classes": ["no", "yes"],
    "positive": "yes",
    "columns": {"prediction": "answer"},
}
CELLS = [0.1111 + i / 97 for i in range(60)]


def scorecard(threshold: float) -> str:
    feature = {"name": "x", "kind": "numeric", "edges": [threshold], "weights": [-2.0, 2.0], "missing": 0.0}
    document = {"format": "scorecard/1", "classes": ["no", "yes"], "threshold": 0.5, "intercept": 0.0}
    return json.dumps(document | {"features": [feature]})


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A model server of two checkpoints: `m` serves v1, `m-known-good` serves v2."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "v1.json").write_text(scorecard(0.5))
    (folder / "v2.json").write_text(scorecard(0.2))
    script = str(ROOT / "examples/model_server/serve.py")
    command = [sys.executable, script, "--current", "v1.json", "--known-good", "v2.json", "--model", "m"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.kill()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tocsin: Tocsin, server: str) -> tuple[Path, str]:
    """A history, a key, and the model server."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schema.yaml").write_text(yaml.safe_dump(SCHEMA))
    (tmp_path / "history.csv").write_text("x,answer\n" + "".join(f"{cell},no\n" for cell in CELLS))
    tocsin("key", "generate", "ann.key")
    return tmp_path, server


def record(tocsin: Tocsin, url: str, *more: object) -> Any:
    rows = ("--rows", "history.csv", "--schema", "schema.yaml", "--count", 20)
    return tocsin(
        "probes", "record", "probes.json", "--server", url, "--private-key", "ann.key", "--timeout", 60, *(more or rows)
    )


def verify(tocsin: Tocsin, url: str, *more: object) -> Any:
    asked = ("--server", url, "--trust", "ann.pub", "--timeout", 60)
    return tocsin("probes", "verify", "probes.json", *asked, *more, "--json")


AGAIN = ("--trust", "ann.pub")


def test_what_was_recorded_is_answered_again(tocsin: Tocsin, world: tuple[Path, str]) -> None:
    folder, url = world
    ended = record(tocsin, url)
    assert (ended.code, ended.out[:7]) == (Exit.OK, "sha256:")
    assert stat.S_IMODE((folder / "probes.json").stat().st_mode) == 0o600
    again = verify(tocsin, url)
    assert (again.code, again.json["verdict"], again.json["exact"], again.json["rows"]) == (Exit.OK, "ok", 1.0, 20)


def lines(folder: Path, *more: str) -> tuple[object, ...]:
    """The history as NDJSON, with these lines at its end."""
    rows = [json.dumps({"x": cell, "answer": "no"}) for cell in CELLS]
    (folder / "history.ndjson").write_text("".join(row + "\n" for row in (*rows, *more)))
    return "--rows", "history.ndjson", "--schema", "schema.yaml", "--count", 20


def test_rows_may_be_json_lines(tocsin: Tocsin, world: tuple[Path, str]) -> None:
    folder, url = world
    assert record(tocsin, url, *lines(folder)).code == Exit.OK
    assert (verify(tocsin, url).json["verdict"], verify(tocsin, url).json["rows"]) == ("ok", 20)


@pytest.mark.parametrize(
    ("line", "said"), [("{", "line 61 is no JSON object"), ('{"x": 0.25}', "line 61 has no column answer")]
)
def test_a_json_line_that_cannot_be_read_is_named(
    tocsin: Tocsin, world: tuple[Path, str], line: str, said: str
) -> None:
    folder, url = world
    ended = record(tocsin, url, *lines(folder, line))
    assert (ended.code, said in ended.err, "0.25" in ended.err) == (Exit.PROBLEMS, True, False)
    assert not (folder / "probes.json").exists()


def test_a_checkpoint_without_recorded_answers_is_unknown_until_it_has_some(
    tocsin: Tocsin, world: tuple[Path, str]
) -> None:
    _, url = world
    record(tocsin, url)
    other = ("--served-as", "m-known-good")
    unknown = verify(tocsin, url, *other)
    assert (unknown.code, unknown.json["verdict"]) == (Exit.PROBLEMS, "unknown")
    assert record(tocsin, url, *AGAIN, *other).code == Exit.OK
    assert verify(tocsin, url, *other).json["verdict"] == "ok"
    assert verify(tocsin, url).json["verdict"] == "ok"


def test_a_model_that_answers_otherwise_is_a_breach(tocsin: Tocsin, world: tuple[Path, str]) -> None:
    """The answers of v2 under the digest of v1: what a swapped model behind a borrowed digest looks like."""
    folder, url = world
    record(tocsin, url)
    record(tocsin, url, *AGAIN, "--served-as", "m-known-good")
    found = parse(base64.b64decode(json.loads((folder / "probes.json").read_bytes())["payload"]))
    one, two = found.recorded
    swapped = found.with_answers(one, found.recorded[two], 1.0).with_answers(two, found.recorded[one], 1.0)
    write(folder / "probes.json", swapped)
    public_key(folder / "ann.pub")
    ended = verify(tocsin, url)
    assert (ended.code, ended.json["verdict"], ended.json["flips"] > 0) == (Exit.PROBLEMS, "breach", True)


def test_neither_rows_nor_answers_are_ever_printed(tocsin: Tocsin, world: tuple[Path, str]) -> None:
    _, url = world
    said = [record(tocsin, url), verify(tocsin, url), tocsin("probes", "show", "probes.json", *AGAIN)]
    said += [
        tocsin("probes", "show", "probes.json", *AGAIN, "--json"),
        record(tocsin, url),
        verify(tocsin, url, "--served-as", "other"),
    ]
    printed = "".join(each.out + each.err for each in said)
    assert "20" in printed
    assert not any(str(cell) in printed for cell in CELLS)
    assert "0.88" not in printed


def test_a_set_is_not_drawn_anew_by_mistake(tocsin: Tocsin, world: tuple[Path, str]) -> None:
    folder, url = world
    record(tocsin, url)
    before = (folder / "probes.json").read_bytes()
    ended = record(tocsin, url)
    assert (ended.code, "is there already" in ended.err) == (Exit.PROBLEMS, True)
    assert (folder / "probes.json").read_bytes() == before


def test_a_set_that_a_stranger_signed_is_not_believed(tocsin: Tocsin, world: tuple[Path, str]) -> None:
    _, url = world
    record(tocsin, url)
    tocsin("key", "generate", "eve.key")
    ended = tocsin("probes", "show", "probes.json", "--trust", "eve.pub")
    assert (ended.code, "nobody who is trusted" in ended.err) == (Exit.PROBLEMS, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rows", "history.csv"), "name their --schema"),
        (("--served-as", "m"), "name a public key with --trust"),
        (("--rows", "missing.csv", "--schema", "schema.yaml"), "missing.csv"),
        (("--rows", "history.csv", "--schema", "schema.yaml", "--served-as", "other"), "answered 404"),
    ],
)
def test_what_cannot_be_recorded_is_told(
    tocsin: Tocsin, world: tuple[Path, str], arguments: tuple[str, ...], said: str
) -> None:
    folder, url = world
    ended = record(tocsin, url, *arguments)
    assert ended.code in {Exit.PROBLEMS, Exit.USAGE}
    assert said in ended.err
    assert not (folder / "probes.json").exists()
