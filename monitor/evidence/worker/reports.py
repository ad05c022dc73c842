"""Evidently itself: sections of a report and single metrics, each by itself, so that one failure takes nothing along.

Every section and every metric is a `Report` of its own; the widgets of those that worked are drawn on one page. (One
report of everything would be half a second faster and lost as a whole to the first column it cannot bear.) A section of
many columns that fails is tried again without those columns that fail alone.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.evidence import catalogue
from monitor.evidence.catalogue import OWN, Needs
from monitor.evidence.jobs import Ask, Failure, Fault, Job, Value
from monitor.evidence.worker.clean import Cleaned, tidy
from monitor.evidence.worker.findings import Findings, Refused, attempt
from monitor.evidence.worker.samples import LABEL, OTHER, PREDICTION, SCORE, reserved
from monitor.evidence.worker.together import METHODS, Together
from monitor.facts import Schema, Task

_METHOD_MAX: Final = 200
_LEAVES_MAX: Final = 1_000
_OF_SCORES: Final = frozenset({"DummyLogLoss", "DummyRocAuc", "LogLoss", "RocAuc", "RocAucByLabel"})


def load() -> str:
    """Import Evidently, which takes seconds; return its version. ImportError where it is not installed."""
    warnings.simplefilter("ignore")  # its own deprecations; nobody reads the worker's stderr
    import evidently
    import evidently.metrics
    import evidently.presets

    return str(evidently.__version__)


def compare(job: Job, cleaned: Cleaned, *, report: bool, synthetic: bool) -> Findings:
    """Compute what was asked for and, for a `report`, its sections; `synthetic`: the reference is drawn from counts."""
    findings = Findings()
    tables, together = Tables(job.schema, cleaned), Together(job, cleaned, synthetic=synthetic)
    if report:
        together.tell(findings)
        _drift(findings, tables, _worth_drawing(job, cleaned))
        _summary(findings, tables, _worth_drawing(job, cleaned, constants=True))
        _quality(findings, tables)
    widgets: list[Any] = []
    for ask in job.asks:
        if ask.metric in OWN:
            pairs = attempt(findings, ask.name, Failure.METRIC_FAILED, lambda ask=ask: together.numbers(ask))  # type: ignore[misc] # bound per turn
            _keep(findings, ask, pairs or (), METHODS[ask.metric], job.scope.values_max)
            continue
        snapshot = attempt(findings, ask.name, Failure.METRIC_FAILED, lambda ask=ask: _measure(ask, tables))  # type: ignore[misc] # bound per turn
        if snapshot is None:
            continue
        taken = _take(findings, ask, snapshot, job.scope.values_max)
        if report and taken:
            widgets += snapshot._widgets  # noqa: SLF001 - the only way to several snapshots on one page
    if widgets:
        findings.sections.append(("Metrics asked for", widgets))
    return findings


class Tables:
    """Data sets as Evidently takes them, of some columns: made when asked for."""

    def __init__(self, schema: Schema, cleaned: Cleaned) -> None:
        """Both sides as measured, and with pooled categories as drawn."""
        self.schema = schema
        self.cleaned = cleaned
        self._drawn = cleaned.pooled()

    def drawn(self, columns: Sequence[str]) -> tuple[Any, Any]:
        """Return (live, reference) for widgets."""
        return self._dataset(self._drawn[0], columns), self._dataset(self._drawn[1], columns)

    def measured(self, *, label: bool) -> tuple[Any, Any]:
        """Return (live, reference) of all columns, for numbers; that of the labels only where it is asked for."""
        columns = [name for name in self.cleaned.columns if label or name != self.label]
        return self._dataset(self.cleaned.live, columns), self._dataset(self.cleaned.reference, columns)

    @property
    def label(self) -> str:
        """The name of the label's column."""
        return reserved(self.schema, LABEL)

    def labelled(self, *, scores: bool = False) -> tuple[Any, Any | None]:
        """Return (live, reference or None) of the rows with a label; Refused where the live side has none.

        With `scores` the answers are those of the scores, cut at one half or at `probas_threshold`: given both,
        Evidently does not look at the answers, and a model may cut elsewhere.
        """
        live = self._rows(self.cleaned.live, self.cleaned.labels[0], scores)
        if live is None:
            raise Refused(Failure.ROWS_TOO_FEW, "no labels on the live side" + " with scores" * scores)
        return live, self._rows(self.cleaned.reference, self.cleaned.labels[1], scores)

    def _rows(self, side: Mapping[str, NDArray[Any]], labels: NDArray[Any] | None, scores: bool) -> Any | None:  # noqa: FBT001 - passed on
        import evidently
        import pandas as pd

        prediction, score = reserved(self.schema, PREDICTION), reserved(self.schema, SCORE)
        if labels is None or prediction not in side:
            return None
        if scores and score not in side:
            return None
        columns = {name: side[name] for name in (prediction, score)[: 1 + scores]}
        frame = pd.DataFrame({**columns, self.label: labels}).dropna()
        if self.schema.task is Task.CLASSIFICATION:
            frame = frame[(frame[prediction] != OTHER) & (frame[self.label] != OTHER)]
        if not len(frame):
            return None
        return evidently.Dataset.from_pandas(frame.reset_index(drop=True), data_definition=self._task(frame))

    def _task(self, frame: Any) -> Any:
        import evidently

        prediction, score = reserved(self.schema, PREDICTION), reserved(self.schema, SCORE)
        if self.schema.task is Task.REGRESSION:
            return evidently.DataDefinition(
                numerical_columns=[prediction, self.label],
                regression=[evidently.Regression(target=self.label, prediction=prediction)],
            )
        probability = score if score in frame.columns else None
        task: Any
        if self.schema.positive is None:
            task = evidently.MulticlassClassification(target=self.label, prediction_labels=prediction)
        else:
            task = evidently.BinaryClassification(
                target=self.label,
                prediction_labels=prediction,
                prediction_probas=probability,
                pos_label=tidy(self.schema.positive),
            )
        return evidently.DataDefinition(
            numerical_columns=[probability] if probability else [],
            categorical_columns=[prediction, self.label],
            classification=[task],
        )

    def _dataset(self, side: Mapping[str, NDArray[Any]], columns: Sequence[str]) -> Any:
        import evidently
        import pandas as pd

        definition = evidently.DataDefinition(
            numerical_columns=[name for name in self.cleaned.numeric if name in columns],
            categorical_columns=[name for name in self.cleaned.categorical if name in columns],
        )
        frame = pd.DataFrame({name: side[name] for name in self.cleaned.columns if name in columns})
        return evidently.Dataset.from_pandas(frame, data_definition=definition)


def _worth_drawing(job: Job, cleaned: Cleaned, *, constants: bool = False) -> list[str]:
    """Choose at most `columns_max`: the answers, then what matters most, then the schema's order."""
    answers = [reserved(job.schema, name) for name in (PREDICTION, SCORE)]
    rest = [feature.name for feature in job.schema.features]
    ordered = dict.fromkeys([*answers, *map(tidy, job.columns), *map(tidy, rest)])
    there = [name for name in ordered if name in cleaned.live and (constants or name not in cleaned.constant)]
    return there[: job.scope.columns_max]


def _drift(findings: Findings, tables: Tables, columns: list[str]) -> None:
    from evidently.presets import DataDriftPreset

    _section(findings, tables, "Drift", columns, lambda names: [DataDriftPreset(columns=list(names))])


def _summary(findings: Findings, tables: Tables, columns: list[str]) -> None:
    from evidently.presets import DataSummaryPreset

    _section(findings, tables, "Columns", columns, lambda names: [DataSummaryPreset(columns=list(names))])


def _section(
    findings: Findings, tables: Tables, title: str, columns: list[str], items: Callable[[Sequence[str]], list[Any]]
) -> None:
    """Draw a section; where that fails without the columns that fail alone."""
    if not columns:
        return
    trial = Findings()
    snapshot = attempt(trial, title, Failure.SECTION_FAILED, lambda: _run(items(columns), tables.drawn(columns)))
    if snapshot is None:
        good = []
        for name in columns:
            alone = Findings()
            made = attempt(
                alone,
                f"{title}: {name}",
                Failure.SECTION_FAILED,
                lambda name=name: _run(items([name]), tables.drawn([name])),  # type: ignore[misc] # bound per turn
            )
            findings.faults += alone.faults
            good += [name] if made is not None else []
        if good:
            snapshot = attempt(findings, title, Failure.SECTION_FAILED, lambda: _run(items(good), tables.drawn(good)))
    if snapshot is not None:
        findings.sections.append((title, snapshot._widgets))  # noqa: SLF001 - as above


def _quality(findings: Findings, tables: Tables) -> None:
    """Draw what labels say, where there are any."""
    from evidently.metrics import LogLoss, RocAuc
    from evidently.presets import ClassificationPreset, RegressionPreset

    if tables.cleaned.labels[0] is None or tables.schema.task is Task.RANKING:
        return
    preset = RegressionPreset if tables.schema.task is Task.REGRESSION else ClassificationPreset
    snapshot = attempt(findings, "Quality", Failure.SECTION_FAILED, lambda: _run([preset()], tables.labelled()))
    if snapshot is not None:
        findings.sections.append(("Quality, by the labels that came", snapshot._widgets))  # noqa: SLF001 - as above
    if tables.schema.positive is not None and reserved(tables.schema, SCORE) in tables.cleaned.live:
        snapshot = attempt(
            findings,
            "Scores",
            Failure.SECTION_FAILED,
            lambda: _run([RocAuc(), LogLoss()], tables.labelled(scores=True)),
        )
        if snapshot is not None:
            findings.sections.append(("Scores, by the labels that came", snapshot._widgets))  # noqa: SLF001 - as above


def _run(items: list[Any], data: tuple[Any, Any]) -> Any:
    from evidently import Report

    with np.errstate(all="ignore"):
        return Report(items).run(*data)


def make(ask: Ask) -> Any:
    """Make the metric of Evidently; Refused if it does not take these parameters."""
    import evidently.metrics

    for place, message, hint in catalogue.problems(ask):
        raise Refused(Failure.METRIC_INVALID, f"{place} {message} ({hint})")
    try:
        parameters = {name: _tidied(value) for name, value in ask.parameters.items()}
        return getattr(evidently.metrics, ask.metric)(**parameters)
    except (TypeError, ValueError) as error:  # pydantic's too; no row is in here, only settings
        raise Refused(
            Failure.METRIC_INVALID, f"{ask.metric} refuses these parameters: {type(error).__name__}"
        ) from error


def _tidied(value: Any) -> Any:
    if isinstance(value, list):
        return [_tidied(each) for each in value]
    return tidy(value) if isinstance(value, str) else value


def _measure(ask: Ask, tables: Tables) -> Any:
    metric = make(ask)
    cleaned, needs = tables.cleaned, catalogue.METRICS[ask.metric].needs
    for name in map(tidy, catalogue.columns_of(ask)):
        if name not in cleaned.live:
            raise Refused(Failure.COLUMN_MISSING, f"{name}: {cleaned.left_out.get(name, 'no such column')}")
    if needs is Needs.ROWS:
        return _run([metric], tables.measured(label=tables.label in catalogue.columns_of(ask)))
    fits = {Needs.CLASSES: Task.CLASSIFICATION, Needs.NUMBERS: Task.REGRESSION}[needs]
    if tables.schema.task is not fits:
        raise Refused(Failure.METRIC_INVALID, f"{ask.metric} is for {fits.value}")
    if ask.metric in _OF_SCORES and tables.schema.positive is None:
        raise Refused(Failure.METRIC_INVALID, f"{ask.metric} needs the probability of every class; a sample has one")
    return _run([metric], tables.labelled(scores=ask.metric in _OF_SCORES or "probas_threshold" in ask.parameters))


def _take(findings: Findings, ask: Ask, snapshot: Any, values_max: int) -> bool:
    """Add the numbers of one metric; whether there were any."""
    metrics = [metric for metric in snapshot.dict()["metrics"] if "value" in metric]
    before = len(findings.numbers)
    for metric in metrics:
        prefix = ask.name if len(metrics) == 1 else f"{ask.name}.{_variant(metric)}"
        method = tidy(str(metric.get("config", {}).get("method", ""))) or ask.metric
        if not _keep(findings, ask, flatten(prefix, metric["value"]), method, values_max):
            break
    return len(findings.numbers) > before


def _keep(findings: Findings, ask: Ask, pairs: Iterable[tuple[str, float]], method: str, values_max: int) -> bool:
    """Add what is finite; whether there was room."""
    for name, number in pairs:
        if not math.isfinite(number):
            findings.faults.append(Fault(name, Failure.NOT_FINITE, ""))
        elif len(findings.numbers) >= values_max:
            findings.faults.append(Fault(ask.name, Failure.VALUES_TOO_MANY, f"more than {values_max}"))
            return False
        else:
            findings.numbers.append(Value(name, number, method[:_METHOD_MAX]))
    return True


def _variant(metric: Mapping[str, Any]) -> str:
    """Tell the metrics of one container apart: correlations by kind."""
    return str(metric.get("config", {}).get("kind") or metric.get("id", ""))


def flatten(name: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield (name, number) for whatever shape Evidently gives its results.

    A number is `name`; {count, share} are `name.count`, `name.share`; classes and columns likewise. Counts by value
    of a column are summed up, because values of rows are no label of a metric: `name` is how many there are,
    `name.top_share` the share of the most frequent.

    >>> dict(flatten("unique", {"counts": {"a": 3.0, "b": 1.0}, "shares": {"a": 0.75, "b": 0.25}}))
    {'unique': 2.0, 'unique.top_share': 0.75}
    """
    if isinstance(value, Mapping):
        if "counts" in value and "shares" in value:
            shares = [float(share) for share in value["shares"].values()]
            yield name, float(len(shares))
            yield f"{name}.top_share", max(shares, default=math.nan)
        elif "column_name" in value and "value" in value:
            yield from _leaves(name, ((value["column_name"][key], value["value"][key]) for key in value["value"]))
        else:
            yield from _leaves(name, value.items())
    elif isinstance(value, bool | int | float | np.number):
        yield name, float(value)


def _leaves(name: str, parts: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, float]]:
    for number, (key, value) in enumerate(parts):
        if number >= _LEAVES_MAX:
            return
        yield from flatten(f"{name}.{key}", value)
