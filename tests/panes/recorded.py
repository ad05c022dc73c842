"""A schema of four features, and rows that went through a record of it."""

import math

from monitor.facts import Feature, FeatureKind, ModelName, Prediction, Schema
from monitor.panes.batch import encode_predictions
from monitor.panes.decode import decode_predictions

NAN = math.nan
SCHEMA = Schema(
    ModelName("delays"),
    (
        Feature("hour", FeatureKind.NUMERIC),
        Feature("temp", FeatureKind.NUMERIC),
        Feature("carrier", FeatureKind.CATEGORICAL),
        Feature("id", FeatureKind.CATEGORICAL),  # a reserved name is an ordinary feature here
    ),
    ("late", "on_time"),
    "late",
)


def row(features, **other):
    return Prediction(
        **({"id": "f-1", "time": 1.0, "output": 0, "score": NAN, "source": "gw", "arrival": 2.0} | other),
        features=features,
    )


def column(cells, name):
    rows = [row({} if cell is ... else {name: cell}) for cell in cells]
    return decode_predictions(encode_predictions(rows, SCHEMA)).columns[name]
