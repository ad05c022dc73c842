"""popmon: histograms in the reference's bins, all rows in one day, and the statistics of its stability report.

The page itself is not drawn. Half of the counting is its conversion of the time column, value by value.
"""

import logging

import pandas as pd
import popmon
from popmon.pipeline.metrics import stability_metrics

START = pd.Timestamp("2026-01-01")
DAY_NS = 86_400 * 10**9


def prepare(window, reference):
    logging.disable(logging.INFO)
    now, then = (frame(values) for values in (window, reference))
    known = then.pm_make_histograms(time_axis="time", time_width="1d", time_offset=str(START.date()))
    bins = popmon.get_bin_specs(known)

    def run():
        found = now.pm_make_histograms(features=list(known), bin_specs=bins, time_axis="time")
        settings = popmon.Settings(time_axis="time", reference_type="external")
        compared = stability_metrics(found, settings=settings, reference=known)["comparisons"]
        return [float(compared[name]["ref_max_prob_diff"].iloc[0]) for name in now.columns if name != "time"]

    return {"histograms and statistics": lambda: run}


def frame(values):
    made = pd.DataFrame(values.T, columns=[f"n{i:02}" for i in range(len(values))])
    step = DAY_NS // len(made)
    made["time"] = START + pd.to_timedelta(pd.RangeIndex(len(made)) * step, unit="ns")
    return made
