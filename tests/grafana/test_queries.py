"""Every query of every panel, variable and annotation is asked of a real Prometheus, and must have data to show.

The daemon is real and lived through a rollback while Prometheus scraped it (conftest).
"""

import pytest
from boards import BOARDS, named

from grafana.ask import Look, panels
from monitor.detectors import DETECTORS
from monitor.export.shown import SHOWN
from monitor.facts import Task

pytestmark = pytest.mark.real

QUIET = {
    ("fleet", "Models", "P"): "no rule of ours is of the family identity",
    ("model", "Answers and truths", "A"): "the loop's labels come one window late, and this is of the newest",
    ("model", "Came to nothing", "A"): "the evidence worker did what it was asked",
}
"""Queries that this world gives nothing to show, and why. A query that has data does not belong here: see below."""

OTHER_TASKS = {
    metric.name
    for (detector, _), shown in SHOWN.items()
    if Task.CLASSIFICATION not in DETECTORS[detector].tasks
    for metric in shown.metrics()
}
"""Metrics that no classifier has: the loop's model is one."""

QUIET_EVENTS = {"Rollback refused or failed"}


def asked(looks):
    """(dashboard, title, ref id, query, series it was answered)."""
    for name, board in BOARDS.items():
        for panel in panels(board):
            for target in panel["targets"]:
                yield name, panel["title"], target["refId"], target["expr"], looks[name].answer(target)


def test_every_query_of_every_panel_has_data(looks):
    empty = {(name, title, ref): expr for name, title, ref, expr, series in asked(looks) if not series}
    assert not {key for key, expr in empty.items() if key not in QUIET and not named(expr) <= OTHER_TASKS}
    assert set(QUIET) <= set(empty), "these are not quiet any more"


def test_every_variable_has_a_choice(looks):
    for name, look in looks.items():
        empty = [variable for variable, value in look.values.items() if variable != "datasource" and not value]
        assert not empty, name


def test_the_segment_that_is_chosen_first_is_the_whole_model(looks):
    assert looks["model"].values["segment"] == "^$"


def test_every_annotation_marks_what_happened(looks):
    for look in looks.values():
        for each in look.document["annotations"]["list"]:
            marked = look.prometheus.over(look.fill(each["expr"]), look.span)
            assert bool(marked) is (each["name"] not in QUIET_EVENTS), each["name"]


def test_the_fleet_says_breach_while_the_bad_model_serves(looks):
    [panel] = [panel for panel in panels(BOARDS["fleet"]) if panel["title"] == "Worst verdict of each model"]
    [series] = looks["fleet"].answer(panel["targets"][0])
    assert "4" in {value for _, value in series["values"]}


def test_a_query_for_a_model_that_is_not_there_answers_nothing(watched):
    look = Look(BOARDS["model"], *watched, {"model": "nobody", "instance": "m-0"})
    served = next(panel for panel in panels(look.document) if panel["title"] == "Served")
    assert look.answer(served["targets"][0]) == []


def test_an_unknown_macro_is_refused(looks):
    with pytest.raises(AssertionError, match=r"\$nobody"):
        looks["model"].fill('up{x="$nobody"}')
