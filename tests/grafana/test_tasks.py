"""A regression, a classification of four classes and a ranking, as examples/tasks/README.md says, for twelve days.

Its commands are typed as they stand into a shell; the dashboards of the three are then asked of the Prometheus that
saw it.
"""

import re

import pytest
from boards import BOARDS

from grafana.ask import Look, panels
from grafana.tasks import README, script
from monitor.facts import Task

pytestmark = [pytest.mark.real, pytest.mark.timeout(700)]  # what `played` waits for at most, and a minute

MODELS = {Task.REGRESSION: "minutes", Task.CLASSIFICATION: "band", Task.RANKING: "choice"}
NO_DETECTOR = "no detector that is not ours"
NOT_ASKED = "no known-good is asked beside this model"
EVERY = {  # what the loop's daemon shows of every model (test_queries)
    "Notices": "nobody is told in this example",
    "Rows taken and refused": "no row and no request is refused",
    "Came to nothing": "the evidence worker did what it was asked",
}
QUIET = {
    Task.REGRESSION: {},
    Task.CLASSIFICATION: {
        "Last rollback": "there was none",
        "Error against the known-good, on the same rows": NOT_ASKED,
        "Answers the known-good gave otherwise": NOT_ASKED,
        "Distance of score and output": "the pack reads no distance of scores",
        "Fairness over segments": "the pack compares no groups",
    },
    Task.RANKING: {"Last rollback": "there was none", "Hit rates and reciprocal rank": NO_DETECTOR},
}
"""Panels of which a query may be empty here, and why; every other query of every panel must have data."""


@pytest.fixture(scope="session")
def task_looks(played):
    """The dashboard of each task looked at, with the model of that task, and a feature that is a number."""
    _, prometheus, span = played
    return {task: Look(BOARDS[f"model-{task.value}"], prometheus, span, {"feature": "temp"}) for task in Task}


def empty(look):
    return {panel["title"] for panel in panels(look.document) if not all(map(look.answer, panel["targets"]))}


@pytest.mark.parametrize("task", Task)
def test_every_query_of_a_task_s_dashboard_has_data(task_looks, task):
    assert empty(task_looks[task]) <= {*EVERY, *QUIET[task]}
    assert empty(task_looks[task]) >= set(QUIET[task]), "these are not quiet any more"


@pytest.mark.parametrize("task", Task)
def test_a_dashboard_offers_the_models_of_its_task(task_looks, task):
    [variable] = [each for each in task_looks[task].document["templating"]["list"] if each["name"] == "model"]
    assert task_looks[task].options(variable) == [MODELS[task]]


@pytest.mark.parametrize("task", Task)
def test_a_feature_that_can_be_chosen_is_one_of_the_schema(task_looks, task):
    [variable] = [each for each in task_looks[task].document["templating"]["list"] if each["name"] == "feature"]
    features = task_looks[task].options(variable)
    assert {"temp", "distance", "origin"} <= set(features)
    assert "__other__" not in features


def line(look, title, ref="A"):
    """The points of the first series of a query."""
    [panel] = [panel for panel in panels(look.document) if panel["title"] == title]
    [query] = [target for target in panel["targets"] if target["refId"] == ref]
    return [float(value) for _, value in look.answer(query)[0]["values"]]


def test_the_absolute_error_is_in_minutes_and_falls_when_the_known_good_is_back(task_looks):
    error = line(task_looks[Task.REGRESSION], "Absolute error", "C")
    assert max(error) > 60  # half of the bad retrain's labels said two hours more
    assert error[0] < 30


def test_where_predicted_numbers_lie_is_drawn_in_minutes(task_looks):
    median = line(task_looks[Task.REGRESSION], "Predicted number, quantiles", "C")
    assert -20 < min(median) < max(median) < 120


def test_lists_served_the_wrong_way_round_are_seen(task_looks):
    ndcg = line(task_looks[Task.RANKING], "NDCG", "C")
    assert max(ndcg[:10]) > 0.55  # as in the reference, 0.63
    assert ndcg[-1] < 0.52


def test_the_fleet_compares_models_of_different_tasks_by_their_limit(played):
    _, prometheus, span = played
    [table] = [panel for panel in panels(BOARDS["fleet"]) if panel["title"] == "Models"]
    look = Look(BOARDS["fleet"], prometheus, span)
    answers = {target["refId"]: look.answer(target) for target in table["targets"]}
    tasks = {one["metric"]["model"]: one["metric"]["task"] for one in answers["A"]}
    assert tasks == {name: task.value for task, name in MODELS.items()}
    assert {one["metric"]["model"] for one in answers["G"]} == set(MODELS.values())


def test_the_page_was_typed_to_its_end_and_the_regression_rolled_back(played):
    page, _, _ = played
    assert "tocsin.yaml: ok" in page.said
    rollbacks = [line for line in page.said.splitlines() if line.startswith("minutes-") and "committed" in line]
    assert len(rollbacks) == 1, page.said[-4000:]
    assert "choice" in page.said.partition("worst reading")[2].partition("\n\n")[0]


def test_top_says_the_task_and_puts_rules_before_what_is_only_shown(played):
    page, _, _ = played
    readings = re.split(r"model +reading .*\n", page.said)[1].partition("\nid ")[0].splitlines()
    rules = [i for i, each in enumerate(readings) if re.search(" ndcg |_page |_warn ", each)]
    shown = [i for i, each in enumerate(readings) if re.search(" psi | chi_square ", each)]
    assert rules
    assert max(rules) < min(shown, default=len(readings))


def test_the_page_has_no_other_ports_than_those_that_are_replaced():
    typed = script(1, 2, 3)
    assert "8470" not in typed.replace("s/8470/", "")
    assert "8080" not in typed.replace("s/:8080/", "")
    assert README.read_text().count("```sh\n") == 6
