"""NannyML: `UnivariateDriftCalculator.calculate` with Jensen-Shannon, one chunk, on what was fitted before."""

import warnings

import pandas as pd
from nannyml import UnivariateDriftCalculator


def prepare(window, reference):
    warnings.simplefilter("ignore")  # it finds one chunk too few; more would cost more
    names = [f"n{i:02}" for i in range(len(window))]
    now, then = (pd.DataFrame(values.T, columns=names) for values in (window, reference))
    calculator = UnivariateDriftCalculator(column_names=names, continuous_methods=["jensen_shannon"], chunk_number=1)
    calculator.fit(then)

    def run():
        found = calculator.calculate(now).filter(period="analysis").to_df()
        return [float(found[name, "jensen_shannon", "value"].iloc[-1]) for name in names]

    return {"Jensen-Shannon": lambda: run}
