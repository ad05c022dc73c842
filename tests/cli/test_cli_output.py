import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.cli.output import cell, show_facts, show_json, show_table


@pytest.mark.parametrize(
    ("value", "name", "text"),
    [
        (None, "", "-"),
        ("", "", "-"),
        (True, "", "yes"),
        (3, "rows", "3"),
        (0.1 + 0.2, "share", "0.3"),
        (1_362_132_900.0, "opened", "2013-03-01T10:15:00Z"),
        (1_362_132_900.0, "issued", "2013-03-01T10:15:00Z"),
        (1_362_132_900.0, "value", "1.36213e+09"),
        (1_362_132_900.0, "last_prediction", "2013-03-01T10:15:00Z"),
        ([1_362_132_900.0, "fired"], "timeline", "2013-03-01T10:15:00Z fired"),
        (30.0, "start", "30"),
        (1e15, "expires", "1e+15"),  # of a year that no calendar has
        (10**30, "expires", str(10**30)),
        (["a", "b"], "", "a b"),
        ([], "", "-"),
        ({"a": 1}, "", '{"a": 1}'),
    ],
)
def test_a_value_fits_on_one_line(value: object, name: str, text: str) -> None:
    assert cell(value, name) == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_nothing_that_a_terminal_obeys_comes_through(value: object) -> None:
    assert cell(value).isprintable()


def test_a_table_aligns_and_never_cuts(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([{"id": "x" * 200, "n": 1}, {"id": "y"}], ("id", "n"), "none")
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["id".ljust(202) + "n", "x" * 200 + "  1", "y".ljust(202) + "-"]


def test_an_empty_table_says_what_that_means(capsys: pytest.CaptureFixture[str]) -> None:
    show_table([], ("id",), "There are no incidents.")
    assert capsys.readouterr().out == "There are no incidents.\n"


def test_facts_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    show_facts({"model": "delays", "alerts": [{"rule": "psi"}], "timeline": [[1.0, "fired"]], "none": [], "empty": {}})
    assert capsys.readouterr().out.splitlines() == [
        "model: delays",
        "alerts:",
        "  -",
        "    rule: psi",
        "timeline:",
        "  - 1 fired",
        "none: -",
        "empty: -",
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_is_one_document(capsys: pytest.CaptureFixture[str], value: object) -> None:
    show_json(value)
    assert json.loads(capsys.readouterr().out) == value
