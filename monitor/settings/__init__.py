"""Settings come from one file, are checked completely before anything starts, and never change while they are read.

Whatever is wrong is told at once, each problem with its path, its line and what to do; nothing is guessed or repaired.
"""

from monitor.settings.load import check, load
from monitor.settings.rules import load_rules
from monitor.settings.sections import (
    Alertmanager,
    Fold,
    Grouping,
    Http,
    KnownGood,
    LabelFeed,
    Metrics,
    MonitoredModel,
    Panes,
    Receiver,
    RollbackLimits,
    Serving,
    Settings,
    Target,
    TimeBounds,
)
from monitor.settings.units import Duration, Size

__all__ = [
    "Alertmanager",
    "Duration",
    "Fold",
    "Grouping",
    "Http",
    "KnownGood",
    "LabelFeed",
    "Metrics",
    "MonitoredModel",
    "Panes",
    "Receiver",
    "RollbackLimits",
    "Serving",
    "Settings",
    "Size",
    "Target",
    "TimeBounds",
    "check",
    "load",
    "load_rules",
]
