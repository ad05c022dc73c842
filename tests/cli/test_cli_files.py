"""Commands that work on files: settings, tokens, reference profiles, the release index."""

import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from laid_out import HISTORY, SCHEMA, reference_body, sample_body

from monitor.cli.exits import Exit
from monitor.ingest.tokens import read_tokens

Tocsin = Callable[..., Any]


@pytest.fixture
def history(home: Path) -> Path:
    (home / "schema.yaml").write_text(yaml.safe_dump(SCHEMA, sort_keys=False))
    (home / "history.csv").write_text(HISTORY)
    return home / "history.csv"


# ---------------------------------------------------------------- check-config


def test_good_settings_are_ok(tocsin: Tocsin, home: Path) -> None:
    ended = tocsin("check-config", "tocsin.yaml")
    assert (ended.code, ended.out, ended.err) == (Exit.OK, "", "tocsin.yaml: ok\n")


def test_every_problem_is_a_line(tocsin: Tocsin, home: Path) -> None:
    text = (home / "tocsin.yaml").read_text().replace("port: 8470", "prt: 8470").replace("every: 1s", "every: 1")
    (home / "tocsin.yaml").write_text(text)
    ended = tocsin("check-config", "tocsin.yaml")
    assert ended.code == Exit.PROBLEMS
    assert [line.partition(":")[0] for line in ended.err.splitlines()] == ["http.prt", "fold.every", "tocsin.yaml"]


def test_problems_come_as_json(tocsin: Tocsin, home: Path) -> None:
    (home / "tokens.json").unlink()
    ended = tocsin("check-config", "tocsin.yaml", "--json")
    assert ended.code == Exit.PROBLEMS
    assert ended.json["ok"] is False
    assert ended.json["problems"][0]["path"] == "tokens_file"


def test_poor_bands_are_no_problem_but_a_warning_where_a_budget_rests_on_them(tocsin: Tocsin, home: Path) -> None:
    rules = next(home.glob("**/*rules*.yaml"))
    rules.write_text(rules.read_text().replace("version: 1\n", "version: 1\nsequential: {}\n"))
    ended = tocsin("check-config", "tocsin.yaml")
    assert (ended.code, ended.err.count("warning: models.delays.release: ")) == (Exit.OK, 1)
    assert "bands that know no time" in ended.err
    [warning] = tocsin("check-config", "tocsin.yaml", "--json").json["warnings"]
    assert warning["path"] == "models.delays.release"


def test_settings_that_are_not_there_are_a_problem(tocsin: Tocsin, home: Path) -> None:
    assert tocsin("check-config", "gone.yaml").code == Exit.PROBLEMS


def test_a_deep_check_computes_the_metrics_of_evidently_once(tocsin: Tocsin, home: Path) -> None:
    good = "        hour_drift: {metric: ValueDrift, column: hour, method: psi}\n"  # there is no column `distance`
    text = (home / "tocsin.yaml").read_text().replace("        distance_drift:\n", good + "        distance_drift:\n")
    (home / "tocsin.yaml").write_text(text)
    assert tocsin("check-config", "tocsin.yaml").code == Exit.OK
    ended = tocsin("check-config", "tocsin.yaml", "--deep", "--json")
    said = {each["path"].rpartition(".")[2]: each["message"] for each in ended.json["problems"]}
    assert set(said) == {"distance_drift", "domain_classifier", "far_flights"}  # the latter two want more rows
    assert "column missing" in said["distance_drift"], said


# ---------------------------------------------------------------- token


def test_a_token_is_printed_once_and_kept_hashed(tocsin: Tocsin, home: Path) -> None:
    ended = tocsin("token", "create", "gateway-1", "--scope", "ingest:predictions", "--scope", "read")
    text = ended.out.strip()
    assert (ended.code, text.startswith("tcs_"), text.count("\n")) == (Exit.OK, True, 0)
    assert text.split("_", 2)[2] not in (home / "tokens.json").read_text()  # a secret may hold an underscore itself
    assert [scope.value for scope in read_tokens(home / "tokens.json")[0].scopes] == ["ingest:predictions", "read"]


def test_the_tokens_file_is_made_for_its_owner_alone(tocsin: Tocsin, home: Path) -> None:
    tocsin("token", "create", "--source", "ops", "--scope", "ingest:labels", "--file", home / "new.json")
    assert stat.S_IMODE((home / "new.json").stat().st_mode) == 0o600
    assert read_tokens(home / "new.json")[0].name == "ops"


def test_tokens_are_listed_without_what_is_secret(tocsin: Tocsin, home: Path) -> None:
    made = tocsin("token", "create", "ops", "--scope", "ingest:labels", "--json").json
    tocsin("token", "revoke", "ops")
    listed = tocsin("token", "list", "--json").json
    assert listed[0]["id"] == made["id"]
    assert listed[0]["revoked"]
    assert {"digest", "token"} & set(listed[0]) == set()
    assert made["token"] not in tocsin("token", "list").out


def test_a_token_with_bounds_is_listed_with_them(tocsin: Tocsin, home: Path) -> None:
    bounds = ("--rows-per-second", "500", "--burst-rows", "2000", "--expires", "90d")
    made = tocsin("token", "create", "crowd", "--scope", "ingest:labels", *bounds, "--json").json
    assert (made["rows_per_second"], made["burst_rows"]) == (500, 2_000)
    assert made["expires"] - made["created"] == pytest.approx(90 * 86_400)
    row = dict(zip(*map(str.split, tocsin("token", "list").out.splitlines()), strict=True))
    assert (row["rows_per_second"], row["revoked"]) == ("500", "-")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", row["expires"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("create", "a", "--scope", "read", "--expires", "90"), Exit.USAGE, "--expires 90d"),
        (("create", "a", "--scope", "read", "--expires", "0s"), Exit.PROBLEMS, "over already"),
        (("create", "a", "--scope", "read", "--rows-per-second", "0"), Exit.PROBLEMS, "rows_per_second"),
        (("create", "a", "--scope", "everything"), Exit.USAGE, "scopes are ingest:predictions"),
        (("create", "--scope", "read"), Exit.USAGE, "needs a name"),
        (("create", "A B", "--scope", "read"), Exit.PROBLEMS, "not a name"),
        (("revoke", "nobody"), Exit.PROBLEMS, "tocsin token list"),
        (("list", "--file", "gone.json"), Exit.PROBLEMS, "tocsin token create"),
        (("revoke", "a", "--file", "gone.json"), Exit.PROBLEMS, "--file"),
        (("create", "a", "--scope", "read", "--file", "gone/t.json"), Exit.PROBLEMS, "cannot be written: No such file"),
    ],
)
def test_a_token_command_says_what_to_do(
    tocsin: Tocsin, home: Path, arguments: tuple[str, ...], code: Exit, said: str
) -> None:
    ended = tocsin("token", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_the_environment_names_the_tokens_file(tocsin: Tocsin, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_TOKENS_FILE", str(home / "mounted.json"))
    tocsin("token", "create", "ops", "--scope", "read")
    assert read_tokens(home / "mounted.json")


# ---------------------------------------------------------------- reference


def test_a_reference_is_built_and_named_by_its_bytes(tocsin: Tocsin, history: Path) -> None:
    ended = tocsin("reference", "build", history, "--schema", "schema.yaml", "--out", "made.json")
    assert ended.code == Exit.OK, ended.err
    assert ended.out.startswith("sha256:")
    assert history.with_name("made.json").read_bytes() == reference_body()


def test_a_build_can_be_repeated_but_never_changes_a_profile(tocsin: Tocsin, history: Path) -> None:
    command = ("reference", "build", history, "--schema", "schema.yaml", "--out", "made.json")
    assert tocsin(*command).out == tocsin(*command).out
    history.write_text(HISTORY + "2013-02-01T00:00:00Z,1,A,late,late\n")
    ended = tocsin(*command)
    assert ended.code == Exit.PROBLEMS
    assert "holds another profile" in ended.err
    assert history.with_name("made.json").read_bytes() == reference_body()


def test_a_sample_of_the_history_is_kept_beside_the_profile(tocsin: Tocsin, history: Path) -> None:
    command = ("reference", "build", history, "--schema", "schema.yaml", "--out", "made.json")
    ended = tocsin(*command, "--sample", "rows.parquet", "--json")
    assert (ended.code, ended.json["sample"]) == (Exit.OK, {"file": "rows.parquet", "rows": 200})
    assert history.with_name("rows.parquet").read_bytes() == sample_body()


def test_a_sample_that_cannot_be_written_is_told(tocsin: Tocsin, history: Path) -> None:
    command = ("reference", "build", history, "--schema", "schema.yaml", "--out", "made.json")
    ended = tocsin(*command, "--sample", "gone/rows.parquet")
    assert (ended.code, "choose another --sample" in ended.err) == (Exit.PROBLEMS, True)


def test_a_reference_is_shown(tocsin: Tocsin, home: Path) -> None:
    shown = tocsin("reference", "show", "reference.json", "--json").json
    assert (shown["model"], shown["rows"], shown["labelled"]) == ("delays", 200, True)
    assert [(column["name"], column["kind"]) for column in shown["features"]] == [
        ("hour", "numeric"),
        ("carrier", "categorical"),
    ]
    lines = tocsin("reference", "show", "reference.json").out.splitlines()
    assert f"digest: {shown['digest']}" in lines
    assert "start: 2013-01-01T00:00:00Z" in lines
    assert [line.split()[0] for line in lines[-3:]] == ["name", "hour", "carrier"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("schema.yaml", "model: delays\nmodel: delays\n", "model: is given twice"),
        ("schema.yaml", "{}", "features"),
        ("history.csv", "a,b\n1,2\n", "has no column"),
        ("history.csv", HISTORY.splitlines()[0] + "\n", "has no rows"),
        ("history.csv", "", "is empty, damaged"),
    ],
)
def test_what_cannot_be_built_is_told(tocsin: Tocsin, history: Path, name: str, text: str, said: str) -> None:
    history.with_name(name).write_text(text)
    ended = tocsin("reference", "build", history, "--schema", "schema.yaml", "--out", "made.json")
    assert ended.code == Exit.PROBLEMS
    assert said in ended.err
    assert not history.with_name("made.json").exists()


def test_a_profile_that_was_edited_is_not_shown(tocsin: Tocsin, home: Path) -> None:
    (home / "reference.json").write_bytes(reference_body() + b" ")
    assert tocsin("reference", "show", "reference.json").code == Exit.PROBLEMS
    assert "reference build" in tocsin("reference", "show", "gone.json").err


@pytest.mark.parametrize("out", ["gone/made.json", "models"])
def test_nothing_is_left_when_the_profile_cannot_be_written(tocsin: Tocsin, history: Path, out: str) -> None:
    ended = tocsin("reference", "build", history, "--schema", "schema.yaml", "--out", out)
    assert ended.code == Exit.PROBLEMS
    assert "cannot be written" in ended.err
