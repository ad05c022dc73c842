"""whylogs: a profile of the frame, with all its metrics or the distributions alone, and its distance from another."""

import pandas as pd
import whylogs as why
from whylogs.core.datatypes import Fractional
from whylogs.core.metrics import StandardMetric
from whylogs.core.resolvers import MetricSpec, ResolverSpec
from whylogs.core.schema import DeclarativeSchema
from whylogs.viz.drift.column_drift_algorithms import Hellinger


def prepare(window, reference):
    names = [f"n{i:02}" for i in range(len(window))]
    now, then = (pd.DataFrame(values.T, columns=names) for values in (window, reference))
    lean = DeclarativeSchema(
        [ResolverSpec(column_type=Fractional, metrics=[MetricSpec(StandardMetric.distribution.value)])]
    )
    known = why.log(then).view()
    score = Hellinger()

    def run(schema):
        found = why.log(now, schema=schema).view()
        return [score.calculate(found.get_column(name), known.get_column(name)).statistic for name in names]

    return {"a profile": lambda: lambda: run(None), "distributions alone": lambda: lambda: run(lean)}
