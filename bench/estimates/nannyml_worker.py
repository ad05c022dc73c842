"""Runs in NannyML's own venv: prints as JSON what CBPE and DLE estimate per chunk, and what labels said."""

import json
import sys
import warnings
from pathlib import Path

import nannyml as nml
import numpy as np
import pandas as pd

BINARY = ["accuracy", "precision", "recall", "f1", "roc_auc", "average_precision"]
FEATURES = ["car_age", "km_driven", "price_new", "accident_count", "door_count", "fuel", "transmission"]
CARDS = ("prepaid_card", "highstreet_card", "upmarket_card")


def rows(estimated, realized, metrics):
    def column(found, metric, name):
        return found.filter(period="analysis").to_df()[metric][name].tolist()

    return {
        metric: {
            "estimated": column(estimated, metric, "value"),
            "sampling_error": column(estimated, metric, "sampling_error")[0],
            "realized": column(realized, metric, "value"),
        }
        for metric in metrics
    }


def compare(estimator, calculator, metrics, tables):
    reference, analysis, truth = tables
    estimator.fit(reference)
    calculator.fit(reference)
    return rows(estimator.estimate(analysis), calculator.calculate(analysis.merge(truth, on="id")), metrics)


def main(folder):
    warnings.simplefilter("ignore")
    np.random.seed(0)  # noqa: NPY002  # its sampling error of the average precision draws from the global generator

    def read(*names):
        return [pd.read_csv(folder / f"{name}.csv") for name in names]

    loan = {
        "y_true": "repaid",
        "y_pred": "y_pred",
        "y_pred_proba": "y_pred_proba",
        "metrics": BINARY,
        "chunk_size": 5_000,
    }
    loan["problem_type"] = "classification_binary"
    car_loan = [f"synthetic_car_loan_{part}" for part in ("reference", "analysis", "analysis_target")]
    card = {"y_true": "y_true", "y_pred": "y_pred", "metrics": ["accuracy", "precision"], "chunk_size": 6_000}
    card["y_pred_proba"] = {name: f"y_pred_proba_{name}" for name in CARDS}
    card["problem_type"] = "classification_multiclass"
    price = {"y_true": "y_true", "y_pred": "y_pred", "metrics": ["mae", "rmse"], "chunk_size": 6_000}
    dle = nml.DLE(feature_column_names=FEATURES, tune_hyperparameters=False, **price)
    measured = nml.PerformanceCalculator(problem_type="regression", **price)
    credit_card = ("mc_reference", "mc_analysis", "mc_analysis_gt")
    car_price = [f"regression_synthetic_{part}" for part in ("reference", "analysis", "analysis_targets")]
    found = {
        "car_loan": compare(nml.CBPE(**loan), nml.PerformanceCalculator(**loan), BINARY, read(*car_loan)),
        "credit_card": compare(
            nml.CBPE(**card), nml.PerformanceCalculator(**card), card["metrics"], read(*credit_card)
        ),
        "car_price": compare(dle, measured, price["metrics"], read(*car_price)),
    }
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
