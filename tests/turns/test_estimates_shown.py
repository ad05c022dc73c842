"""An estimate on its way from a window's counts to status and the metrics page: with its warning at both ends."""

import pytest
from world import LISTS, MODEL, NUMBERS, SCHEMA, answers, profile

from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.detectors.expected import WARNING
from monitor.export.readings import samples
from monitor.facts import Severity, Verdict
from monitor.panes.batch import encode_predictions
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.decode import decode_predictions
from monitor.panes.views import Views
from monitor.turns.reading import read_all
from monitor.turns.show import reading, reading_view, rule_view
from monitor.turns.watched import Shown

READ = {"estimated_accuracy": SCHEMA, "estimated_f1": SCHEMA, "estimated_mean_absolute_error": NUMBERS}


def rule(detector):
    written = {"name": "guess", "subject": "expected", "detector": detector, "window": "1d"}
    [found] = parse_pack({"version": 1, "readings": [written]}, DETECTORS).rules
    return found


def shown(detector, schema):
    """What a look keeps of a window of 400 rows without a label."""
    layout, rows = profile(schema), decode_predictions(encode_predictions(answers(schema, 400, seed=3), schema))
    reference, live = (
        Views(layout, pane) for pane in (layout.reference_pane(), count_rows(layout, bin_rows(layout, rows)))
    )
    return Shown("guess", "", "", 0.0, 86_400.0, read_all(rule(detector), reference, live)[""])


@pytest.mark.parametrize(("detector", "schema"), READ.items(), ids=list(READ))
def test_status_has_it_with_its_interval_and_the_warning(detector, schema):
    said = reading(shown(detector, schema))
    assert (said["n"], said["why"]) == (400, WARNING)
    assert said["low"] < said["value"] < said["high"]


@pytest.mark.parametrize(("detector", "schema"), READ.items(), ids=list(READ))
def test_the_metrics_page_has_it_beside_the_measured_one(detector, schema):
    lines = samples(MODEL, reading_view(shown(detector, schema), rule_view(rule(detector))))
    names = {line.metric for line in lines} - {"tocsin_reading_rows", "tocsin_reading_verdict"}
    assert len(names) == 4  # value, limit, low, high
    assert all(name.startswith(f"tocsin_{detector}") for name in names)


def test_no_look_at_an_estimate_makes_an_alert():
    assert all(rule(name).severity is Severity.NONE for name in READ)


def test_a_known_good_of_another_task_leaves_it_broken_or_unknown_and_the_look_goes_on():
    assert shown("estimated_accuracy", NUMBERS).reading.verdict is Verdict.BROKEN
    assert shown("estimated_accuracy", LISTS).reading.verdict is Verdict.BROKEN
    assert shown("estimated_mean_absolute_error", LISTS).reading.verdict is Verdict.UNKNOWN
