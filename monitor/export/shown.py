"""Which families a detector's readings have: one detector on one subject is one name, with one unit and one meaning.

The table is keyed by detector and subject, so that `psi` of a feature, of the output and of the score are three names.
A share ends in `_ratio`; what is in the target's unit, in nats or in standard deviations ends in none, because none of
them is a base unit of Prometheus. Beside the value stand its limit and, of detectors that give one, its 95 % interval;
a detector that comes from elsewhere shares one family (`tocsin_reading_value`), as nobody here knows its unit.

A file of its own for the pairs: a test holds it to the registry, to the units readings bear and to their intervals.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.export.metrics import Kind, Metric
from monitor.facts import Subject

RULE_LABELS: Final = ("model", "rule", "segment", "reference")
FEATURE_LABELS: Final = (*RULE_LABELS, "feature")
UNITS: Final = ("_ratio", "_seconds", "_rows")


@dataclass(frozen=True, slots=True)
class Shown:
    """The families of one detector on one subject."""

    name: str
    help: str
    labels: tuple[str, ...] = RULE_LABELS
    interval: bool = False

    def metrics(self) -> Iterator[Metric]:
        """The value, its limit and, where there is one, its interval."""
        yield Metric(self.name, Kind.GAUGE, self.help, self.labels)
        yield Metric(suffixed(self.name, "limit"), Kind.GAUGE, f"Limit of {self.name}.", self.labels)
        if self.interval:
            yield Metric(suffixed(self.name, "low"), Kind.GAUGE, f"Lower 95 % bound of {self.name}.", self.labels)
            yield Metric(suffixed(self.name, "high"), Kind.GAUGE, f"Upper 95 % bound of {self.name}.", self.labels)


def suffixed(name: str, what: str) -> str:
    """Put `what` before the unit: tocsin_error_ratio, low -> tocsin_error_low_ratio.

    >>> suffixed("tocsin_error_ratio", "low"), suffixed("tocsin_output_psi", "limit")
    ('tocsin_error_low_ratio', 'tocsin_output_psi_limit')
    """
    for unit in UNITS:
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_{what}{unit}"
    return f"{name}_{what}"


_COLUMNS: Final = {Subject.FEATURES: "feature", Subject.OUTPUT: "output", Subject.SCORE: "score"}
_DISTANCES: Final = {
    "chi_square": "Pearson's chi-square statistic, which grows with the rows,",
    "hellinger": "Hellinger distance, 0..1,",
    "jensen_shannon": "Jensen-Shannon distance, 0..1,",
    "kolmogorov_smirnov": "Kolmogorov-Smirnov statistic, 0..1,",
    "psi": "Population stability index",
    "total_variation": "Total variation distance, the share of rows that would have to change their bin,",
    "wasserstein": "Wasserstein-1 distance in standard deviations of the reference",
}
_FEATURE_SHARES: Final = {
    "invalid": "Rows with a value of the wrong type.",
    "missing": "Rows without a value.",
    "non_finite": "Rows with NaN or infinity.",
    "out_of_range": "Values outside the reference's range.",
    "unseen": "Values that are categories the reference never held.",
}


def _distance(detector: str, subject: Subject) -> Shown:
    column = _COLUMNS[subject]
    text = f"{_DISTANCES[detector]} between the {column}'s window and the reference."
    return Shown(f"tocsin_{column}_{detector}", text, FEATURE_LABELS if subject is Subject.FEATURES else RULE_LABELS)


def _of(subject: Subject, name: str, text: str, *, interval: bool = True) -> Shown:
    return Shown(f"tocsin_{name}", text, FEATURE_LABELS if subject is Subject.FEATURES else RULE_LABELS, interval)


_OUTCOMES: Final = {  # of a class, or averaged over classes, as the rule says
    "accuracy": _of(Subject.OUTCOMES, "accuracy_ratio", "Labelled rows that were right."),
    "average_precision": _of(Subject.OUTCOMES, "average_precision_ratio", "Area under the precision-recall curve."),
    "balanced_accuracy": _of(Subject.OUTCOMES, "balanced_accuracy_ratio", "Mean over classes of the recall."),
    "bias": _of(Subject.OUTCOMES, "bias", "Mean of prediction minus label, in the target's unit."),
    "brier": _of(Subject.OUTCOMES, "brier_score", "Mean squared error of the score."),
    "calibration_error": _of(
        Subject.OUTCOMES,
        "calibration_error_ratio",
        "How far stated probabilities are from what came true, on average.",
        interval=False,
    ),
    "error": _of(Subject.OUTCOMES, "error_ratio", "Labelled rows that were wrong."),
    "f1": _of(Subject.OUTCOMES, "f1_ratio", "Harmonic mean of precision and recall."),
    "hit_rate": _of(Subject.OUTCOMES, "hit_ratio", "Labelled lists with a relevant item among the first k."),
    "label_coverage": _of(Subject.OUTCOMES, "label_coverage_ratio", "Rows with a trusted label."),
    "label_lag": _of(Subject.OUTCOMES, "label_lag_seconds", "Median time from prediction to label.", interval=False),
    "log_loss": _of(
        Subject.OUTCOMES,
        "log_loss",
        "Minus the mean logarithm of the probability of what came true, in nats.",
        interval=False,
    ),
    "mcc": _of(Subject.OUTCOMES, "mcc", "Matthews' correlation of predicted and true classes, -1..1."),
    "mean_absolute_error": _of(
        Subject.OUTCOMES, "mean_absolute_error", "Mean distance of prediction and label, in the target's unit."
    ),
    "ndcg": _of(Subject.OUTCOMES, "ndcg_ratio", "Mean NDCG at 10 of the labelled lists."),
    "precision": _of(Subject.OUTCOMES, "precision_ratio", "Rows answered with a class that were of it."),
    "quantile_loss": _of(Subject.OUTCOMES, "quantile_loss", "Mean pinball loss, in the target's unit."),
    "r_squared": _of(
        Subject.OUTCOMES, "r_squared", "Variance of the labels that predictions explain, at most 1.", interval=False
    ),
    "recall": _of(Subject.OUTCOMES, "recall_ratio", "Rows of a class that were answered with it."),
    "reciprocal_rank": _of(Subject.OUTCOMES, "reciprocal_rank_ratio", "Mean of 1 / place of the first relevant item."),
    "roc_auc": _of(Subject.OUTCOMES, "roc_auc_ratio", "Area under the ROC curve; 0.5 is chance."),
    "root_mean_squared_error": _of(
        Subject.OUTCOMES, "root_mean_squared_error", "Root of the mean of (prediction - label)^2, in the target's unit."
    ),
}
_WARNED: Final = "Estimated before labels come; sees no concept drift and no backdoor. "
_EXPECTED: Final = {  # beside the measured one of the same name
    f"estimated_{name}": Shown(
        _OUTCOMES[name].name.replace("tocsin_", "tocsin_estimated_", 1),
        _WARNED + _OUTCOMES[name].help,
        RULE_LABELS,
        interval=True,
    )
    for name in (
        *("accuracy", "average_precision", "brier", "f1", "log_loss", "mean_absolute_error", "precision", "recall"),
        *("roc_auc", "root_mean_squared_error"),
    )
}
_GROUPS: Final = {
    "demographic_parity": _of(
        Subject.GROUPS,
        "demographic_parity_difference_ratio",
        "How far apart segments are in their share of positive answers.",
    ),
    "disparate_impact": _of(
        Subject.GROUPS,
        "disparate_impact_ratio",
        "Smallest share of positive answers of a segment over the largest; 1 is equal.",
    ),
    "equal_opportunity": _of(
        Subject.GROUPS,
        "equal_opportunity_difference_ratio",
        "How far apart segments are in their share of positive answers among those labelled positive.",
    ),
}
_PAIRS: Final = {
    "paired_absolute_error": _of(
        Subject.PAIRS,
        "paired_absolute_error_difference",
        "Mean absolute error of what is served minus that of the known-good, on the same rows, in the target's unit.",
    ),
    "paired_disagreement": _of(Subject.PAIRS, "paired_disagreement_ratio", "Rows the known-good answered otherwise."),
    "paired_error": _of(
        Subject.PAIRS,
        "paired_error_difference_ratio",
        "Error of what is served minus error of the known-good, on the same rows.",
    ),
}

SHOWN: Final[Mapping[tuple[str, Subject], Shown]] = {
    **{(name, subject): _distance(name, subject) for name in _DISTANCES for subject in _COLUMNS},
    **{
        (f"{word}_share", Subject.FEATURES): _of(Subject.FEATURES, f"feature_{word}_ratio", text)
        for word, text in _FEATURE_SHARES.items()
    },
    ("class_share_shift", Subject.OUTPUT): _of(
        Subject.OUTPUT, "output_class_shift_ratio", "How far the share of an output class moved at most."
    ),
    **{(name, Subject.OUTCOMES): shown for name, shown in _OUTCOMES.items()},
    **{(name, Subject.EXPECTED): shown for name, shown in _EXPECTED.items()},
    **{(name, Subject.PAIRS): shown for name, shown in _PAIRS.items()},
    **{(name, Subject.GROUPS): shown for name, shown in _GROUPS.items()},
    ("volume", Subject.ARRIVALS): _of(Subject.ARRIVALS, "volume_rows", "Rows in the window.", interval=False),
    ("silence", Subject.ARRIVALS): _of(Subject.ARRIVALS, "silence_seconds", "Time without a row.", interval=False),
}

GENERIC: Final = Shown("tocsin_reading_value", "Reading of a detector that is not ours.", (*FEATURE_LABELS, "detector"))
