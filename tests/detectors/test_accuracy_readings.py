"""What labels say: the numbers are scikit-learn's on the same rows, and too few labels say nothing."""

import msgspec
import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, zero_one_loss

from monitor.detectors.brier import Brier
from monitor.detectors.error import Error
from monitor.detectors.label_coverage import LabelCoverage
from monitor.detectors.label_lag import LabelLag
from monitor.facts import FIXED_POINT, Outcomes, Subject, Verdict
from monitor.panes.layout import LAG_EDGES_S

NO_LAG = (0,) * (len(LAG_EDGES_S) + 1)


def outcomes(right=0, wrong=0, unlabelled=0, squared=0.0, lag=NO_LAG) -> Outcomes:
    labelled = right + wrong
    confusion = ((right, wrong, 0), (0, 0, 0), (0, 0, 0))
    return Outcomes(labelled + unlabelled, confusion, labelled, round(squared * FIXED_POINT), lag)


def test_error_agrees_with_scikit_learn_on_the_same_rows(world):
    views = [next(world.views(pane, Subject.OUTCOMES)) for pane in (world.layout.reference_pane(), world.pane())]
    assert Error().read(*views).value == pytest.approx(zero_one_loss(world.labels, world.outputs), abs=1e-12)


def test_brier_agrees_with_scikit_learn_on_the_same_rows(world):
    views = [next(world.views(pane, Subject.OUTCOMES)) for pane in (world.layout.reference_pane(), world.pane())]
    assert Brier().read(*views).value == pytest.approx(brier_score_loss(world.labels, world.scores), abs=1e-7)


def test_an_error_that_is_surely_five_points_higher_breaches():
    reading = Error(limit_over_reference=0.05).read(outcomes(8000, 2000), outcomes(690, 310))
    assert (reading.verdict, reading.n, reading.unit) == (Verdict.BREACH, 1000, "share")
    assert (reading.value, reading.limit) == pytest.approx((0.31, 0.25))
    assert 0.25 < reading.low < 0.31 < reading.high


def test_an_error_that_may_be_chance_does_not():
    assert Error(limit_over_reference=0.05).read(outcomes(8000, 2000), outcomes(148, 52)).verdict is Verdict.OK


def test_the_smaller_of_both_limits_counts():
    reference, live = outcomes(800, 200), outcomes(700, 300)
    assert Error(limit=0.22).read(reference, live).limit == 0.22
    assert Error(limit=0.9).read(reference, live).limit == pytest.approx(0.25)
    assert Brier(limit=0.9).read(reference, live).limit == pytest.approx(0.05)


@pytest.mark.parametrize("detector", [Error(), Brier()])
def test_without_labels_in_the_reference_only_an_absolute_limit_helps(detector):
    reference, live = outcomes(unlabelled=1000), outcomes(500, 500, squared=500)
    assert "the reference has fewer than" in detector.read(reference, live).why
    absolute = type(detector)(limit=0.4, limit_over_reference=None)
    assert absolute.read(reference, live).verdict is Verdict.BREACH


@pytest.mark.parametrize("detector", [Error(limit=0.1), Brier(limit=0.1)])
def test_below_the_floors_it_is_unknown(detector):
    reference = outcomes(900, 100)
    few, late = outcomes(wrong=199, squared=199), outcomes(wrong=899, squared=899, unlabelled=101)
    assert detector.read(reference, few).verdict is detector.read(reference, late).verdict is Verdict.UNKNOWN
    assert "fewer than 200 labelled rows" in detector.read(reference, few).why
    assert "899 of 1000 rows are labelled" in detector.read(reference, late).why


@pytest.mark.parametrize("detector", [Error(limit=0.1), Brier(limit=0.1)])
def test_at_the_floor_of_coverage_it_speaks(detector):
    assert detector.read(outcomes(900, 100), outcomes(wrong=900, squared=900, unlabelled=100)).verdict is Verdict.BREACH


@pytest.mark.parametrize("kind", [Error, Brier])
def test_a_limit_must_be_given(kind):
    with pytest.raises(ValueError, match="limit, limit_over_reference"):
        kind(limit=None, limit_over_reference=None)


def test_brier_counts_only_rows_with_a_score():
    live = msgspec.structs.replace(outcomes(1000, squared=75), scored=300)
    assert Brier().read(outcomes(1000), live).verdict is Verdict.UNKNOWN
    assert Brier(coverage_min=0.3).read(outcomes(1000), live).value == 0.25


def test_scores_that_became_worse_breach():
    reading = Brier(limit_over_reference=0.05).read(outcomes(5000, squared=500), outcomes(2000, squared=500))
    assert (reading.verdict, reading.value, reading.limit) == (Verdict.BREACH, 0.25, pytest.approx(0.15))


def test_error_is_wrong_about_once_in_forty_at_its_limit():
    wrong = np.random.default_rng(8).binomial(500, 0.25, 4000).tolist()
    readings = [Error().read(outcomes(80_000, 20_000), outcomes(500 - n, n)) for n in wrong]
    assert 0.01 < np.mean([reading.verdict is Verdict.BREACH for reading in readings]) < 0.035


def test_coverage_that_is_surely_below_the_limit_breaches():
    low, unsure = outcomes(800, unlabelled=200), outcomes(88, unlabelled=12)
    assert LabelCoverage(limit=0.9).read(outcomes(1), low).verdict is Verdict.BREACH
    assert LabelCoverage(limit=0.9).read(outcomes(1), unsure).verdict is Verdict.OK
    assert LabelCoverage(limit=0.9).read(outcomes(1), low).value == 0.8


def test_no_labels_at_all_are_no_coverage_and_not_unknown():
    assert LabelCoverage().read(outcomes(), outcomes(unlabelled=100)).value == 0.0
    assert LabelCoverage().read(outcomes(), outcomes(unlabelled=99)).verdict is Verdict.UNKNOWN


def test_more_labels_than_rows_are_full_coverage():
    live = msgspec.structs.replace(outcomes(500), rows=400)
    assert LabelCoverage().read(outcomes(), live).value == 1.0


def lags(**counts) -> Outcomes:
    """Labels by bin: lags(b5=100)."""
    return outcomes(lag=tuple(counts.get(f"b{i}", 0) for i in range(len(NO_LAG))))


def test_the_median_lag_is_the_upper_edge_of_its_bin():
    reading = LabelLag(limit_s=7200.0).read(lags(), lags(b2=90, b5=100))
    assert (reading.value, reading.verdict, reading.unit) == (7200.0, Verdict.OK, "s")
    assert LabelLag(limit_s=3600.0).read(lags(), lags(b2=90, b5=100)).verdict is Verdict.BREACH


def test_exactly_half_of_the_labels_below_an_edge_is_not_yet_more_than_half():
    assert LabelLag().read(lags(), lags(b0=100, b9=100)).value == LAG_EDGES_S[9]


def test_a_median_beyond_the_last_edge_breaches_every_limit():
    reading = LabelLag(limit_s=LAG_EDGES_S[-1]).read(lags(), lags(b15=100))
    assert (reading.value, reading.verdict) == (LAG_EDGES_S[-1], Verdict.BREACH)


def test_another_share_of_the_labels_is_another_quantile():
    found = lags(b2=90, b5=9, b9=1)
    assert [LabelLag(share=share).read(lags(), found).value for share in (0.5, 0.9, 0.95, 1.0)] == [
        LAG_EDGES_S[2],
        LAG_EDGES_S[5],
        LAG_EDGES_S[5],
        LAG_EDGES_S[9],
    ]


def test_a_lag_limit_must_be_an_edge():
    with pytest.raises(ValueError, match="one of 60, 300"):
        LabelLag(limit_s=5000.0)
