import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from monitor.demo.summary import Accuracy, Check, Chronicle, Moment, accuracy, document, render, since

HOUR = 3_600.0


@pytest.fixture
def chronicle():
    chronicle = Chronicle(rows_per_s=431.0)
    chronicle.moments["deployed"] = Moment(event=0.0, wall=100.0, rows=28_000)
    chronicle.moments["detected"] = Moment(event=42 * HOUR, wall=108.5, rows=29_900)
    chronicle.moments["notified"] = Moment(event=42 * HOUR, wall=108.75, rows=29_900)
    chronicle.checks.append(Check("the rollback was committed", held=True, found="r-1"))
    chronicle.accuracies.append(Accuracy("during", "v2", 1_900, 0.561, 0.742))
    return chronicle


def test_a_span_is_told_in_event_time_windows_rows_and_wall_time(chronicle):
    assert since(chronicle, "detected", "deployed") == {
        "event_s": 42 * HOUR,
        "windows": 1.75,
        "rows": 1_900,
        "wall_s": 8.5,
    }


def test_the_loop_is_closed_only_if_every_check_held(chronicle):
    assert chronicle.closed
    chronicle.checks.append(Check("the page arrived", held=False))
    assert not chronicle.closed


def test_a_story_without_checks_did_not_close_the_loop():
    assert not Chronicle().closed


def test_the_document_and_the_screen_tell_the_same_figures(chronicle):
    console = Console(file=io.StringIO(), width=140)
    console.print(render(chronicle))
    screen, told = console.file.getvalue(), document(chronicle)
    assert told["since_deployment"]["detected"]["rows"] == 1_900
    assert told["accuracy"][0] == {
        "phase": "during", "serving": "v2", "rows": 1_900, "accuracy": 0.561, "known_good_accuracy": 0.742,
    }  # fmt: skip
    assert told["reaction_s"] == {"alert fired to page received": 0.25}
    for figure in ("250 ms", "42.0 h", "1.75", "1,900", "8.50 s", ".561", ".742", "The loop closed."):
        assert figure in screen


def test_a_failed_check_is_seen_on_the_screen(chronicle):
    chronicle.checks.append(Check("the page arrived", held=False, found="nothing"))
    console = Console(file=io.StringIO(), width=140)
    console.print(render(chronicle))
    assert "The loop did not close." in console.file.getvalue()
    assert "NO" in console.file.getvalue()


def gateway(predicted, late, known_good):
    flights = SimpleNamespace(
        departing=lambda start, end: np.arange(int(start), int(end)), late=np.array(late, np.int8)
    )
    return SimpleNamespace(
        flights=flights,
        predicted=np.array(predicted, np.int8),
        known_good=lambda rows: np.array(known_good, np.int8)[rows],
    )


def test_accuracy_counts_only_flights_that_were_predicted_and_have_a_truth():
    # right, wrong, never arrived, never asked, right
    counted = accuracy(gateway([0, 1, 1, -1, 1], [0, 0, -1, 1, 1], [0, 0, 0, 0, 0]), "during", "v2", 0, 5)
    assert (counted.rows, counted.share, counted.known_good_share) == (3, pytest.approx(2 / 3), pytest.approx(2 / 3))


def test_a_stretch_without_any_truth_has_no_accuracy():
    with pytest.raises(ValueError, match="during"):
        accuracy(gateway([0, 0], [-1, -1], [0, 0]), "during", "v2", 0, 2)
