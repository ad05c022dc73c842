"""How a reading is shown: each known detector has its own family, with one unit and one meaning.

One family `tocsin_reading{detector=...}` for all would mix units, and a sum or a maximum over it would mean nothing;
it exists only for detectors that come from elsewhere (`tocsin_reading_value`). The table is keyed by detector and
subject, so that `psi` of a feature, of the output and of the score are three names.

A reading that is `unknown` or `broken` has no value sample. Its verdict is a sample of `tocsin_reading_verdict`, as
every reading's is: 1 for the present verdict, and no series for the others, as Prometheus does with `ALERTS`.
A value that is not finite is shown as `broken`: a detector never answers that.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from monitor.export.metrics import DAEMON, LIVE, MODEL, Kind, Metric
from monitor.export.snapshot import ReadingView
from monitor.facts import Reading, Subject, Verdict

RULE_LABELS = ("model", "rule", "segment", "reference")
FEATURE_LABELS = (*RULE_LABELS, "feature")


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
    for unit in ("_ratio", "_seconds", "_rows"):
        if name.endswith(unit):
            return f"{name.removesuffix(unit)}_{what}{unit}"
    return f"{name}_{what}"


DISTANCES = {
    "psi": "Population stability index",
    "jensen_shannon": "Jensen-Shannon distance, 0..1,",
    "kolmogorov_smirnov": "Kolmogorov-Smirnov statistic, 0..1,",
}
SUBJECTS = {Subject.FEATURES: "feature", Subject.OUTPUT: "output", Subject.SCORE: "score"}


def _labels(subject: Subject) -> tuple[str, ...]:
    return FEATURE_LABELS if subject is Subject.FEATURES else RULE_LABELS


def _distance(detector: str, subject: Subject) -> Shown:
    text = f"{DISTANCES[detector]} between the {SUBJECTS[subject]}'s window and the reference."
    return Shown(f"tocsin_{SUBJECTS[subject]}_{detector}", text, _labels(subject))


def _share(word: str, text: str) -> Shown:
    return Shown(f"tocsin_feature_{word}_ratio", text, FEATURE_LABELS)


SHOWN: dict[tuple[str, Subject], Shown] = {
    **{(name, subject): _distance(name, subject) for name in ("psi", "jensen_shannon") for subject in SUBJECTS},
    **{("kolmogorov_smirnov", at): _distance("kolmogorov_smirnov", at) for at in (Subject.FEATURES, Subject.SCORE)},
    ("missing_share", Subject.FEATURES): _share("missing", "Rows without a value."),
    ("unseen_share", Subject.FEATURES): _share("unseen", "Values that are categories the reference never held."),
    ("out_of_range_share", Subject.FEATURES): _share("out_of_range", "Values outside the reference's range."),
    ("invalid_share", Subject.FEATURES): _share("invalid", "Rows with a value of the wrong type."),
    ("non_finite_share", Subject.FEATURES): _share("non_finite", "Rows with NaN or infinity."),
    ("class_share_shift", Subject.OUTPUT): Shown(
        "tocsin_output_class_shift_ratio", "How far the share of an output class moved at most.", interval=True
    ),
    ("error", Subject.OUTCOMES): Shown("tocsin_error_ratio", "Labelled rows that were wrong.", interval=True),
    ("brier", Subject.OUTCOMES): Shown("tocsin_brier_score", "Mean squared error of the score.", interval=True),
    ("label_coverage", Subject.OUTCOMES): Shown(
        "tocsin_label_coverage_ratio", "Rows with a trusted label.", interval=True
    ),
    ("label_lag", Subject.OUTCOMES): Shown("tocsin_label_lag_seconds", "Median time from prediction to label."),
    ("paired_error", Subject.PAIRS): Shown(
        "tocsin_paired_error_difference_ratio",
        "Error of what is served minus error of the known-good, on the same rows.",
        interval=True,
    ),
    ("paired_disagreement", Subject.PAIRS): Shown(
        "tocsin_paired_disagreement_ratio", "Rows the known-good answered otherwise.", interval=True
    ),
    ("volume", Subject.ARRIVALS): Shown("tocsin_volume_rows", "Rows in the window."),
    ("silence", Subject.ARRIVALS): Shown("tocsin_silence_seconds", "Time without a row."),
}

GENERIC = Shown("tocsin_reading_value", "Reading of a detector that is not ours.", (*FEATURE_LABELS, "detector"))

EVERY = (  # of each reading, whatever its detector
    Metric("tocsin_reading_rows", Kind.GAUGE, "Rows a reading rests on.", FEATURE_LABELS),
    Metric("tocsin_reading_verdict", Kind.GAUGE, "1 for the verdict of a reading.", (*FEATURE_LABELS, "verdict")),
    Metric("tocsin_readings", Kind.GAUGE, "Readings of a rule by verdict.", (*RULE_LABELS, "verdict")),
    Metric("tocsin_window_end_timestamp_seconds", Kind.GAUGE, "Event time the window ended.", RULE_LABELS),
)

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metrics in (LIVE, DAEMON, MODEL, EVERY, *(shown.metrics() for shown in (*SHOWN.values(), GENERIC)))
    for metric in metrics
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the page. Labels that are empty are left out: to Prometheus that is the same."""

    metric: str
    labels: Mapping[str, str]
    value: float


def settled(reading: Reading) -> Reading:
    """The reading as it may be shown: BROKEN when its value cannot be one."""
    known = reading.verdict in (Verdict.OK, Verdict.BREACH)
    if known and (reading.value is None or not math.isfinite(reading.value)):
        return Reading(Verdict.BROKEN, reading.n, why="not a finite value")
    return reading


def rule_labels(model: str, view: ReadingView) -> dict[str, str]:
    """What names a reading, but for its feature."""
    return {"model": model, "rule": view.rule.name, "segment": view.segment, "reference": view.reference.value}


def samples(model: str, view: ReadingView) -> list[Sample]:
    """All lines of one reading. A value has its family; n and verdict are common to all."""
    reading = settled(view.reading)
    labels = rule_labels(model, view) | ({"feature": view.column} if view.column else {})
    lines = [
        Sample("tocsin_reading_rows", labels, reading.n),
        Sample("tocsin_reading_verdict", labels | {"verdict": reading.verdict.value}, 1),
    ]
    if reading.verdict in (Verdict.UNKNOWN, Verdict.BROKEN):
        return lines
    shown = SHOWN.get((view.rule.detector, view.rule.subject), GENERIC)
    if shown is GENERIC:
        labels = labels | {"detector": view.rule.detector}
    numbers = {shown.name: reading.value, suffixed(shown.name, "limit"): reading.limit}
    if shown.interval:
        numbers |= {suffixed(shown.name, "low"): reading.low, suffixed(shown.name, "high"): reading.high}
    lines += [Sample(name, labels, value) for name, value in numbers.items() if value is not None]
    return lines


def summaries(model: str, views: Iterable[ReadingView]) -> list[Sample]:
    """Per rule: how many readings have which verdict, and where the newest window ended."""
    counts: dict[tuple[str, ...], dict[Verdict, int]] = {}
    ends: dict[tuple[str, ...], float] = {}
    for view in views:
        key = tuple(rule_labels(model, view).values())
        verdicts = counts.setdefault(key, dict.fromkeys(Verdict, 0))
        verdicts[settled(view.reading).verdict] += 1
        ends[key] = max(view.window_end, ends.get(key, view.window_end))
    lines = []
    for key, verdicts in counts.items():
        labels = dict(zip(RULE_LABELS, key, strict=True))
        lines.append(Sample("tocsin_window_end_timestamp_seconds", labels, ends[key]))
        lines += [Sample("tocsin_readings", labels | {"verdict": v.value}, n) for v, n in verdicts.items()]
    return lines


def renamed(view: ReadingView, *, column: str, segment: str) -> ReadingView:
    """The same reading under a pooled name."""
    return replace(view, column=column, segment=segment)
