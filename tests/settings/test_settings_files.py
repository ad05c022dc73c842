import os
from collections.abc import Callable
from pathlib import Path

import pytest
import released
from laid_out import SECRET, private, reference_body

from monitor.errors import Problem
from monitor.facts import BundleStatus

Problems = Callable[..., list[Problem]]


@pytest.mark.parametrize("name", ["tokens.json", "on-call.secret", "releases.json", "rules.yaml"])
def test_a_missing_file_is_told(home: Path, problems_of: Problems, name: str) -> None:
    (home / name).unlink()
    assert [str(home / name) in str(problem) for problem in problems_of()] == [True]


@pytest.mark.parametrize("name", ["tokens.json", "on-call.secret", "releases.json", "rules.yaml"])
def test_a_directory_in_the_place_of_a_file_is_told(home: Path, problems_of: Problems, name: str) -> None:
    (home / name).unlink()
    (home / name).mkdir()
    assert len(problems_of()) == 1


@pytest.mark.parametrize("name", ["tokens.json", "on-call.secret"])
@pytest.mark.parametrize(
    ("mode", "private_enough"), [(0o600, True), (0o440, True), (0o640, True), (0o644, False), (0o602, False)]
)
def test_a_secret_is_nobody_elses(
    home: Path, problems_of: Problems, name: str, mode: int, *, private_enough: bool
) -> None:
    (home / name).chmod(mode)
    listed = problems_of()
    assert (listed == []) is private_enough
    assert all("every user" in problem.message and "chmod 600" in problem.hint for problem in listed)


def test_a_secret_behind_a_link_is_judged_as_what_it_is(home: Path, problems_of: Problems) -> None:
    (home / "on-call.secret").rename(home / "data")
    (home / "on-call.secret").symlink_to("data")
    assert problems_of() == []
    (home / "data").chmod(0o644)
    assert len(problems_of()) == 1


@pytest.mark.parametrize("text", ["", "canary", "whsec_canary", SECRET * 3, "whsec_" + "A" * 8])
def test_a_bad_secret_is_told_and_not_shown(home: Path, problems_of: Problems, text: str) -> None:
    private(home / "on-call.secret", text)
    listed = problems_of()
    assert {problem.path for problem in listed} == {"receivers.0.secret_file"}
    assert "canary" not in str(list(map(str, listed)))
    assert "AAAA" not in str(list(map(str, listed)))


@pytest.mark.parametrize("name", ["tokens.json", "releases.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', "canary"])
def test_a_damaged_file_of_ours_is_told(home: Path, problems_of: Problems, name: str, text: str) -> None:
    (home / name).write_text(text)
    assert [str(home / name) in str(problem) for problem in problems_of()] == [True]


def test_a_model_without_a_known_good_is_told(home: Path, problems_of: Problems) -> None:
    index = home / "releases.json"
    released.set_status(index, released.load(index)[0].id, BundleStatus.CANDIDATE)
    assert "has no known-good bundle of delays" in problems_of()[0].message
    assert "tocsin bundle create" in problems_of()[0].hint


def test_a_bundle_of_another_model_is_no_known_good(problems_of: Problems) -> None:
    assert "has no known-good bundle of arrivals" in problems_of(("  delays:", "  arrivals:"))[0].message


def test_an_edited_index_is_told(home: Path, problems_of: Problems) -> None:
    body = (home / "releases.json").read_bytes()
    (home / "releases.json").write_bytes(body.replace(b'"payload":"', b'"payload":"AAAA', 1))
    [problem] = problems_of()
    assert "releases.json" in problem.message
    assert "damaged" in problem.message


@pytest.mark.parametrize("name", ["release.pub", "v1.delays.bundle.json"])
def test_a_key_or_a_manifest_that_is_gone_is_told(home: Path, problems_of: Problems, name: str) -> None:
    (home / name).unlink()
    [problem] = problems_of()
    assert problem.path == "models.delays.release"
    assert str(home / name) in problem.message


def test_a_private_key_in_the_place_of_a_public_one_is_told(problems_of: Problems) -> None:
    assert "release.key" in problems_of(("[./release.pub]", "[./release.key]"))[0].message


def test_more_people_than_there_are_keys_are_told(problems_of: Problems) -> None:
    for which in ("index", "bundle", "approval"):
        [problem] = problems_of((f"{which}: 1  ", f"{which}: 2  "))
        assert (problem.path, f"thresholds.{which}: is 2" in problem.message) == ("models.delays.release", True)


@pytest.mark.parametrize("change", [b" ", b"\n"])
def test_an_edited_profile_is_told(home: Path, problems_of: Problems, change: bytes) -> None:
    (home / "reference.json").write_bytes(reference_body() + change)
    assert "has other bytes than were signed" in problems_of()[0].message


def test_a_missing_profile_is_told(home: Path, problems_of: Problems) -> None:
    (home / "reference.json").unlink()
    assert [problem.path for problem in problems_of()] == ["models.delays.release"]
    assert "reference.json" in problems_of()[0].message


def test_the_state_directory_is_made_later(home: Path, problems_of: Problems) -> None:
    assert problems_of(("state_dir: ./state", "state_dir: ./deep/er/state")) == []
    assert not (home / "deep").exists()


def test_a_state_directory_that_cannot_be_is_told(home: Path, problems_of: Problems) -> None:
    listed = problems_of(("state_dir: ./state", "state_dir: ./rules.yaml/state"))
    assert [problem.path for problem in listed] == ["state_dir"]


def test_a_state_directory_without_permission_is_told(problems_of: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # permissions do not bind root, as whom tests may run
    assert {problem.path for problem in problems_of()} == {"state_dir", "models.delays.target.link"}


def test_the_link_may_be_made_by_the_first_switch(home: Path, problems_of: Problems) -> None:
    (home / "models" / "current").unlink()
    assert problems_of() == []


def test_a_link_may_dangle(home: Path, problems_of: Problems) -> None:
    (home / "models" / "v1").unlink()
    assert problems_of() == []


def test_a_target_that_is_no_link_is_told(home: Path, problems_of: Problems) -> None:
    os.replace(home / "models" / "v1", home / "models" / "current")  # noqa: PTH105 - replaces the link itself
    assert "is not a symbolic link" in problems_of()[0].message


def test_a_link_in_no_directory_is_told(problems_of: Problems) -> None:
    assert "is in no directory" in problems_of(("./models/current", "./gone/current"))[0].message
