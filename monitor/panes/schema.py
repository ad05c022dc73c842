"""The schema document: what a person writes about a model's rows, checked completely.

    model: delays
    features: {hour: numeric, carrier: categorical}
    classes: [on_time, late]
    positive: late                     # exactly when there are two classes
    columns: {prediction: answer, time: at, score: p_late, label: truth, id: flight}   # names in the history file

Features bear the same names in the file. Only `prediction` is needed of the columns.
"""

from typing import Final

import msgspec

from monitor.errors import Problem, SettingsError
from monitor.facts import Feature, FeatureKind, ModelName, Schema

CLASSES_MAX: Final = 254  # an output is one byte: one more for any other class, and 255 says "none"
FEATURES_MAX: Final = 5_000
NAME_LENGTH_MAX: Final = 200
_KEYS: Final = ("model", "features", "classes", "positive", "columns")
_COLUMNS: Final = ("prediction", "time", "score", "label", "id")


class ColumnNames(msgspec.Struct, frozen=True):
    """Which columns of a history file are not features; None: the file has no such column."""

    prediction: str
    time: str | None = None
    score: str | None = None
    label: str | None = None
    id: str | None = None


def parse_schema(document: object) -> tuple[Schema, ColumnNames]:
    """Check a plain mapping, as YAML gives it; SettingsError with everything that is wrong."""
    reader = _Reader()
    if not isinstance(document, dict):
        raise SettingsError([Problem("schema", "must be a mapping", f"with the keys {', '.join(_KEYS)}")])
    reader.unknown("schema", document, _KEYS)
    model = reader.name("model", document.get("model"))
    features = reader.features(document.get("features"))
    classes = reader.classes(document.get("classes"))
    positive = reader.positive(document.get("positive"), classes)
    columns = reader.columns(document.get("columns"), [feature.name for feature in features])
    if reader.problems:
        raise SettingsError(reader.problems)
    return Schema(ModelName(model), features, classes, positive), columns


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
        found, kinds = [], {kind.value: kind for kind in FeatureKind}
        for name, kind in value.items():
            if isinstance(kind, str) and kind in kinds:
                found.append(Feature(self.name(f"features.{name}", name), kinds[kind]))
            else:
                self.fault(f"features.{name}", "is of no known kind", f"kinds are {', '.join(kinds)}")
        return tuple(found)

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

    def columns(self, value: object, features: list[str]) -> ColumnNames:
        if not isinstance(value, dict):
            self.fault("columns", "must be a mapping", "at least {prediction: NAME}")
            return ColumnNames("")
        self.unknown("columns", value, _COLUMNS)
        names = {key: self.name(f"columns.{key}", value[key]) for key in _COLUMNS if key in value}
        if "prediction" not in names:
            self.fault("columns.prediction", "is missing", "the column that holds the model's answers")
        taken: set[str] = set(features)
        for key, name in names.items():
            if name in taken:
                self.fault(f"columns.{key}", f"{name} is used twice")
            taken.add(name)
        return ColumnNames(**{"prediction": "", **names})
