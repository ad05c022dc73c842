"""Metrics of evidence that look at all columns at once, as the settings name them."""

import pytest
from pydantic import ValidationError

from monitor.evidence.jobs import Ask
from monitor.settings import ModelEvidence

ROWS = {"reference_sample": "sample.parquet"}


@pytest.mark.parametrize("entry", [{}, None])
def test_an_entry_named_after_a_metric_of_ours_need_not_say_which_it_is(entry) -> None:
    made = ModelEvidence(**ROWS, metrics={"domain_classifier": entry})
    assert made.asks == (Ask("domain_classifier", "domain_classifier"),)


def test_a_name_of_the_operators_says_which_metric_and_which_columns() -> None:
    made = ModelEvidence(**ROWS, metrics={"near": {"metric": "multivariate_mmd", "columns": ["x", "y"]}})
    assert made.asks == (Ask("near", "multivariate_mmd", {"columns": ["x", "y"]}),)


def test_an_entry_may_be_named_after_one_of_ours_and_be_another() -> None:
    made = ModelEvidence(metrics={"domain_classifier": {"metric": "RowCount"}})
    assert made.asks == (Ask("domain_classifier", "RowCount"),)


@pytest.mark.parametrize("entry", [{}, None, 3, []])
def test_any_other_entry_must_say_its_metric(entry) -> None:
    with pytest.raises(ValidationError):
        ModelEvidence(**ROWS, metrics={"rows": entry})


def test_rows_of_the_history_are_asked_for_before_the_start_and_not_every_hour() -> None:
    with pytest.raises(ValidationError, match=r"domain_classifier, near: .*reference_sample"):
        ModelEvidence(metrics={"near": {"metric": "multivariate_mmd"}, "domain_classifier": {}})


@pytest.mark.parametrize("metrics", [[], "domain_classifier", None])
def test_metrics_that_are_no_mapping_are_refused_as_before(metrics) -> None:
    with pytest.raises(ValidationError):
        ModelEvidence(**ROWS, metrics=metrics)
