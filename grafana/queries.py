"""Pieces of PromQL that several panels need. They are text: a reader of the dashboard sees what is written here.

`$model`, `$instance`, `$segment` and `$reference` are the Model dashboard's variables. A model is shown as one daemon
sees it: with a sidecar to each replica, each has its own rows, readings and verdicts.
"""

from typing import Final

from grafana.words import BREACH, BROKEN, OK, UNKNOWN
from monitor.facts import Task

SCOPE: Final = 'instance="$instance", model="$model"'
READING: Final = f'{SCOPE}, segment=~"$segment", reference=~"$reference"'
DAEMON: Final = 'instance="$instance"'
FEATURE: Final = f'{READING}, feature="$feature"'

DISTANCES: Final = (
    "chi_square",
    "hellinger",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "psi",
    "total_variation",
    "wasserstein",
)
QUALITIES: Final = ("invalid", "missing", "non_finite", "out_of_range", "unseen")
SHARES: Final = {
    Task.CLASSIFICATION: (
        "accuracy",
        "average_precision",
        "balanced_accuracy",
        "calibration_error",
        "f1",
        "precision",
        "recall",
        "roc_auc",
    ),
    Task.RANKING: ("hit", "reciprocal_rank"),
}
OWN_UNITS: Final = {  # reading_value: of detectors that are not ours
    Task.CLASSIFICATION: ("brier_score", "log_loss", "mcc", "reading_value"),
    Task.REGRESSION: ("quantile_loss", "reading_value", "root_mean_squared_error"),
    Task.RANKING: ("reading_value",),
}
ESTIMATED: Final = ("average_precision", "f1", "precision", "recall", "roc_auc")  # shares, beside the accuracy
ESTIMATED_LOSSES: Final = ("brier_score", "log_loss")
FAIRNESS: Final = ("demographic_parity_difference", "disparate_impact", "equal_opportunity_difference")


def any_of(prefix: str, words: tuple[str, ...], suffix: str, labels: str) -> str:
    """One selector for several families: {__name__=~"tocsin_feature_(missing|unseen)_ratio", ...}."""
    return f'{{__name__=~"{prefix}({"|".join(words)}){suffix}", {labels}}}'


def limits(expr: str) -> str:
    """One line for each rule: its limit is the same whichever profile it reads against."""
    return f"max by (rule) ({expr})"


def rule_verdicts(labels: str) -> str:
    """The verdict of each rule as a number of `words`: of its readings breach, else broken, else ok, else unknown."""
    by = "sum by (job, instance, model, rule)"
    parts = [
        f'({by} (tocsin_readings{{{labels}verdict="{word}"}}) > 0) * 0 + {number}'
        for word, number in (("breach", BREACH), ("broken", BROKEN), ("ok", OK), ("unknown", UNKNOWN))
    ]
    return "(" + " or ".join(parts) + ")"


def worst_verdict(family: str = ".+") -> str:
    """The worst verdict of a family's rules, per model and daemon. Readings that are only shown do not count."""
    rules = f'tocsin_rule_info{{family=~"{family}", severity!="none"}}'
    return f"max by (instance, model) ({rule_verdicts('')} * on (job, instance, model, rule) group_left () {rules})"


def age(metric: str, labels: str = "") -> str:
    """Event time since a moment: seconds by the daemon's own clock, so that a replay tells it right too."""
    clock = "tocsin_clock_timestamp_seconds"
    return f"max by (instance, model) ({clock} - on (job, instance) group_right () {metric}{{{labels}}})"


def live_share(drawn: str, by: str, labels: str = SCOPE) -> str:
    """Share of the rows that came, by bin of the reference profile in force. Without rows there is no share."""
    rows = (
        f"(rate(tocsin_{drawn}_bin_rows_total{{{labels}}}[$__rate_interval]) "
        f"and on (profile) tocsin_reference_{drawn}_rows{{{labels}}})"
    )
    return f"sum by ({by}) {rows} / on () group_left () (sum {rows} > 0)"


def reference_share(drawn: str, by: str, labels: str = SCOPE) -> str:
    """Share of the reference's rows, by bin."""
    return f"max by ({by}) (tocsin_reference_{drawn}_bin_ratio{{{labels}}})"


def status(labels: str = "") -> str:
    """What the release index says of what is served, in the label `status`; `unsteady` while bundles take turns."""
    unsteady = f'label_replace(tocsin_serving_unsteady{{{labels}}} == 1, "status", "unsteady", "", "")'
    return (
        f"max by (instance, model, status) ({unsteady} or on (instance, model) tocsin_serving_status{{{labels}}} == 1)"
    )


def ever(selector: str) -> str:
    """The series that were above 0 at some time of the range: of classes and mistakes those that there are."""
    return f"{selector} and max_over_time({selector}[$__range] @ end()) > 0"


def over_limit(labels: str = READING, at: str = "") -> str:
    """Value over limit of each reading of a feature; without rules whose limit is 0. `at`: a modifier."""
    pairs = ((DISTANCES, "", "_limit"), (QUALITIES, "_ratio", "_limit_ratio"))
    parts = [
        f"{any_of('tocsin_feature_', words, value, labels)}{at} "
        f"/ ({any_of('tocsin_feature_', words, limit, labels)}{at} > 0)"
        for words, value, limit in pairs
    ]
    return f"({' or '.join(parts)})"
