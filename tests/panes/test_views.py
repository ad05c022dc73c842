"""The views of a pane are the layout's, made once."""

import numpy as np
import pytest

from monitor.facts import Feature, FeatureKind, ModelName, Pane, Schema, Subject
from monitor.panes.layout import Layout
from monitor.panes.reference import FORMAT, NumericBins, Reference
from monitor.panes.views import Views

SCHEMA = Schema(ModelName("m"), (Feature("x", FeatureKind.NUMERIC),), ("no", "yes"), "yes")
OTHERS = [subject for subject in Subject if subject not in (Subject.FEATURES, Subject.GROUPS)]


@pytest.fixture
def layout():
    draft = Reference(FORMAT, SCHEMA, (NumericBins("x", (0.0, 1.0)),), 0, None, None, labelled=False, counts=())
    return Layout.draft(draft, "here")


@pytest.fixture
def pane(layout):
    return layout.pane(np.arange(layout.size, dtype=np.int64))


@pytest.mark.parametrize("subject", OTHERS)
def test_a_view_is_the_layouts_and_made_once(layout, pane, subject):
    views = Views(layout, pane)
    assert views.of(subject) == layout.view(pane, subject)
    assert views.of(subject) is views.of(subject)


def test_the_features_are_the_layouts_and_made_once(layout, pane):
    views = Views(layout, pane)
    assert views.features == layout.features(pane)
    assert views.features is views.features


def test_a_pane_of_other_bins_has_no_views(layout, pane):
    foreign = Views(layout, Pane("elsewhere", pane.counts))
    with pytest.raises(ValueError, match="elsewhere"):
        foreign.of(Subject.OUTPUT)
