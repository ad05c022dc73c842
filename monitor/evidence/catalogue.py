"""The metrics of Evidently that can be asked for, and their parameters, without importing it (4 s, 280 MB).

Settings are checked against this table when they are read; a test holds it to the installed version, so that an update
which renames a parameter is seen here and not by an operator. What is a value of the right type and still nonsense (a
method that is none for this kind of column) only Evidently knows: it is a named failure when the metric is run.

Two are our own (`OWN`): they look at all columns at once, and Evidently's MMD looks at one.

Left out, each with its reason in `REFUSED`: metrics that need what a sample does not hold. Parameters that only draw,
that name callables, or that map columns to values are not offered (`NOT_OFFERED`).
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import msgspec

from monitor.evidence.jobs import Ask


class Kind(Enum):
    """What a parameter holds."""

    TEXT = "text"
    WHOLE = "a whole number"
    NUMBER = "a number"
    SCALAR = "text, a whole number, true or false"
    TEXTS = "a list of texts"
    SCALARS = "a list of texts or whole numbers"


class Needs(Enum):
    """What must be in the sample besides features."""

    ROWS = "rows"
    CLASSES = "labels of a classification"
    NUMBERS = "labels of a regression"


@dataclass(frozen=True, slots=True)
class Offer:
    """One metric: what it must be given, what it may be given, what it needs."""

    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    needs: Needs = Needs.ROWS


# One meaning per name throughout Evidently: the test would show a second one.
PARAMETERS: Final[Mapping[str, Kind]] = {
    "cat_method": Kind.TEXT,
    "cat_threshold": Kind.NUMBER,
    "categories": Kind.SCALARS,
    "category": Kind.SCALAR,
    "column": Kind.TEXT,
    "column_name": Kind.TEXT,
    "column_type": Kind.TEXT,
    "columns": Kind.TEXTS,
    "drift_share": Kind.NUMBER,
    "epsilon": Kind.NUMBER,
    "k": Kind.WHOLE,
    "kind": Kind.TEXT,
    "left": Kind.NUMBER,
    "method": Kind.TEXT,
    "nbinsx": Kind.WHOLE,
    "num_method": Kind.TEXT,
    "num_threshold": Kind.NUMBER,
    "probas_threshold": Kind.NUMBER,
    "quantile": Kind.NUMBER,
    "replace_nan": Kind.SCALAR,
    "replace_value": Kind.NUMBER,
    "right": Kind.NUMBER,
    "threshold": Kind.NUMBER,
    "values": Kind.SCALARS,
    "zero_handling": Kind.TEXT,
}
COLUMNS: Final = ("column", "column_name", "columns")  # parameters that name columns of the sample

METHODS: Final = frozenset(
    [
        "TVD",
        "abs_text_content_drift",
        "anderson",
        "chisquare",
        "cramer_von_mises",
        "ed",
        "empirical_mmd",
        "es",
        "fisher_exact",
        "g_test",
        "hellinger",
        "jensenshannon",
        "kl_div",
        "ks",
        "mannw",
        "perc_text_content_drift",
        "psi",
        "t_test",
        "wasserstein",
        "z",
    ]
)
_CHOICES: Final[Mapping[str, frozenset[str]]] = {
    "cat_method": METHODS,
    "kind": frozenset({"auto", "cramer_v", "kendall", "pearson", "spearman"}),
    "method": METHODS,
    "num_method": METHODS,
}

_OF_COLUMN = Offer(("column",))
_OF_ROWS = Offer()
_OF_CLASSES = Offer((), ("probas_threshold", "k"), Needs.CLASSES)
_OF_NUMBERS = Offer((), (), Needs.NUMBERS)

METRICS: Final[Mapping[str, Offer]] = {
    "AbsMaxError": _OF_NUMBERS,
    "Accuracy": _OF_CLASSES,
    "AlmostConstantColumnsCount": _OF_ROWS,
    "AlmostDuplicatedColumnsCount": _OF_ROWS,
    "CategoryCount": Offer(("column",), ("category", "categories")),
    "ColumnCorrelationMatrix": Offer(("column_name",), ("kind",)),
    "ColumnCorrelations": Offer(("column_name",)),
    "ColumnCount": Offer((), ("column_type",)),
    "ConstantColumnsCount": _OF_ROWS,
    "CorrelationMatrix": Offer((), ("kind",)),
    "DatasetCorrelations": _OF_ROWS,
    "DatasetMissingValueCount": _OF_ROWS,
    "DriftedColumnsCount": Offer(
        (),
        ("columns", "drift_share", "method", "cat_method", "num_method", "threshold", "cat_threshold", "num_threshold"),
    ),
    "DummyAccuracy": _OF_CLASSES,
    "DummyF1Score": _OF_CLASSES,
    "DummyFNR": _OF_CLASSES,
    "DummyFPR": _OF_CLASSES,
    "DummyLogLoss": _OF_CLASSES,
    "DummyMAE": _OF_NUMBERS,
    "DummyMAPE": _OF_NUMBERS,
    "DummyPrecision": _OF_CLASSES,
    "DummyRMSE": _OF_NUMBERS,
    "DummyRecall": _OF_CLASSES,
    "DummyRocAuc": _OF_CLASSES,
    "DummyTNR": _OF_CLASSES,
    "DummyTPR": _OF_CLASSES,
    "DuplicatedColumnsCount": _OF_ROWS,
    "DuplicatedRowCount": _OF_ROWS,
    "EmptyColumnsCount": _OF_ROWS,
    "EmptyRowsCount": _OF_ROWS,
    "F1ByLabel": _OF_CLASSES,
    "F1Score": _OF_CLASSES,
    "FNR": _OF_CLASSES,
    "FPR": _OF_CLASSES,
    "InListValueCount": Offer(("column", "values")),
    "InRangeValueCount": Offer(("column", "left", "right")),
    "LogLoss": _OF_CLASSES,
    "MAE": _OF_NUMBERS,
    "MAPE": Offer((), ("zero_handling", "replace_value", "epsilon"), Needs.NUMBERS),
    "MaxValue": _OF_COLUMN,
    "MeanError": _OF_NUMBERS,
    "MeanValue": _OF_COLUMN,
    "MedianValue": _OF_COLUMN,
    "MinValue": _OF_COLUMN,
    "MissingValueCount": _OF_COLUMN,
    "OutListValueCount": Offer(("column", "values")),
    "OutRangeValueCount": Offer(("column", "left", "right")),
    "Precision": _OF_CLASSES,
    "PrecisionByLabel": _OF_CLASSES,
    "QuantileValue": Offer(("column",), ("quantile",)),
    "R2Score": _OF_NUMBERS,
    "RMSE": _OF_NUMBERS,
    "Recall": _OF_CLASSES,
    "RecallByLabel": _OF_CLASSES,
    "RocAuc": _OF_CLASSES,
    "RocAucByLabel": _OF_CLASSES,
    "RowCount": _OF_ROWS,
    "StdValue": _OF_COLUMN,
    "SumValue": _OF_COLUMN,
    "TNR": _OF_CLASSES,
    "TPR": _OF_CLASSES,
    "UniqueValueCount": Offer(("column",), ("replace_nan",)),
    "ValueDrift": Offer(("column",), ("method", "threshold", "nbinsx")),
}

# In the spelling of settings, so that none can ever be one of Evidently's.
OWN: Final[Mapping[str, Offer]] = {
    "domain_classifier": Offer((), ("columns",)),
    "multivariate_mmd": Offer((), ("columns",)),
}

_LISTS = "it needs the items of every list by user, and a sample holds none"
REFUSED: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        [
            "Diversity",
            "FBetaTopK",
            "HitRate",
            "ItemBias",
            "MAP",
            "MRR",
            "NDCG",
            "Novelty",
            "Personalization",
            "PopularityBiasMetric",
            "PrecisionTopK",
            "RecCasesTable",
            "RecallTopK",
            "ScoreDistribution",
            "Serendipity",
            "UserBias",
        ],
        _LISTS,
    ),
    "EmbeddingsDrift": "a sample holds no embeddings",
    "GroupBy": "it takes another metric as its parameter; ask for one metric per group",
    "RowTestSummary": "it sums up tests of rows, and none are run; rules are for that",
}
NOT_OFFERED: Final = frozenset(
    {
        *("conf_matrix", "error_distr", "error_normality", "error_plot", "perc_error_plot"),  # these only draw
        *("pr_curve", "pr_table", "roc_curve"),
        *("tests", "count_tests", "share_tests", "mean_tests", "std_tests", "include_tests"),  # rules are for that
        *("classification_name", "regression_name"),  # there is one task
        *("embeddings", "embeddings_drift_method", "text_method", "text_threshold"),  # a sample holds neither
        *("per_column_method", "per_column_threshold"),  # one ValueDrift per column says the same
    }
)


def problems(ask: Ask) -> Iterator[tuple[str, str, str]]:
    """Yield (parameter or "metric", what is wrong, what to do) for all that can be known without Evidently."""
    offer = METRICS.get(ask.metric) or OWN.get(ask.metric)
    if offer is None:
        if why := REFUSED.get(ask.metric):
            yield "metric", f"is {ask.metric}, which cannot be computed here", why
        else:
            known_metrics = {**METRICS, **OWN}
            yield "metric", f"is {ask.metric!r}, which is no metric of Evidently", _nearest(ask.metric, known_metrics)
        return
    for name in offer.required:
        if name not in ask.parameters:
            yield name, f"is required by {ask.metric}", f"it holds {PARAMETERS[name].value}"
    known = (*offer.required, *offer.optional)
    for name, value in ask.parameters.items():
        if name not in known:
            yield name, f"is no parameter of {ask.metric}", f"known here: {', '.join(known) or 'none'}"
        elif not _is(PARAMETERS[name], value):
            yield name, f"must be {PARAMETERS[name].value}", ""
        elif name in _CHOICES and value not in _CHOICES[name]:
            yield name, f"is {value!r}, which is none of Evidently's", _nearest(str(value), _CHOICES[name])


def columns_of(ask: Ask) -> tuple[str, ...]:
    """Name the columns that a metric reads by name."""
    named: list[str] = []
    for name in COLUMNS:
        value = ask.parameters.get(name)
        named += [str(each) for each in value] if isinstance(value, list) else [] if value is None else [str(value)]
    return tuple(named)


def _is(kind: Kind, value: Any) -> bool:
    truth = isinstance(value, bool)
    match kind:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.WHOLE:
            return isinstance(value, int) and not truth
        case Kind.NUMBER:
            return isinstance(value, int | float) and not truth
        case Kind.SCALAR:
            return isinstance(value, str | int)
        case Kind.TEXTS:
            return isinstance(value, list) and all(isinstance(each, str) for each in value)
        case Kind.SCALARS:
            return isinstance(value, list) and bool(value) and all(isinstance(each, str | int) for each in value)


def _nearest(name: str, known: "Mapping[str, object] | frozenset[str]") -> str:
    close = difflib.get_close_matches(name, known, n=1) or [
        each for each in sorted(known) if each.lower() == name.lower()
    ]
    return f"did you mean `{close[0]}`?" if close else f"there are: {', '.join(sorted(known))}"


def ask_of(name: str, metric: str, parameters: Mapping[str, Any]) -> Ask:
    """Make an `Ask` of plain values; msgspec.ValidationError where a parameter is of no kind there is."""
    return msgspec.convert({"name": name, "metric": metric, "parameters": dict(parameters)}, Ask)
