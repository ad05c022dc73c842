"""The schema document: what a person writes about a model's rows, checked completely.

    model: delays
    task: classification               # the default; or regression, or ranking, which have no classes
    features: {hour: numeric, carrier: categorical, gender: {kind: categorical, sensitive: true}}
    classes: [on_time, late]
    positive: late                     # exactly when there are two classes
    columns: {prediction: answer, time: at, score: p_late, label: truth, label_time: told, id: flight}   # in the file

Features bear the same names in the file. Only `prediction` is needed of the columns. `label_time`, when
each label came, is what `tocsin backtest` lets it come at; nothing else reads it. With 3 to 6 classes
`probabilities` may map each class to the column of its probability. A `sensitive` feature is counted, and its values
are never kept.
"""

from typing import Final

import msgspec

from monitor.errors import Problem, SettingsError
from monitor.facts import Feature, FeatureKind, ModelName, Schema, Task
from monitor.panes.sections import PROBABILITIES_MAX

CLASSES_MAX: Final = 254  # an output is one byte: one more for any other class, and 255 says "none"
FEATURES_MAX: Final = 5_000
NAME_LENGTH_MAX: Final = 200
_KEYS: Final = ("model", "task", "features", "classes", "positive", "columns")
_COLUMNS: Final = ("prediction", "time", "score", "label", "id", "label_time")
_FEATURE: Final = ("kind", "sensitive")


class ColumnNames(msgspec.Struct, frozen=True):
    """Which columns of a history file are not features; None: the file has no such column."""

    prediction: str
    time: str | None = None
    score: str | None = None
    label: str | None = None
    id: str | None = None
    probabilities: tuple[str, ...] = ()  # of every class, in the order of the classes
    label_time: str | None = None


def parse_schema(document: object) -> tuple[Schema, ColumnNames]:
    """Check a plain mapping, as YAML gives it; SettingsError with everything that is wrong."""
    reader = _Reader()
    if not isinstance(document, dict):
        raise SettingsError([Problem("schema", "must be a mapping", f"with the keys {', '.join(_KEYS)}")])
    reader.unknown("schema", document, _KEYS)
    model = reader.name("model", document.get("model"))
    task = reader.task(document.get("task", Task.CLASSIFICATION.value))
    features = reader.features(document.get("features"))
    if task is Task.CLASSIFICATION:
        classes = reader.classes(document.get("classes"))
        positive = reader.positive(document.get("positive"), classes)
    else:
        classes, positive = (), None
        reader.classless(task, document)
    columns = reader.columns(document.get("columns"), [feature.name for feature in features], classes)
    if reader.problems:
        raise SettingsError(reader.problems)
    return Schema(ModelName(model), features, classes, positive, task), columns


class _Reader:
    """Reads one part after the other and keeps what is wrong."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def fault(self, path: str, message: str, hint: str = "") -> None:
        self.problems.append(Problem(path, message, hint))

    def unknown(self, path: str, found: dict[object, object], known: tuple[str, ...]) -> None:
        for key in found:
            if key not in known:
                self.fault(f"{path}.{key}", "is not known here", f"known are {', '.join(known)}")

    def name(self, path: str, value: object) -> str:
        """Read a non-empty name; YAML's own booleans and numbers are told from names."""
        if isinstance(value, str) and 0 < len(value) <= NAME_LENGTH_MAX:
            return value
        hint = 'put it in quotes, like "5"' if isinstance(value, int | float) else f"1 to {NAME_LENGTH_MAX} characters"
        self.fault(path, "is missing" if value is None else "must be a name", hint)
        return ""

    def features(self, value: object) -> tuple[Feature, ...]:
        if not isinstance(value, dict) or not 0 < len(value) <= FEATURES_MAX:
            self.fault("features", f"must map 1 to {FEATURES_MAX} names to a kind", "like {hour: numeric}")
            return ()
        return tuple(self.feature(f"features.{name}", name, meant) for name, meant in value.items())

    def feature(self, path: str, name: object, meant: object) -> Feature:
        """Read `kind` or `{kind: kind, sensitive: true}`."""
        kinds = {kind.value: kind for kind in FeatureKind}
        kind: object = meant
        sensitive: object = False
        if isinstance(meant, dict):
            self.unknown(path, meant, _FEATURE)
            kind, sensitive = meant.get("kind"), meant.get("sensitive", False)
        if not isinstance(sensitive, bool):
            self.fault(f"{path}.sensitive", "must be true or false")
        if not isinstance(kind, str) or kind not in kinds:
            self.fault(path, "is of no known kind", f"kinds are {', '.join(kinds)}")
            return Feature("", FeatureKind.NUMERIC)
        return Feature(self.name(path, name), kinds[kind], sensitive is True)

    def task(self, value: object) -> Task:
        """Read what the model answers."""
        tasks = {task.value: task for task in Task}
        if isinstance(value, str) and value in tasks:
            return tasks[value]
        self.fault("task", "is of no known kind", f"tasks are {', '.join(tasks)}")
        return Task.CLASSIFICATION

    def classless(self, task: Task, document: dict[object, object]) -> None:
        """Refuse what only a classification has."""
        columns = document.get("columns")
        inner = columns if isinstance(columns, dict) else {}
        for key in ("classes", "positive"):
            self.absent(key, document.get(key), task)
        for key in ("score", "probabilities"):
            self.absent(f"columns.{key}", inner.get(key), task)

    def absent(self, path: str, value: object, task: Task) -> None:
        if value is not None:
            self.fault(path, f"is for classification, and the task is {task.value}", "leave it out")

    def classes(self, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not 2 <= len(value) <= CLASSES_MAX:
            self.fault("classes", f"must list 2 to {CLASSES_MAX} names", "in the model's own order")
            return ()
        found = tuple(self.name(f"classes.{i}", name) for i, name in enumerate(value))
        if len(set(found)) < len(found):
            self.fault("classes", "name a class twice")
        return found

    def positive(self, value: object, classes: tuple[str, ...]) -> str | None:
        if value is None:
            if len(classes) == 2:
                self.fault("positive", "is missing", "with two classes: the one a score is the probability of")
            return None
        positive = self.name("positive", value)
        if classes and len(classes) != 2:
            self.fault("positive", "is for two classes", "with more, a score speaks of the predicted one: leave it out")
        elif classes and positive not in classes:
            self.fault("positive", "is not one of the classes")
        return positive

    def columns(self, value: object, features: list[str], classes: tuple[str, ...]) -> ColumnNames:
        if not isinstance(value, dict):
            self.fault("columns", "must be a mapping", "at least {prediction: NAME}")
            return ColumnNames("")
        self.unknown("columns", value, (*_COLUMNS, "probabilities"))
        names = {key: self.name(f"columns.{key}", value[key]) for key in _COLUMNS if key in value}
        if "prediction" not in names:
            self.fault("columns.prediction", "is missing", "the column that holds the model's answers")
        probabilities = self.probabilities(value["probabilities"], classes) if "probabilities" in value else {}
        taken: set[str] = set(features)
        for key, name in (names | {f"probabilities.{key}": name for key, name in probabilities.items()}).items():
            if name in taken:
                self.fault(f"columns.{key}", f"{name} is used twice")
            taken.add(name)
        return ColumnNames(**{"prediction": "", **names}, probabilities=tuple(probabilities.values()))

    def probabilities(self, value: object, classes: tuple[str, ...]) -> dict[str, str]:
        """Read a column for every class, in the order of the classes."""
        path = "columns.probabilities"
        if not classes:
            return {}  # told by `classless`, or by `classes`
        if not 2 < len(classes) <= PROBABILITIES_MAX:
            self.fault(path, f"is for 3 to {PROBABILITIES_MAX} classes", "name a column of scores instead")
        elif not isinstance(value, dict) or set(value) != set(classes):
            self.fault(path, "must map every class to a column", f"classes are {', '.join(classes)}")
        else:
            return {name: self.name(f"{path}.{name}", value[name]) for name in classes}
        return {}
