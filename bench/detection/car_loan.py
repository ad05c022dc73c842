"""Car loans, January to October 2018 learned, to August 2019 live: drift is planted on 31 March 2019, nothing before.

Synthetic data of NannyML, a row every 8 min 43 s. Cars cost 30,000 on average before and 48,000 after, hardly anybody
earns 60K and more any longer; the model's error triples. The `dq` variant loses 16 % of two columns as well.
"""

import calendar
from datetime import datetime

import numpy as np
import pyarrow as pa
from pyarrow import csv

from bench.detection.columns import rows_of, take_columns
from bench.detection.wheels import data_file
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.build import HistoryBatch
from monitor.panes.rows import Predictions

CHANGED = calendar.timegm((2019, 3, 31, 3, 0, 0))  # row 25,000 of 50,000: so say the car values, by likelihood
NUMERIC = ("car_value", "debt_to_income_ratio", "loan_length", "driver_tenure")
CATEGORICAL = ("salary_range", "repaid_loan_on_prev_car", "size_of_downpayment")


def schema() -> Schema:
    """What the model is fed."""
    numeric = tuple(Feature(name, FeatureKind.NUMERIC) for name in NUMERIC)
    categorical = tuple(Feature(name, FeatureKind.CATEGORICAL) for name in CATEGORICAL)
    return Schema(ModelName("car_loan"), numeric + categorical, ("default", "repaid"), "repaid")


def history(variant: str = "") -> list[HistoryBatch]:
    """The reference rows; `variant` "dq_" for the broken ones."""
    table = _read(f"synthetic_car_loan_{variant}reference.csv")
    return [HistoryBatch(_rows(table), table["repaid"].to_numpy().astype(np.float64))]


def live(variant: str = "") -> Predictions:
    """The analysis rows."""
    return _rows(_read(f"synthetic_car_loan_{variant}analysis.csv"))


def labelled() -> list[HistoryBatch]:
    """The analysis rows with the truths; nobody says when these came."""
    truths = csv.read_csv(data_file("synthetic_car_loan_analysis_target.csv"))["repaid"]
    return [HistoryBatch(live(), truths.to_numpy().astype(np.float64))]


def _read(name: str) -> pa.Table:
    text = {"timestamp": pa.string(), "repaid_loan_on_prev_car": pa.string()}
    convert = csv.ConvertOptions(column_types=text, null_values=[""], strings_can_be_null=True)
    return csv.read_csv(data_file(name), convert_options=convert)


def _rows(table: pa.Table) -> Predictions:
    times = [datetime.fromisoformat(f"{text}+00:00").timestamp() for text in table["timestamp"].to_pylist()]
    outputs = table["y_pred"].to_numpy().astype(np.uint8)
    scores = table["y_pred_proba"].to_numpy().astype(np.float64)
    return rows_of(take_columns(table, NUMERIC, CATEGORICAL), np.array(times), outputs, scores)
