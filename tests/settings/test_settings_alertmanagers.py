"""Alertmanagers and what receivers do about silences and repeats: what is refused, and why."""

import pytest

from monitor.settings import load
from monitor.turns.telling import telling

URL = "url: https://alertmanager.example.org:9093"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ((URL, "url: http://am.example.org:9093"), "alertmanagers.0.url"),
        ((URL, "url: http://169.254.169.254"), "alertmanagers.0.url"),
        ((URL, "url: https://127.0.0.1:9093"), "alertmanagers.0.url"),
        ((URL, "url: https://am.example.org/?x=1"), "alertmanagers.0.url"),
        (("labels: {}", "labels: {model: other}"), "alertmanagers.0.labels.model"),
        (("labels: {}", "labels: {__x: other}"), "alertmanagers.0.labels.__x"),
        (("labels: {}", "labels: {a-b: other}"), "alertmanagers.0.labels.a-b"),
        (("resend: 1m ", "resend: 2m "), "alertmanagers.0.resend"),
        (("bearer_file: null", "bearer_file: ./nothing"), "alertmanagers.0.bearer_file"),
        (("warning: hold", "warning: drop"), "receivers.0.silences.warning"),
        (("critical: 4h", "critical: 1s"), "receivers.0.repeat.critical"),
        (("interval: 5m", "interval: -1s"), "grouping.interval"),
    ],
)
def test_what_cannot_be_meant_is_told(problems_of, change, path):
    assert [problem.path for problem in problems_of(change)] == [path]


def test_two_of_one_name_are_told(problems_of):
    again = f"{URL}\n  - {{name: main, url: 'https://b.example.org'}}"
    assert [problem.path for problem in problems_of((URL, again))] == ["alertmanagers.1.name"]


def test_a_faulty_one_does_not_shift_the_others(problems_of):
    again = f"{URL}\n  - {{name: B, url: 'https://b.example.org'}}\n  - {{name: c, url: 'ftp://c.example.org'}}"
    assert [problem.path for problem in problems_of((URL, again))] == ["alertmanagers.1.name", "alertmanagers.2.url"]


@pytest.mark.parametrize(("key", "good", "bad"), [("bearer_file", "t0ken", ""), ("basic_file", "me:secret", "me")])
def test_credentials_are_read_at_the_check(home, problems_of, key, good, bad):
    change = (f"{key}: null", f"{key}: ./credentials")
    for text, mode, told in [(good, 0o600, 0), (bad, 0o600, 1), (good, 0o644, 1)]:
        (home / "credentials").write_text(text)
        (home / "credentials").chmod(mode)
        problems = problems_of(change)
        assert len(problems) == told, problems
        assert good not in str(problems)


def test_one_proof_of_who_we_are_is_enough(home, problems_of):
    (home / "credentials").write_text("me:secret")
    (home / "credentials").chmod(0o600)
    both = [(f"{key}: null", f"{key}: ./credentials") for key in ("bearer_file", "basic_file")]
    assert [problem.path for problem in problems_of(*both)] == ["alertmanagers.0.basic_file"]


def test_what_decisions_are_told_is_what_the_settings_say(home):
    said = telling(load(home / "tocsin.yaml"))
    assert (said.wait_s, said.interval_s) == (0.0, 300.0)
    assert [(each.receiver, each.critical_s, each.warning_s) for each in said.repeats] == [("on-call", 14400.0, None)]
