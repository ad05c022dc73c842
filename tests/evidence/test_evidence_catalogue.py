"""The table of metrics against the Evidently that is installed, and what settings may ask for."""

import json
import subprocess
import sys

import pytest
from evidenceworld import ask

from monitor.evidence.catalogue import METHODS, METRICS, NOT_OFFERED, OWN, PARAMETERS, REFUSED, columns_of, problems
from monitor.evidence.office import environment

INSTALLED = """
import json, sys
import evidently.metrics as metrics
from evidently.legacy.calculations.stattests import registry
table = {}
for name in metrics.__all__:
    fields = getattr(metrics, name).__fields__
    table[name] = {field: fields[field].required for field in fields if field != "type"}
json.dump([table, sorted(registry._registered_stat_tests)], sys.stdout)
"""


@pytest.fixture(scope="module")
def installed() -> tuple[dict[str, dict[str, bool]], list[str]]:
    command = [sys.executable, "-P", "-W", "ignore", "-c", INSTALLED]
    table, methods = json.loads(subprocess.run(command, env=environment(), capture_output=True, check=True).stdout)
    return table, methods


def test_every_metric_is_offered_or_refused_with_a_reason(installed) -> None:
    assert {*METRICS, *REFUSED} == set(installed[0])
    assert not {*METRICS} & {*REFUSED}


def test_no_metric_of_ours_is_one_of_evidentlys(installed) -> None:
    assert not {*OWN} & {*installed[0]}
    assert all(list(problems(ask("a", name, columns=["x", "y"]))) == [] for name in OWN)


def test_every_parameter_is_offered_or_left_out(installed) -> None:
    for name, offer in METRICS.items():
        parameters = {each: required for each, required in installed[0][name].items() if each not in NOT_OFFERED}
        assert {each for each, required in parameters.items() if required} == set(offer.required), name
        assert {each for each, required in parameters.items() if not required} == set(offer.optional), name


def test_every_method_is_known(installed) -> None:
    assert sorted(METHODS) == installed[1]


def test_every_parameter_has_a_kind() -> None:
    used = {name for offer in METRICS.values() for name in (*offer.required, *offer.optional)}
    assert used == set(PARAMETERS)


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        (ask("a", "ValueDrift"), "column"),
        (ask("a", "ValueDrift", column=3), "column"),
        (ask("a", "ValueDrift", column="x", method="psy"), "method"),
        (ask("a", "ValueDrift", column="x", tests=[]), "tests"),
        (ask("a", "QuantileValue", column="x", quantile=True), "quantile"),
        (ask("a", "InListValueCount", column="x", values=[]), "values"),
        (ask("a", "valuedrift", column="x"), "metric"),
        (ask("a", "NDCG", k=3), "metric"),
        (ask("a", "domain_classifier", column="x"), "column"),
        (ask("a", "multivariate_mmd", columns="x"), "columns"),
    ],
)
def test_what_cannot_be_is_said_by_place(asked, place) -> None:
    assert [problem[0] for problem in problems(asked)] == [place]


def test_a_slip_of_the_finger_is_answered_with_what_was_meant() -> None:
    assert next(problems(ask("a", "ValueDrfit", column="x")))[2] == "did you mean `ValueDrift`?"


def test_a_slip_in_a_name_of_ours_is_answered_too() -> None:
    assert next(problems(ask("a", "domain_clasifier")))[2] == "did you mean `domain_classifier`?"


def test_columns_are_found_whatever_the_parameter_is_called() -> None:
    asked = ask("a", "DriftedColumnsCount", columns=["x", "y"])
    assert columns_of(asked) == ("x", "y")
    assert columns_of(ask("a", "ColumnCorrelations", column_name="z")) == ("z",)


def test_the_daemons_side_imports_no_pandas() -> None:
    names = ["archive", "catalogue", "frames", "history", "jobs", "office"]
    code = "import sys\n" + "\n".join(f"import monitor.evidence.{name}" for name in names)
    code += "\nprint({'pandas', 'evidently', 'sklearn', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
