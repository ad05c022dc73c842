"""Detectors of third parties: packages that are installed beside us and name them in the group `monitor.detectors`.

    [project.entry-points."monitor.detectors"]
    median_shift = "acme_drift:MedianShift"

Only what a rule pack names is imported: an installed package that no rule speaks of runs no code here. Ours cannot be
replaced, because a name would then mean something else on another machine. What such a detector raises while it reads
is `broken` (`monitor.turns.look`); what it is not, is told before the daemon starts.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from monitor.detectors import DETECTORS
from monitor.errors import Problem, SettingsError
from monitor.facts import FeatureKind, Subject

GROUP = "monitor.detectors"


def detectors_for(document: object) -> Mapping[str, type]:
    """Return ours and those of others that this rule pack names; SettingsError for one that is no detector.

    A name that nobody knows is left to `parse_pack`, which tells the names there are.
    """
    named = [name for name in _names(document) if name not in DETECTORS]
    if not named:
        return DETECTORS
    offered: dict[str, list[EntryPoint]] = {}
    for each in entry_points(group=GROUP):
        offered.setdefault(each.name, []).append(each)
    return dict(DETECTORS) | {name: _load(name, offered[name]) for name in named if name in offered}


def _names(document: object) -> Iterable[str]:
    """Names of detectors in a pack that may be wrong in any way."""
    sections = [document.get(key) for key in ("readings", "rules")] if isinstance(document, dict) else []
    rules = [rule for section in sections if isinstance(section, list) for rule in section if isinstance(rule, dict)]
    return dict.fromkeys(name for rule in rules if isinstance(name := rule.get("detector"), str))


def _load(name: str, offers: list[EntryPoint]) -> type:
    if len(offers) > 1:
        packages = " and ".join(sorted(each.dist.name if each.dist else each.value for each in offers))
        raise _refused(name, f"is offered by {packages}", "uninstall one of them")
    try:
        found = offers[0].load()
    except Exception as error:
        raise _refused(name, f"cannot be imported: {type(error).__name__}", f"it is {offers[0].value}") from error
    if why := _misfit(found):
        raise _refused(name, f"is no detector: {why}", f"it is {offers[0].value}; see docs/detectors.md")
    loaded: type = found
    return loaded


def _misfit(found: Any) -> str:
    """Say what a class lacks of `monitor.detectors.protocol`, or nothing."""
    if not isinstance(found, type) or not dataclasses.is_dataclass(found):
        return "it must be a frozen dataclass"
    if not found.__dataclass_params__.frozen:  # type: ignore[attr-defined] # typeshed does not know it
        return "the dataclass must be frozen"
    if not callable(getattr(found, "read", None)) and not callable(getattr(found, "step", None)):
        return "it has neither read nor step"
    for attribute, kind in (("subjects", Subject), ("kinds", FeatureKind)):
        values = getattr(found, attribute, None)
        if not isinstance(values, frozenset) or not all(isinstance(value, kind) for value in values):
            return f"{attribute} must be a frozenset of {kind.__name__}"
    return ""


def _refused(name: str, message: str, hint: str) -> SettingsError:
    return SettingsError([Problem(f"detector {name}", message, hint)])
