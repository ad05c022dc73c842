"""Settings come from one file, are checked completely before anything starts, and never change while they are read.

Whatever is wrong is told at once, each problem with its path, its line and what to do; nothing is guessed or repaired.
"""

from monitor.settings.advice import advise
from monitor.settings.evidence_sections import Evidence, EvidenceMetric, ModelEvidence
from monitor.settings.load import check, load
from monitor.settings.model_sections import (
    KnownGood,
    LabelFeed,
    MonitoredModel,
    RollbackLimits,
    Samples,
    SegmentColumn,
    Serving,
)
from monitor.settings.notice_sections import Alertmanager, Grouping, Receiver, Repeat, Silences
from monitor.settings.rules import load_rules
from monitor.settings.sections import Audit, Fold, Http, Metrics, Panes, Settings, TimeBounds
from monitor.settings.target_sections import Target
from monitor.settings.units import Duration, Size

__all__ = [
    "Alertmanager",
    "Audit",
    "Duration",
    "Evidence",
    "EvidenceMetric",
    "Fold",
    "Grouping",
    "Http",
    "KnownGood",
    "LabelFeed",
    "Metrics",
    "ModelEvidence",
    "MonitoredModel",
    "Panes",
    "Receiver",
    "Repeat",
    "RollbackLimits",
    "Samples",
    "SegmentColumn",
    "Serving",
    "Settings",
    "Silences",
    "Size",
    "Target",
    "TimeBounds",
    "advise",
    "check",
    "load",
    "load_rules",
]
