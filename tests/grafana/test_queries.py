"""Every query of every panel, variable and annotation is asked of a real Prometheus, and must have data to show.

The daemon is real and lived through a rollback while Prometheus scraped it (conftest).
"""

import pytest
from boards import BOARDS

from grafana.ask import Look, panels

pytestmark = pytest.mark.real

QUIET = {
    ("fleet", "Models", "Q"): "no rule of ours is of the family identity",
    (
        "model-classification",
        "Answers and truths",
        "A",
    ): "the loop's labels come one window late, and this is of the newest",
    **{("safety", "Copy at hand", ref): "a replay copies nothing ahead" for ref in "ABC"},
    ("safety", "Verified at the start", "A"): "the loop's audit log is new: there was nothing to verify",
    ("model-classification", "Came to nothing", "A"): "the evidence worker did what it was asked",
}
"""Queries that this world gives nothing to show, and why. A query that has data does not belong here: see below."""

QUIET_EVENTS = {"Rollback refused or failed"}


def asked(looks):
    """(dashboard, title, ref id, series it was answered)."""
    for name, look in looks.items():
        for panel in panels(look.document):
            for target in panel["targets"]:
                yield name, panel["title"], target["refId"], look.answer(target)


def test_every_query_of_every_panel_has_data(looks):
    assert {(name, title, ref) for name, title, ref, series in asked(looks) if not series} == set(QUIET)


def test_every_variable_has_a_choice(looks):
    for name, look in looks.items():
        empty = [variable for variable, value in look.values.items() if variable != "datasource" and not value]
        assert not empty, name


def test_the_segment_that_is_chosen_first_is_the_whole_model(looks):
    assert looks["model-classification"].values["segment"] == "^$"


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
    look = Look(BOARDS["model-classification"], *watched, {"model": "nobody", "instance": "m-0"})
    served = next(panel for panel in panels(look.document) if panel["title"] == "Served")
    assert look.answer(served["targets"][0]) == []


def test_an_unknown_macro_is_refused(looks):
    with pytest.raises(AssertionError, match=r"\$nobody"):
        looks["model-classification"].fill('up{x="$nobody"}')
