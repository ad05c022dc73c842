import re
from collections.abc import Callable
from pathlib import Path

import pytest
from laid_out import EXAMPLE, private

from monitor.errors import Problem, SettingsError
from monitor.settings import load, load_rules

Problems = Callable[..., list[Problem]]

SECRET_LINE = next(line for line in EXAMPLE.read_text().splitlines(keepends=True) if "secret_file: " in line)
AUTO = ("mode: observe", "mode: auto")


def section(name: str) -> str:
    """Return the lines of a section of the example's model, to be taken out."""
    found = re.search(rf"^    {name}:\n(?:      .*\n)+", EXAMPLE.read_text(), re.MULTILINE)
    assert found
    return found[0]


def test_the_example_loads(home: Path) -> None:
    settings = load(home / "tocsin.yaml", {})
    assert settings.models["delays"].target is not None
    assert settings.models["delays"].target.link == home / "models" / "current"
    assert [receiver.name for receiver in settings.receivers] == ["on-call"]


def test_nothing_is_written_by_reading(home: Path) -> None:
    before = sorted(home.rglob("*"))
    load(home / "tocsin.yaml", {})
    assert sorted(home.rglob("*")) == before


def test_load_raises_what_check_lists(home: Path, problems_of: Problems) -> None:
    listed = problems_of(("port: 8470", "port: x"), ("every: 1s", "every: 1"))
    with pytest.raises(SettingsError) as raised:
        load(home / "tocsin.yaml", {})
    assert list(raised.value.problems) == listed
    assert len(listed) == 2


def test_problems_come_in_the_order_of_the_file(problems_of: Problems) -> None:
    listed = problems_of(
        ("series_max: 2000", "series_max: 1"), ("port: 8470", "port: x"), ("horizon: 14d", "horizon: 0s")
    )
    assert [problem.path for problem in listed] == ["http.port", "metrics.series_max", "panes.horizon"]


def test_structure_disk_and_rules_are_told_together(home: Path, problems_of: Problems) -> None:
    (home / "tokens.json").unlink()
    (home / "rules.yaml").write_text("version: 1\nrules: [{name: x, subject: output, detector: psy}]\n")
    listed = {problem.path for problem in problems_of(("port: 8470", "port: x"), ("per_week: 3", "per_week: 1"))}
    assert {"http.port", "models.delays.rollback.per_week", "tokens_file"} <= listed
    assert any(path.endswith("rules.yaml:rules.0.detector") for path in listed)


@pytest.mark.parametrize("name", ["gone.yaml", "."])
def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / name, {})


def test_a_relative_path_is_relative_to_the_working_directory(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home.parent)
    assert load(Path(home.name) / "tocsin.yaml", {}).tokens_file == home / "tokens.json"


def test_a_pod_may_mount_the_file_as_a_link(home: Path) -> None:
    (home / "tocsin.yaml").rename(home / "..data.yaml")
    (home / "tocsin.yaml").symlink_to("..data.yaml")
    assert load(home / "tocsin.yaml", {}).tokens_file == home / "tokens.json"


# ---------------------------------------------------------------- between sections


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ([("port: 9470", "port: 8470")], "metrics.port"),
        ([("port: 9470", "port: 8470"), ("host: 127.0.0.1             # 0", "host: 0.0.0.0 # 0")], "metrics.port"),
        ([("in_flight_bytes_max: 64MiB", "in_flight_bytes_max: 8MiB")], "http.in_flight_bytes_max"),
        ([("length: 1m", "length: 1d"), ("horizon: 14d", "horizon: 6h")], "panes.horizon"),
        ([("age_max: 400d", "age_max: 13d")], "panes.age_max"),
        ([("behind_max: 14d", "behind_max: 15d")], "time.behind_max"),
        ([("horizon: 14d", "horizon: 13d")], "time.behind_max"),
        ([("deadline: 3d", "deadline: 15d")], "models.delays.labels.deadline"),
        ([("per_day: 2", "per_day: 4")], "models.delays.rollback.per_week"),
        ([AUTO, (section("serving"), "")], "models.delays.serving"),
        ([AUTO, (section("target"), "")], "models.delays.target"),
        ([AUTO, (section("known_good"), "")], "models.delays.known_good"),
        ([("mode: observe", "mode: approve"), (section("target"), "")], "models.delays.target"),
        ([("model: delays-known-good", "model: delays")], "models.delays.known_good.model"),
        ([("replay: false", "replay: true")], "models.delays.target.demo"),
        ([(section("serving"), ""), (section("target"), "")], "models.delays.probes"),
    ],
)
def test_a_contradiction_is_told_where_it_is(changes: list[tuple[str, str]], path: str, problems_of: Problems) -> None:
    assert path in [problem.path for problem in problems_of(*changes)]


@pytest.mark.parametrize(
    "changes",
    [
        [AUTO],
        [("mode: observe", "mode: approve"), (section("known_good"), "")],
        [(section("serving"), ""), (section("known_good"), ""), (section("target"), ""), (section("probes"), "")],
        [("port: 8470", "port: 0"), ("port: 9470", "port: 0")],
        [("host: 127.0.0.1             # 0", "host: 0.0.0.0 # 0")],
        [("length: 1m", "length: 1h")],
        [
            ("horizon: 14d", "horizon: 2d"),
            ("      deadline: 3d ", "      # deadline: 3d "),
            ("  behind_max: 14d ", "  # behind_max: 14d "),
        ],
        [("age_max: 400d", "age_max: 14d")],
        [("horizon: 14d", "horizon: 20d"), ("behind_max: 14d", "behind_max: 20d")],
        [("allow_networks: []", "allow_networks: [10.1.0.0/16]"), ("https://alerts.example.org", "http://10.1.2.3")],
        [("replay: false", "replay: true"), ("demo: false", "demo: true")],
        [("replay: false", "replay: true"), (section("target"), "")],
        [("demo: false", "demo: true")],
    ],
)
def test_what_is_no_contradiction_is_taken(changes: list[tuple[str, str]], problems_of: Problems) -> None:
    assert problems_of(*changes) == []


def test_a_check_is_silent_about_a_default_that_nobody_asked_for(problems_of: Problems) -> None:
    listed = problems_of(("length: 1m", "length: 7m"), ("mode: observe", "mode: atuo"), (section("target"), ""))
    assert {problem.path for problem in listed} == {"panes.length", "models.delays.rollback.mode"}


def test_a_replay_that_could_switch_a_real_target_is_told_what_to_do(problems_of: Problems) -> None:
    [problem] = problems_of(("replay: false", "replay: true"))
    assert "a replay touches no target but that of a demonstration" in problem.message
    assert "demo: true" in problem.hint


def test_a_mark_that_is_no_yes_or_no_is_told_once(problems_of: Problems) -> None:
    listed = problems_of(("replay: false", "replay: true"), ("demo: false", "demo: 'true'"))
    assert [str(problem.message) for problem in listed] == ["must be true or false"]


def test_two_receivers_of_one_name_are_told(problems_of: Problems) -> None:
    second = "receivers:\n  - {name: on-call, secret_file: ./on-call.secret, url: 'https://example.org/'}"
    listed = problems_of(("receivers:", second))
    assert [str(problem.path) for problem in listed] == ["receivers.1.name"]


def test_two_models_on_one_link_are_told(home: Path, problems_of: Problems) -> None:
    release = "release: {index: releases.json, trust: [release.pub]}"
    second = f"models:\n  other: {{{release}, rules: rules.yaml, target: {{link: models/current}}}}"
    listed = problems_of(("models:", second))
    assert {problem.path for problem in listed} >= {"models.other.target.link", "models.delays.target.link"}


@pytest.mark.parametrize(("length", "window", "wrong"), [("1h", "90m", True), ("1h", "2h", False), ("1m", "20d", True)])
def test_windows_fit_the_panes(home: Path, problems_of: Problems, length: str, window: str, *, wrong: bool) -> None:
    rules = (home / "rules.yaml").read_text().replace("window: 1h", f"window: {window}")
    (home / "rules.yaml").write_text(rules)
    listed = problems_of(("length: 1m", f"length: {length}"))
    assert [problem.path.endswith("rules.yaml:output_moved") for problem in listed] == [True] * wrong


# ---------------------------------------------------------------- rules


def test_rules_are_read_for_each_model(home: Path) -> None:
    packs = load_rules(load(home / "tocsin.yaml", {}))
    assert [rule.name for rule in packs["delays"].rules] == ["output_moved"]


@pytest.mark.parametrize(("pack", "length"), [("default.yaml", "1m"), ("demo.yaml", "1h")])
def test_the_shipped_rules_fit_the_panes_they_are_meant_for(problems_of: Problems, pack: str, length: str) -> None:
    rules = str(EXAMPLE.parents[1] / "rules" / pack)
    parted = ("carrier:\n        values: []", "origin:\n        values: [EWR]")  # as the demo parts its rows
    assert problems_of(("rules: ./rules.yaml", f"rules: {rules}"), ("length: 1m", f"length: {length}"), parted) == []


def test_a_rule_pack_is_read_with_the_same_guards(home: Path, problems_of: Problems) -> None:
    (home / "rules.yaml").write_text("version: 1\nversion: 1\nrules:\n - {name: 2013-03-01}\n")
    listed = [str(problem) for problem in problems_of()]
    assert f"{home}/rules.yaml:version: is given twice (line 2, first on line 1)" in listed
    assert any(line.startswith(f"{home}/rules.yaml:rules.0.name: is of the kind 'timestamp'") for line in listed)


def test_a_rule_problem_has_its_line(home: Path, problems_of: Problems) -> None:
    (home / "rules.yaml").write_text(
        "version: 1\nrules:\n\n  - {name: x, subject: output, detector: psy, window: 1h}\n"
    )
    assert "line 4" in next(str(problem) for problem in problems_of() if problem.path.endswith("detector"))


@pytest.mark.parametrize("text", ["", "[", "a", "[]"])
def test_a_rule_pack_that_is_none_is_told(home: Path, problems_of: Problems, text: str) -> None:
    (home / "rules.yaml").write_text(text)
    assert problems_of()[0].path.startswith(f"{home}/rules.yaml")


def test_rules_that_turned_bad_after_the_check_are_told(home: Path) -> None:
    settings = load(home / "tocsin.yaml", {})
    (home / "rules.yaml").unlink()
    with pytest.raises(SettingsError, match="No such file"):
        load_rules(settings)


# ---------------------------------------------------------------- the environment


def test_the_environment_may_name_the_tokens_file(home: Path) -> None:
    private(home / "mounted.json", (home / "tokens.json").read_text())
    (home / "tokens.json").unlink()
    settings = load(home / "tocsin.yaml", {"TOCSIN_TOKENS_FILE": str(home / "mounted.json")})
    assert settings.tokens_file == home / "mounted.json"


def test_the_environment_may_name_a_receivers_secret(home: Path, problems_of: Problems) -> None:
    mounted = str((home / "on-call.secret").rename(home / "mounted"))
    assert problems_of(TOCSIN_SECRET_FILE_ON_CALL=mounted) == []
    assert problems_of((SECRET_LINE, ""), TOCSIN_SECRET_FILE_ON_CALL=mounted) == []


def test_a_secret_for_no_receiver_is_a_slip(problems_of: Problems) -> None:
    assert "TOCSIN_SECRET_FILE_ON_CALL" in problems_of(TOCSIN_SECRET_FILE_ONCALL="x")[0].hint


def test_nothing_else_in_the_environment_says_anything(problems_of: Problems) -> None:
    assert problems_of(TOCSIN_PORT="tcp://10.0.0.1:80", TOCSIN_HTTP_PORT="1", TOCSIN_STATE_DIR="/x") == []
