"""What is held in memory of a model: whom it trusts, whose schema rows are read by, counts that only grow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from world import bundle, reference, timeline, watched

from monitor.facts import BundleStatus, Feature, FeatureKind, RollbackStep
from monitor.panes.layout import Layout
from monitor.settings import LabelFeed
from monitor.turns.watched import Reached, Totals

V1 = Layout.of(reference())


def trusting(*sources):
    found = watched((bundle("v1", V1),), (V1,), ())
    found.settings = found.settings.model_copy(update={"labels": LabelFeed(trusted_sources=sources)})
    return found.trusts


@pytest.mark.parametrize(
    ("source", "trusted"),
    [("ops", True), ("ops/1", False), ("op", False), ("OPS", False), ("crowd/7", True), ("crowd", False), ("", False)],
)
def test_a_source_is_trusted_by_its_whole_name_or_below_a_prefix(source, trusted):
    assert trusting("ops", "crowd/*")(source) is trusted


@given(st.text(max_size=20))
def test_nobody_is_trusted_where_nobody_is_named(source):
    assert not trusting()(source)


def test_a_star_inside_a_name_is_no_prefix():
    assert not trusting("ops")("ops*")


def test_the_known_good_is_the_one_registered_last():
    bundles = (bundle("v1", V1), bundle("v2", V1, BundleStatus.KNOWN_GOOD, 2.0))
    assert watched(bundles, (V1,), ()).good.id == "v2"
    assert watched(bundles[:1], (V1,), ()).good.id == "v1"


def test_rows_are_read_by_the_known_goods_schema_and_what_the_served_bundle_knows_beside_it():
    schema = V1.reference.schema
    wider = replace(schema, features=(*schema.features, Feature("new", FeatureKind.NUMERIC)))
    found = watched((bundle("v1", V1),), (V1,), ())
    assert found.schema is schema
    v2 = Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
    v2_wider = replace_schema(v2, wider)
    bundles = (bundle("v1", V1), bundle("v2", v2, BundleStatus.CANDIDATE, 2.0))
    found = watched(bundles, (V1, v2_wider), timeline(bundles, (0.0, "v2")))
    found.layouts[v2.digest] = v2_wider
    assert [feature.name for feature in found.schema.features] == ["x", "c", "new"]


def replace_schema(layout, schema):
    """A stand-in with the same digest and another schema: only the schema is looked at."""

    class Other:
        digest = layout.digest
        reference = replace(layout.reference, schema=schema)

    return Other()


@given(st.lists(st.sampled_from(RollbackStep), max_size=20))
def test_steps_are_counted_and_never_taken_back(steps):
    counts = Reached()
    for step in steps:
        counts = counts.plus(step)
    assert counts.steps == {step.value: steps.count(step) for step in steps}


def test_totals_add_by_name():
    totals = Totals(predictions=1).plus(predictions=2, labels=3).at(5.0, 6.0)
    assert (totals.predictions, totals.labels, totals.last_prediction, totals.last_label) == (3, 3, 5.0, 6.0)
