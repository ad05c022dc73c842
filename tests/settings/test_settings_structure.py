from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.errors import Problem
from monitor.settings.document import parse_document
from monitor.settings.sections import Settings
from monitor.settings.structure import Draft, draft, sections

Problems = Callable[..., list[Problem]]

SMALLEST = "models: {delays: {release: {index: r.json, trust: [r.pub]}, rules: r.yaml}}\n"


def drafted(text: str) -> Draft:
    return draft(parse_document(text.encode(), "tocsin.yaml"), Path("/etc/tocsin"))


def told(text: str) -> list[str]:
    return [str(problem) for problem in drafted(text).problems]


def test_the_smallest_settings_name_a_model_with_its_index_and_rules() -> None:
    settings = drafted(SMALLEST).settings
    assert settings is not None
    assert list(settings.models) == ["delays"]
    assert settings.http.port == 8470


def test_paths_are_relative_to_the_file() -> None:
    settings = drafted(SMALLEST + "state_dir: /var/lib/tocsin\n").settings
    assert settings is not None
    assert settings.models["delays"].rules == Path("/etc/tocsin/r.yaml")
    assert settings.tokens_file == Path("/etc/tocsin/tokens.json")
    assert settings.state_dir == Path("/var/lib/tocsin")


def test_settings_do_not_change() -> None:
    settings = drafted(SMALLEST).settings
    assert settings is not None
    with pytest.raises(Exception, match="frozen"):
        settings.http.port = 1


def test_every_problem_is_told_at_once_with_its_line() -> None:
    text = SMALLEST + "http:\n  port: '8470'\n  host: 0x7f.1\nfold:\n  every: 5\n  evry: 5s\n"
    assert told(text) == [
        "http.host: an IPv4 address is written as four decimal numbers (line 4)",
        "http.port: must be a whole number (line 3)",
        "fold.every: needs a unit: 90s, 5m, 6h, 1d (line 6)",
        "fold.evry: is not a setting (line 7; did you mean `every`?)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("htp: {}", "htp: is not a setting (line 2; did you mean `http`?)"),
        ("port: 1", "port: is not a setting (line 2; did you mean `http.port`?)"),
        ("http: {mode: 1}", "http.mode: is not a setting (line 2; did you mean `models.*.rollback.mode`?)"),
        (
            "fold: {zzz: 1}",
            "fold.zzz: is not a setting (line 2; known here: every, rows_max, lag_rows_max, proof_wait)",
        ),
        ("receivers: [{nam: x}]", "receivers.0.nam: is not a setting (line 2; did you mean `name`?)"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest(text: str, problem: str) -> None:
    assert problem in told(SMALLEST + text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("replica: 0", "replica: must be text (quote it) (line 2)"),
        ("replica: a/b", "replica: must be 1 to 64 letters, digits and . _ -, first a letter or digit (line 2)"),
        ("replay: 1", "replay: must be true or false (line 2)"),
        ("replay: 'true'", "replay: must be true or false (line 2)"),
        ("http:", "http: must hold settings, one per line (line 2)"),
        ("http: []", "http: must hold settings, one per line (line 2)"),
        ("receivers: {}", "receivers: must be a list (line 2)"),
        ("state_dir: 1", "state_dir: must be a path, as text (line 2)"),
        ("state_dir: ''", "state_dir: must be a path, as text (line 2)"),
        ("look_every: 0s", "look_every: must be 100ms to 1d (line 2)"),
        ("http: {port: 65536}", "http.port: must be less than or equal to 65535 (line 2)"),
        ("http: {port: 8e1}", "http.port: must be a whole number (line 2)"),
        ("http: {body_bytes_max: 16}", "http.body_bytes_max: needs a unit: 512KiB, 16MiB, 1GiB (line 2)"),
        ("metrics: {series_max: .inf}", "metrics.series_max: must be a whole number (line 2)"),
        ("look_every: 1:30", "look_every: needs a unit: 90s, 5m, 6h, 1d (line 2)"),
    ],
)
def test_nothing_is_converted(text: str, problem: str) -> None:
    assert told(SMALLEST + text) == [problem]


@pytest.mark.parametrize("length", ["1s", "1m", "90s", "5m", "1h", "6h", "1d"])
def test_panes_divide_the_hour_or_the_day(length: str) -> None:
    assert not told(f"{SMALLEST}panes: {{length: {length}}}")


@pytest.mark.parametrize("length", ["1500ms", "7m", "61m", "5h", "90m"])
def test_other_panes_are_refused(length: str) -> None:
    assert "must divide an hour" in told(f"{SMALLEST}panes: {{length: {length}}}")[0]


@pytest.mark.parametrize(
    ("share", "right"), [("0", False), ("0.001", True), ("1", True), ("1.01", False), (".nan", False)]
)
def test_a_share_lies_above_zero_and_at_most_at_one(share: str, *, right: bool) -> None:
    known_good = f"known_good: {{url: 'http://[::1]', model: d, share: {share}}}"
    text = f"models: {{d: {{release: {{index: r, trust: [r.pub]}}, rules: r, {known_good}}}}}"
    assert (not told(text)) is right


@pytest.mark.parametrize("text", ["models: {}", "{}", "replica: a", "models:", "[]", "a", "1"])
def test_without_a_model_there_are_no_settings(text: str) -> None:
    result = drafted(text)
    assert result.settings is None
    assert result.problems


def test_a_problem_is_told_once() -> None:
    assert told(SMALLEST + "fold: {every: 2013-03-01}") == [
        "fold.every: is of the kind 'timestamp' (line 2; quote it if it is text)"
    ]


def test_what_is_wrong_is_taken_out_and_the_rest_still_stands() -> None:
    result = drafted(SMALLEST + "fold: {every: 5, rows_max: 5000}\nhttp: {port: x}\n")
    assert result.settings is not None
    assert result.settings.fold.rows_max == 5000
    assert not result.kept("fold.every")
    assert not result.kept("fold")
    assert result.kept("fold.rows_max", "panes")


def test_receivers_keep_their_place_when_one_before_them_is_taken_out() -> None:
    good = "{name: b, url: https://example.org, secret_file: s}"
    result = drafted(f"{SMALLEST}receivers: [{{name: a}}, {good}, {{name: c, url: 'ftp://x', secret_file: s}}, {good}]")
    assert result.receivers == (1, 3)
    assert {problem.path for problem in result.problems} == {
        "receivers.0.url",
        "receivers.0.secret_file",
        "receivers.2.url",
    }


def test_a_models_faults_do_not_hide_another_models() -> None:
    release = "release: {index: r, trust: [r.pub]}"
    text = f"models:\n  a: {{rules: r}}\n  b: {{{release}}}\n  c: {{{release}, rules: r}}\n"
    assert told(text) == ["models.a.release: is required (line 2)", "models.b.rules: is required (line 3)"]
    assert drafted(text).settings is not None


def test_taking_a_fault_out_makes_no_new_one() -> None:
    assert told("models: {d: {rules: r}}") == ["models.d.release: is required (line 1)"]


@pytest.mark.parametrize("name", ["a/b", "''", "-a", "a b", "x" * 65, "ä"])
def test_a_model_has_a_name_fit_for_labels_and_urls(name: str) -> None:
    assert any(
        "must be 1 to 64 letters" in line
        for line in told(f"models: {{{name}: {{release: {{index: r, trust: [r.pub]}}, rules: r}}}}")
    )


def test_a_receivers_url_is_judged_with_its_networks() -> None:
    line = "receivers: [{{name: a, secret_file: s, url: 'http://10.1.2.3/', allow_networks: [{}]}}]"
    assert not told(SMALLEST + line.format("10.1.0.0/16"))
    assert "10.1.2.3 is private" in told(SMALLEST + line.format("10.2.0.0/16"))[0]


def test_bad_networks_do_not_speak_for_the_url() -> None:
    line = "receivers: [{name: a, secret_file: s, url: 'http://10.1.2.3/', allow_networks: [10.1.0.1/16]}]"
    assert told(SMALLEST + line) == [
        "receivers.0.allow_networks.0: must be a network such as 10.1.0.0/16, without host bits (line 2)"
    ]


def test_a_url_is_never_shown() -> None:
    result = drafted(SMALLEST + "receivers: [{name: a, secret_file: s, url: 'https://example.org/canary'}]")
    assert "canary" not in repr(result.settings)
    assert "canary" not in str(told(SMALLEST + "receivers: [{name: a, secret_file: s, url: 'ftp://canary'}]"))


def test_all_settings_have_a_path() -> None:
    paths = [path for path, _ in sections()]
    assert {"http.port", "models.*.rollback.mode", "models.*.serving.url", "receivers.*.name"} <= set(paths)
    assert len(paths) == len(set(paths))
    assert set(Settings.model_fields) == {path for path in paths if "." not in path}


@pytest.mark.parametrize(
    ("source", "right"),
    [("ops", True), ("crowd/*", True), ("a/b@c:d", True), ("*", False), ("a*", False), ("a//b", False)],
)
def test_a_trusted_source_is_written_as_tokens_are_bound(source: str, *, right: bool) -> None:
    text = (
        f"models: {{d: {{release: {{index: r, trust: [r.pub]}}, rules: r, labels: {{trusted_sources: ['{source}']}}}}}}"
    )
    assert (not told(text)) is right
