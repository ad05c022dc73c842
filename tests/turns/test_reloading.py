"""A reload changes what may change while the daemon runs; everything else is named and refuses the whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import Problem
from monitor.settings import Settings
from monitor.turns.reloading import MAY_CHANGE, _leaves, fixed, waiting

SERVER = {"url": "http://127.0.0.1:8080", "model": "m"}
RECEIVER = {"name": "on-call", "url": "https://hooks.example.test/1", "secret_file": "secret"}


def settings(**changes):
    """Settings of one model with everything set; `changes` by dotted path, `__` for the dot."""
    model = {
        "release": {"index": "releases.json", "trust": ["release.pub"]},
        "rules": "rules.yaml",
        "serving": dict(SERVER),
        "known_good": SERVER | {"share": 0.5},
        "target": {"link": "current"},
        "labels": {"trusted_sources": ["ops", "audit"]},
        "rollback": {"mode": "propose"},
    }
    document = {"models": {"delays": model}, "receivers": [dict(RECEIVER)]}
    for path, value in changes.items():
        *around, last = path.split("__")
        holder = document
        for part in around:
            holder = holder.setdefault(part, {})
        holder[last] = value
    return Settings.model_validate_json(json.dumps(document))


def differs(**changes):
    return [problem.path for problem in fixed(settings(), settings(**changes))]


MAY = {
    "look_every": "2m",
    "external_url": "https://tocsin.example.test",
    "receivers": [],
    "models__delays__rules": "other.yaml",
    "models__delays__labels__trusted_sources": ["ops"],
    "models__delays__rollback": {"mode": "auto", "cooldown": "1h", "per_day": 1, "rows_min": 100},
    "models__delays__promotion": {"soak": "1d", "labels_min": 200, "worse_max": 0.02},
    "models__delays__known_good__share": 0.1,
    "models__delays__known_good__rows_max": 7,
    "models__delays__segments": {"origin": {"values_max": 3}, "device": {"values": ["ios"]}},
    "models__delays__evidence": {"every": "2d", "metrics": {"missing": {"metric": "DatasetMissingValueCount"}}},
    "models__delays__evidence__reference_sample": "sample.parquet",
    "models__delays__samples": {"share": 0.5, "per_stratum_min": 1, "flagged_max": 1},
    "evidence": {"queue_max": 3, "memory_bytes_max": "2GiB", "timeout": "1m", "reports_age_max": "2d"},
}
MAY_NOT = {
    "state_dir": "elsewhere",
    "replica": "1",
    "replay": True,
    "tokens_file": "other.json",
    "http__port": 1,
    "metrics__render_every": "1s",
    "fold__every": "2s",
    "panes__length": "5m",
    "panes__horizon": "2d",
    "time__ahead_max": "1m",
    "models__delays__release__index": "other.json",
    "models__delays__release__fast_forward_max": 5,
    "models__delays__labels__waiting_max": 5,
    "models__delays__labels__receipts_bytes_max": "5MiB",
    "models__delays__samples__bytes_max": "5MiB",
    "models__delays__samples__age_max": "2h",
    "models__delays__target__link": "other",
    "models__delays__serving__url": "http://127.0.0.1:9090",
    "models__delays__known_good__url": "http://127.0.0.1:9090",
}


def test_the_same_settings_change_nothing():
    assert fixed(settings(), settings()) == []


@pytest.mark.parametrize("path", MAY)
def test_what_may_change_is_not_refused(path):
    assert settings(**{path: MAY[path]}) != settings()
    assert differs(**{path: MAY[path]}) == []


@pytest.mark.parametrize("path", MAY_NOT)
def test_what_may_not_change_is_named(path):
    assert differs(**{path: MAY_NOT[path]}) == [path.replace("__", ".")]


def test_what_waits_for_a_restart_is_counted_by_section():
    found = fixed(settings(), settings(replica="1", http__port=1, http__rows_max=2, look_every="2m"))
    assert waiting([*found, Problem("rules.0", "is another matter")]) == {"http": 2, "replica": 1}


def test_every_change_that_is_refused_is_named_and_only_those():
    assert differs(look_every="2m", replica="1", http__port=1) == ["http.port", "replica"]


@pytest.mark.parametrize("section", ["serving", "known_good", "target"])
def test_a_section_that_comes_or_goes_is_refused(section):
    without = settings(**{f"models__delays__{section}": None})
    assert any(problem.path.startswith(f"models.delays.{section}") for problem in fixed(settings(), without))
    assert any(problem.path.startswith(f"models.delays.{section}") for problem in fixed(without, settings()))


def test_a_model_that_comes_or_goes_is_refused():
    two = settings(models__other={"release": {"index": "r.json", "trust": ["r.pub"]}, "rules": "rules.yaml"})
    assert {problem.path.split(".")[1] for problem in fixed(settings(), two)} == {"other"}
    assert fixed(two, settings())


@pytest.mark.parametrize("name", ["v1.2", "rules", "a.rollback", "receivers"])
def test_the_name_of_a_model_widens_nothing(name):
    def of(**changes):
        return settings(
            **{f"models__{name}": {"release": {"index": "r.json", "trust": ["r.pub"]}, "rules": "rules.yaml"} | changes}
        )

    assert fixed(of(), of(rules="other.yaml")) == []
    assert [problem.path for problem in fixed(of(), of(release={"index": "s.json", "trust": ["r.pub"]}))] == [
        f"models.{name}.release.index"
    ]


@given(st.from_regex(r"[a-z_/]{1,40}", fullmatch=True))
def test_no_path_of_the_state_or_a_listener_may_change(tail):
    for section in ("state_dir", "http", "metrics", "fold", "panes", "time", "replay", "replica", "tokens_file"):
        assert not MAY_CHANGE.fullmatch(f"{section}/{tail}")


def test_a_map_that_becomes_empty_is_a_change():
    assert dict(_leaves({"a": {"b": []}, "c": {}}, "")) == {"a/b": [], "c": {}}
