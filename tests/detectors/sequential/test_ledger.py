"""Weights are shares of one budget, whatever is watched."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ticks import Watched, bands, share

from monitor.detectors.sequential import Ledger, Plan
from monitor.detectors.sequential.ledger import FUNDS
from monitor.detectors.sequential.plan import TABLES_MAX
from monitor.facts import Family

FAMILIES = st.sampled_from(Family)
SIGNALS = st.lists(st.tuples(FAMILIES, st.integers(0, 3), st.booleans(), st.booleans()), max_size=30)


def watch(signals: list, scores: int = 0) -> Watched:
    made = tuple(
        share(f"{family.value}/{index}", rises=rises, falls=falls, family=family)
        for family, index, rises, falls in signals
    )
    groups = tuple(dict.fromkeys(signal.group for signal in made))[:scores]
    return Watched(made, groups, groups)


@given(SIGNALS, st.integers(0, 5), st.sampled_from([1.0, 0.25]))
def test_weights_never_exceed_the_share_of_the_budget(signals: list, scores: int, part: float) -> None:
    plan = Plan.of(watch(signals, scores), Ledger(), part)
    assert (plan.weight >= 0).all()
    assert (plan.weight.astype(float).sum(axis=1) <= part * (1 + 1e-6)).all()
    assert plan.group_weight.sum() <= part * (1 + 1e-12)


def test_each_family_spends_its_own_share_and_no_other_gets_what_is_left() -> None:
    plan = Plan.of(
        watch([(Family.FEATURES, 0, True, True), (Family.FEATURES, 1, True, True), (Family.LABELS, 0, True, False)]),
        Ledger(),
    )
    assert dict(zip(plan.groups, plan.group_weight, strict=True)) == {
        "features/0": 0.1,
        "features/1": 0.1,
        "labels/0": 0.3,
    }


def test_half_of_a_scored_columns_weight_is_its_scores() -> None:
    plan = Plan.of(watch([(Family.FEATURES, 0, True, True)] * 9, 1), Ledger())
    assert plan.weight[0, 18:].astype(float).sum() == pytest.approx(0.1)
    assert plan.weight[0].astype(float).sum() == pytest.approx(0.2)


EVERY = [Family.LABELS, Family.PAIRED, Family.OUTPUT, Family.QUALITY, Family.FEATURES]


def test_warnings_and_pages_weigh_alike_and_rollbacks_only_what_may_support_one() -> None:
    plan = Plan.of(watch([(family, 0, True, False) for family in EVERY]), Ledger())
    warn, page, rollback = plan.weight.astype(float)
    assert warn == pytest.approx([0.15, 0.15, 0.15, 0.15, 0.2])
    assert page.tolist() == warn.tolist()
    assert rollback == pytest.approx([0.25, 0.5, 0.25, 0.0, 0.0])


@pytest.mark.parametrize(("left", "weights"), [((0, 2), [2 / 3, 1 / 3]), ((1,), [1.0]), ((4,), [0.0])])
def test_the_tier_rollback_is_spent_on_what_is_watched(left: tuple[int, ...], weights: list[float]) -> None:
    plan = Plan.of(watch([(EVERY[index], 0, True, False) for index in left]), Ledger())
    assert plan.weight[2] == pytest.approx(weights)


def test_errors_of_segments_share_the_tier_rollback_with_the_whole() -> None:
    watched = watch([(Family.LABELS, 0, True, False), (Family.LABELS, 1, True, False), (Family.PAIRED, 0, True, False)])
    plan = Plan.of(watched, Ledger(), 0.9, {"labels/1": 0.1})
    assert plan.weight[2].astype(float).sum() == pytest.approx(1.0)
    assert plan.weight[2] == pytest.approx([0.5 * 0.135 / 0.235, 0.5 * 0.1 / 0.235, 0.5])


def test_every_family_has_a_fund() -> None:
    assert set(FUNDS) == set(Family)


@pytest.mark.parametrize(
    "wrong",
    [{"labels": 0.5}, {"output": -0.1}, {"features": float("nan")}, {"warn": 0.0}, {"warn": 90_000.0}, {"hold": -1.0}],
)
def test_a_ledger_that_promises_too_much_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"share|minutes"):
        Ledger(**wrong)


@pytest.mark.parametrize("part", [0.0, 1.1, float("nan")])
def test_a_segments_share_lies_in_0_to_1(part: float) -> None:
    with pytest.raises(ValueError, match="share of the budget"):
        Plan.of(watch([]), Ledger(), part)


def test_a_group_of_two_families_is_refused() -> None:
    signals = (share("a/a"), share("a/a", family=Family.LABELS))
    with pytest.raises(ValueError, match="is of family"):
        Plan.of(Watched(signals), Ledger())


def test_a_score_of_no_group_is_refused() -> None:
    with pytest.raises(ValueError, match="has no signal"):
        Plan.of(Watched((share("features/a"),), ("x",), ("features/x",)), Ledger())


def test_plans_are_named_for_all_that_a_state_depends_on() -> None:
    one = watch([(Family.FEATURES, 0, True, True)])
    names = {Plan.of(one, Ledger()).name, Plan.of(one, Ledger(page=50_000.0)).name, Plan.of(one, Ledger(), 0.5).name}
    assert len(names) == 3
    assert Plan.of(one, Ledger()).name in names


def test_the_table_of_an_hour_is_made_once_and_few_are_kept() -> None:
    plan = Plan.of(watch([(Family.FEATURES, 0, True, True)]), Ledger())
    hours = [bands(0.1, 0.2 + hour / 100) for hour in range(TABLES_MAX + 3)]
    first = plan.table(hours[0])
    assert plan.table(hours[0]) is first
    tables = [plan.table(hour) for hour in hours]
    assert len({id(table) for table in tables}) == len(hours)
    assert plan.table(hours[0]) is not first
    assert np.array_equal(plan.table(hours[0]).cost, first.cost)
