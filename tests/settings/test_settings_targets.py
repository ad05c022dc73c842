"""Every kind of rollback target in the settings: docs/targets.md shows each, whole, and nothing else is taken."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
import pytest
import yaml
from laid_out import EXAMPLE, ROOT, private
from pydantic_core import PydanticUndefined

from monitor.clock import WallClock
from monitor.errors import Problem
from monitor.rollback.targets.cluster import ObjectTarget
from monitor.rollback.targets.command import CommandTarget
from monitor.rollback.targets.mlflow import MlflowTarget
from monitor.rollback.targets.open_inference import OpenInferenceTarget
from monitor.rollback.targets.symlink import SymlinkTarget
from monitor.rollback.targets.webhook import WebhookTarget
from monitor.settings import check, load
from monitor.settings.addresses import target_problem
from monitor.settings.target_sections import KINDS, Proof
from monitor.turns.deploying import built, message_id

Problems = Callable[..., list[Problem]]

PAGE = (ROOT / "docs" / "targets.md").read_text()
EXAMPLES = {
    found["kind"]: found
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    for found in [yaml.safe_load(block)["target"]]
}
SECTION = re.search(r"^    target:\n(?:      .*\n)+", EXAMPLE.read_text(), re.MULTILINE)
BUILT = {
    "command": CommandTarget,
    "kserve": ObjectTarget,
    "kubernetes": ObjectTarget,
    "mlflow": MlflowTarget,
    "open_inference": OpenInferenceTarget,
    "symlink": SymlinkTarget,
    "webhook": WebhookTarget,
}


@pytest.fixture
def of_kind(home: Path, problems_of: Problems) -> Callable[..., list[Problem]]:
    """What is wrong with the page's example of a kind, with some settings changed; None leaves one out."""
    private(home / "token", "a-token\n")
    private(home / "basic", "user:password\n")
    private(home / "deploy.secret", "whsec_" + "A" * 32 + "\n")
    (home / "deploy").write_text("#!/bin/sh\n")
    (home / "deploy").chmod(0o755)
    there: dict[str, dict[str, Any]] = {
        "kserve": {"token_file": "token", "ca_file": certifi.where()},
        "command": {"argv": [str(home / "deploy"), "delays"]},
    }
    there["kubernetes"] = there["kserve"]

    def problems(kind: str, /, **changes: Any) -> list[Problem]:
        target = {**EXAMPLES[kind], **there.get(kind, {}), **changes}
        target = {key: value for key, value in target.items() if key not in changes or changes[key] is not None}
        text = "".join(f"      {line}\n" for line in yaml.safe_dump(target).splitlines())
        assert SECTION
        return problems_of((SECTION[0], f"    target:\n{text}"))

    return problems


def test_the_page_has_every_kind() -> None:
    assert sorted(EXAMPLES) == sorted(KINDS)
    assert [kind for kind in KINDS if f"\n## {kind}\n" not in PAGE] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_shows_every_setting_of_a_kind(kind: str) -> None:
    shared = set(Proof.model_fields)
    assert set(EXAMPLES[kind]) | shared == set(KINDS[kind].model_fields)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_page_shows_is_the_default(kind: str) -> None:
    for name, info in KINDS[kind].model_fields.items():
        optional = info.default is not PydanticUndefined and name not in Proof.model_fields
        if optional and name in EXAMPLES[kind]:
            shown = EXAMPLES[kind][name]
            assert shown == info.default or shown == str(info.default), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_pages_example_is_taken_and_makes_its_target(kind: str, home: Path, of_kind: Problems) -> None:
    async def reload() -> None: ...

    assert of_kind(kind) == []
    target = load(home / "tocsin.yaml", {}).models["delays"].target
    assert target is not None
    assert target.kind == kind
    assert isinstance(built(target, reload, WallClock()), BUILT[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_kind_must_have_is_told_where_it_is_missing(kind: str, of_kind: Problems) -> None:
    required = [name for name, info in KINDS[kind].model_fields.items() if info.is_required() and name != "kind"]
    found = of_kind(kind, **dict.fromkeys(required))
    assert {problem.path for problem in found} == {f"models.delays.target.{name}" for name in required}
    assert {problem.message for problem in found} <= {"is required"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_setting_of_no_kind_is_told_with_its_line(kind: str, of_kind: Problems) -> None:
    [problem] = of_kind(kind, timeuot="10s")
    assert (problem.path, problem.message) == ("models.delays.target.timeuot", "is not a setting")
    assert "line" in problem.hint


def test_a_misspelt_setting_of_another_kind_is_guessed(of_kind: Problems) -> None:
    [problem] = of_kind("mlflow", basicfile="basic")
    assert "did you mean `basic_file`?" in problem.hint


@pytest.mark.parametrize("kind", ["symlnk", "", 3, True, ["symlink"], {"a": 1}])
def test_a_kind_that_is_none_is_told_with_those_there_are(kind: Any, of_kind: Problems) -> None:
    found = of_kind("symlink", kind=kind)
    assert [problem.path for problem in found] == ["models.delays.target"]
    assert "none of command, kserve, kubernetes, mlflow, open_inference, symlink, webhook" in found[0].message


def test_without_a_kind_it_is_the_link(home: Path, of_kind: Problems) -> None:
    assert of_kind("symlink", kind=None) == []
    target = load(home / "tocsin.yaml", {}).models["delays"].target
    assert target is not None
    assert target.kind == "symlink"


WITH_URL = [kind for kind in KINDS if "url" in KINDS[kind].model_fields]


@pytest.mark.parametrize("kind", WITH_URL)
def test_no_kind_is_at_a_metadata_address(kind: str, of_kind: Problems) -> None:
    found = of_kind(kind, url="https://169.254.169.254/latest")
    assert [problem.path for problem in found] == ["models.delays.target.url"]


@pytest.mark.parametrize(
    "url",
    [
        "https://[fe80::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://0.0.0.0/",
        "http://93.184.215.14/",
        "ftp://127.0.0.1/",
        "https://user:password@127.0.0.1/",
        "https://127.0.0.1/?token=x",
        "https://0x7f.1/",
        "http://127.0.0.1\\@example.org/",
    ],
)
def test_an_address_that_is_never_reached_is_refused(url: str) -> None:
    assert target_problem(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "http://10.1.2.3", "http://[::1]/", "https://1.1.1.1/x"])
def test_an_address_of_ones_own_is_taken(url: str) -> None:
    assert target_problem(url) == ""


@pytest.mark.parametrize(
    ("kind", "changes", "where"),
    [
        ("mlflow", {"alias": "latest"}, "alias"),
        ("mlflow", {"alias": "v7"}, "alias"),
        ("mlflow", {"name": "a/b"}, "name"),
        ("mlflow", {"bearer_file": "token", "basic_file": "basic"}, "basic_file"),
        ("mlflow", {"basic_file": "token"}, "basic_file"),
        ("mlflow", {"bearer_file": "gone"}, "bearer_file"),
        ("kserve", {"namespace": "../x"}, "namespace"),
        ("kserve", {"section": "a/b"}, "section"),
        ("kserve", {"token_file": "gone"}, "token_file"),
        ("kserve", {"ca_file": "token"}, "ca_file"),
        ("kubernetes", {"container": "A"}, "container"),
        ("kubernetes", {"env": "1A"}, "env"),
        ("webhook", {"secret_file": "token"}, "secret_file"),
        ("webhook", {"timeout": "1d"}, "timeout"),
        ("command", {"argv": []}, "argv"),
        ("command", {"argv": ["deploy"]}, "argv"),
        ("command", {"argv": ["/nowhere/deploy"]}, "argv"),
        ("symlink", {"proofs": 0}, "proofs"),
    ],
)
def test_what_is_wrong_with_a_target_is_told(kind: str, changes: Any, where: str, of_kind: Problems) -> None:
    found = {problem.path.partition(".0")[0] for problem in of_kind(kind, **changes)}
    assert found == {f"models.delays.target.{where}"}


def test_a_secret_that_every_user_can_read_is_told(home: Path, of_kind: Problems) -> None:
    (home / "deploy.secret").chmod(0o644)
    assert [problem.path for problem in of_kind("webhook")] == ["models.delays.target.secret_file"]


def test_a_replay_touches_no_target_of_any_kind_but_a_demonstrations(of_kind: Problems, home: Path) -> None:
    assert of_kind("mlflow") == []
    text = (home / "tocsin.yaml").read_text().replace("replay: false", "replay: true")
    (home / "tocsin.yaml").write_text(text)
    assert [problem.path for problem in check(home / "tocsin.yaml", {})] == ["models.delays.target.demo"]


def test_two_models_on_one_alias_are_told(of_kind: Problems, home: Path) -> None:
    of_kind("mlflow")
    document = yaml.safe_load((home / "tocsin.yaml").read_text())
    document["models"]["other"] = {
        "release": document["models"]["delays"]["release"],
        "rules": "rules.yaml",
        "target": document["models"]["delays"]["target"],
    }
    (home / "tocsin.yaml").write_text(yaml.safe_dump(document))
    found = {problem.path for problem in check(home / "tocsin.yaml", {}) if "moves what" in problem.message}
    assert found == {"models.delays.target", "models.other.target"}


def test_no_message_is_named_twice() -> None:
    assert len({message_id() for _ in range(1000)}) == 1000
