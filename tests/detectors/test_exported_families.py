"""Every registered detector has a family for each of its subjects, with the unit and the interval its readings have."""

import made
import pytest

from monitor.detectors import DETECTORS
from monitor.detectors.protocol import applies
from monitor.export.readings import METRICS
from monitor.export.shown import SHOWN, suffixed
from monitor.facts import Histogram, Subject, Task

PAIRS = [
    (name, subject)
    for name, kind in DETECTORS.items()
    for subject in sorted(kind.subjects, key=lambda each: each.value)
]
every_pair = pytest.mark.parametrize(("name", "subject"), PAIRS)
ENDS = {"s": "_seconds", "rows": "_rows"}
DISTANCES = ("total_variation",)  # a share by nature, called by its name like the other distances


def readings(name, subject):
    """What it says of windows that have something to say, over all its tasks."""
    kind = DETECTORS[name]
    if not hasattr(kind, "read"):
        return [kind().step(view, view, 1.0, None)[0] for view in made.rows(Task.CLASSIFICATION).views[subject]]
    return [
        kind().read(expected, found)
        for task in kind.tasks
        for expected, found in zip(
            made.rows(task).views.get(subject, ()), made.rows(task, seed=9).views.get(subject, ()), strict=True
        )
        if not isinstance(found, Histogram) or not kind.kinds or applies(kind, found)
    ]


def test_every_registered_detector_has_a_family_for_each_subject_and_no_family_is_left_over():
    assert set(PAIRS) == set(SHOWN)


@every_pair
def test_there_is_an_interval_exactly_where_a_reading_has_one(name, subject):
    found = readings(name, subject)
    assert any(each.value is not None for each in found)
    assert SHOWN[name, subject].interval == any(each.low is not None for each in found)


@every_pair
def test_the_name_ends_in_the_unit_of_the_reading(name, subject):
    units = {each.unit for each in readings(name, subject)}
    exported = SHOWN[name, subject].name
    if units == {"share"} and name not in DISTANCES:
        assert exported.endswith("_ratio")
    else:
        assert exported.endswith(ENDS.get(units.pop(), ""))
        assert not exported.endswith("_ratio")


@every_pair
def test_limit_and_interval_are_in_the_table_with_the_labels_of_the_value(name, subject):
    shown = SHOWN[name, subject]
    parts = ("limit", "low", "high") if shown.interval else ("limit",)
    assert {METRICS[suffixed(shown.name, part)].labels for part in parts} == {METRICS[shown.name].labels}
    assert ("feature" in shown.labels) == (subject is Subject.FEATURES)
    assert "segment" in shown.labels


def test_no_two_share_a_name():
    assert len({shown.name for shown in SHOWN.values()}) == len(SHOWN)
