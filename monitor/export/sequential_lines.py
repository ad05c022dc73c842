"""The lines of the e-detector of one model. Latched groups are the loudest LATCHED_MAX: a page has room for no more."""

from typing import Final

from monitor.export.sequential import SequentialView, WindowsView
from monitor.export.series import Series
from monitor.export.snapshot import ReferenceRole

LATCHED_MAX: Final = 50  # of one model; those left out are counted in tocsin_series_dropped_total


def add_sequential(series: Series, model: str, view: SequentialView) -> None:
    """Add everything; of what was never bet on there is no evidence, hence no sample."""
    for tier, minutes in view.budgets.items():
        series.add("tocsin_sequential_budget_seconds", 60 * minutes, model=model, tier=tier)
    series.add("tocsin_sequential_bands", view.watched, model=model)
    series.add("tocsin_sequential_bands_unknown", view.unknown, model=model)
    series.add("tocsin_sequential_rows_total", view.rows, model=model)
    series.add("tocsin_sequential_every_seconds", view.every_s, model=model)
    series.add("tocsin_sequential_tick_timestamp_seconds", view.at, model=model)
    if view.labels is not None:
        _add_windows(series, model, view.labels)
    if (segments := view.segments) is not None:
        many = {"watched": len(segments.watched), "unknown": len(segments.unknown), "left": segments.left}
        for state, count in many.items():
            series.add("tocsin_sequential_segments", count, model=model, state=state)
    for each in view.evidence:
        series.add("tocsin_sequential_log_odds", each.log_odds, model=model, family=each.family, tier=each.tier)
    for rule, verdicts in view.verdicts.items():
        for verdict, groups in verdicts.items():
            labels = {"model": model, "rule": rule, "reference": ReferenceRole.JUDGE.value, "verdict": verdict.value}
            series.add("tocsin_readings", groups, **labels)
    loudest = sorted(view.latched, key=lambda latch: (-latch.odds, latch.rule, latch.group))
    for latch in loudest[:LATCHED_MAX]:
        series.add("tocsin_sequential_latched", 1, model=model, rule=latch.rule, group=latch.group)
    series.dropped += len(loudest[LATCHED_MAX:])


def _add_windows(series: Series, model: str, view: WindowsView) -> None:
    series.add("tocsin_label_windows_open", view.open, model=model)
    for how, windows in view.closed.items():
        series.add("tocsin_label_windows_closed_total", windows, model=model, how=how)
    series.add("tocsin_labels_revised_total", view.revised, model=model)
    series.add("tocsin_labels_expected_ratio", view.expected_share, model=model)
