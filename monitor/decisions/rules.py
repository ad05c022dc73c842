"""Rules: which detector reads what, how long a breach must hold, how loudly it speaks, what it may support.

`rules/default.yaml` is the documentation of the form. A pack is parsed as a whole: every problem is reported at once,
with its path in the document and a hint. What is refused here can never weaken the rollback policy later:

- a rule's family is bound to what it reads (`FAMILIES`), so that input drift cannot be declared as `labels` and count
  as a second, independent signal;
- families that say nothing about the model (`features`, `volume`) cannot carry `rollback: true`;
- `family: paired` with `rollback: true` means "the target would do better", which only a detector of error
  differences says (`PROVES_BETTER`); two models may disagree and both be right;
- how labels come (`OF_LABELS_THEMSELVES`) says nothing of the model, whatever the family;
- what is only expected of labels (`DISPLAYED`) makes no alert at all: an estimate is as sure of a backdoored model.

What pages by a budget of false alarms has a section of its own, `sequential:` (`monitor.decisions.budget`); its rules
are made here, so that an alert of theirs is one like any other.

Whether a pack fits a model depends on the model's task, which a pack does not know: `misfits` says what does not.
"""

import re
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from monitor.decisions.budget import MOVED, SEVERITIES, WATCHED, Budgeted, Watch, read_watch, rule_name
from monitor.decisions.entry import Entry
from monitor.detectors.protocol import CLASSIFICATION, Detector, Sequential
from monitor.detectors.sequential import Tier
from monitor.detectors.sequential.ledger import SUPPORTS
from monitor.errors import Problem, SettingsError
from monitor.facts import EVERY_TASK, Family, FeatureKind, Severity, Subject, Task

VERSION = 1
FAMILIES: dict[Subject, tuple[Family, ...]] = {  # the first is what a rule gets when it names none
    Subject.FEATURES: (Family.FEATURES, Family.QUALITY),
    Subject.OUTPUT: (Family.OUTPUT, Family.QUALITY),
    Subject.SCORE: (Family.OUTPUT, Family.QUALITY),
    Subject.OUTCOMES: (Family.LABELS, Family.VOLUME),
    Subject.EXPECTED: (Family.OUTPUT,),
    Subject.PAIRS: (Family.PAIRED, Family.OUTPUT),
    Subject.ARRIVALS: (Family.VOLUME,),
    Subject.GROUPS: (Family.FAIRNESS,),
}
SUPPORTING = (Family.PAIRED, Family.LABELS, Family.OUTPUT, Family.QUALITY)  # may support a rollback, never alone
PROVES_BETTER = (
    "paired_error",
    "paired_absolute_error",
)  # detectors whose breach says that the known-good errs less on the same rows
OF_LABELS_THEMSELVES = (
    "label_coverage",
    "label_lag",
    "label_selection",
)  # detectors that say how labels come, not what they say
DISPLAYED = (Subject.EXPECTED,)  # subjects for readings alone
SUBJECT_TASKS: dict[Subject, frozenset[Task]] = {  # where not every task has such a view
    Subject.EXPECTED: frozenset({Task.CLASSIFICATION, Task.REGRESSION}),
    Subject.SCORE: CLASSIFICATION,
    Subject.GROUPS: CLASSIFICATION,
    Subject.PAIRS: frozenset({Task.CLASSIFICATION, Task.REGRESSION}),
}
CAUSES: dict[Family, int] = {  # lower is closer to the root; paired stands before features: it cancels the world
    Family.IDENTITY: 0,
    Family.VOLUME: 10,
    Family.QUALITY: 20,
    Family.PAIRED: 30,
    Family.FEATURES: 40,
    Family.LABELS: 50,
    Family.OUTPUT: 60,
    Family.FAIRNESS: 70,
}
BUILT_IN = {  # pages that follow from what is served alone, without a window
    "unregistered": "a model is served that the release index does not know",
    "redelivered": "a model is served again that was rolled back from before",
    "unproved": "the model server does not prove which model it serves; nothing is judged until it does",
    "unsteady": "the model server takes turns between models; nothing is judged until it keeps to one",
    "probe_mismatch": "the model answers golden probes otherwise than its checkpoint did when they were recorded",
}
ESTIMATES_HINT = (
    "an estimate cannot see concept drift or a confident backdoored model: move it under `readings:`, and let labels "
    "(outcomes, pairs) speak"
)
SLOTS_MAX = 100  # longest hold or calm, in windows
REACH_LATE = 48  # windows whose labels may still be on their way: two days of hourly windows


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of defence. `severity` NONE is read and exported only: it never makes an alert."""

    name: str
    family: Family
    subject: Subject
    detector: Detector | Sequential | Budgeted
    window_s: float  # for a sequential detector: the time between ticks
    breaches: int = 1  # N ...
    of: int = 1  # ... of the last M windows of the present epoch
    calm: int = 1  # ok windows since the last breach until an alert resolves
    severity: Severity = Severity.NONE
    rollback: bool = False  # whether it may support one
    better: bool = False  # whether its breach says that the target would do better
    cause: int = 100  # rank, 0 is the root
    summary: str = ""
    by: str = ""  # the segment column whose segments it reads: each by itself, or together (Subject.GROUPS)

    @property
    def sequential(self) -> bool:
        """Whether the detector takes ticks, not windows."""
        return self.tier is not None or hasattr(self.detector, "step")

    @property
    def tier(self) -> Tier | None:
        """The tier of the budget of false alarms that it speaks for; None: it has no part in it."""
        return self.detector.tier if isinstance(self.detector, Budgeted) else None

    @property
    def kinds(self) -> frozenset[FeatureKind]:
        """Of which columns its detector reads; empty where it reads none, or all."""
        return frozenset() if isinstance(self.detector, Budgeted) else self.detector.kinds

    @property
    def labels_late(self) -> bool:
        """Whether a closed window of it may still change, because labels arrive for it."""
        return self.subject in (Subject.OUTCOMES, Subject.PAIRS, Subject.GROUPS)

    @property
    def reach(self) -> int:
        """How many of the newest slots of an epoch decide; older ones need not be kept."""
        return max(self.of, self.calm) + REACH_LATE


@dataclass(frozen=True, slots=True)
class RulePack:
    """All rules of one model, in the document's order; readings are rules of severity NONE and come first.

    `budgeted` are those that follow from `watch`: of each family one for each tier.
    """

    version: int
    rules: tuple[Rule, ...]
    watch: Watch | None = None
    budgeted: tuple[Rule, ...] = ()

    def get(self, name: str) -> Rule | None:
        """The rule of that name."""
        return next((rule for rule in (*self.rules, *self.budgeted) if rule.name == name), None)

    def severity(self, name: str) -> Severity:
        """How loudly a rule of that name speaks; built-in pages are critical, a rule that is gone is a warning."""
        rule = self.get(name)
        return rule.severity if rule else Severity.CRITICAL if name in BUILT_IN else Severity.WARNING

    def cause(self, name: str) -> int:
        """How close to the root it is, 0 first."""
        rule = self.get(name)
        return rule.cause if rule else 0 if name in BUILT_IN else 1000

    def summary(self, name: str) -> str:
        """What it means, in words."""
        rule = self.get(name)
        return (rule.summary if rule else BUILT_IN.get(name, "")) or name.replace("_", " ")


def parse_pack(document: object, detectors: Mapping[str, type]) -> RulePack:
    """Build the rules of a parsed YAML document; SettingsError with every problem in it.

    `detectors` maps the names a rule may use to frozen dataclasses, whose fields are the rule's remaining keys.
    """
    problems: list[Problem] = []
    top = Entry("", document, problems)
    if problems:
        raise SettingsError(problems)
    version = top.take("version")
    if version != VERSION or isinstance(version, bool):
        top.problem("version", f"is not {VERSION}", f"this release reads version {VERSION}")
    rules: list[Rule | None] = []
    for section in ("readings", "rules"):
        for number, item in enumerate(top.sequence(section)):
            rules.append(
                _parse_rule(Entry(f"{section}.{number}", item, problems), detectors, alerting=section == "rules")
            )
    watch = read_watch(Entry("sequential", top.take("sequential"), problems)) if "sequential" in top.left else None
    budgeted = () if watch is None else tuple(follow(watch))
    top.refuse_rest(("version", "sequential", "readings", "rules"))
    known = tuple(rule for rule in rules if rule is not None)
    problems += _repeated((*known, *budgeted))
    if problems:
        raise SettingsError(problems)
    return RulePack(VERSION, known, watch, budgeted)


def misfits(pack: RulePack, task: Task) -> list[Problem]:
    """Rules that a model of this task cannot be read with, by their names; apart from these the pack is good.

    A detector made elsewhere that names no tasks is taken to fit all.
    """
    problems = []
    for rule in pack.rules:
        fits = SUBJECT_TASKS.get(rule.subject, EVERY_TASK) & getattr(rule.detector, "tasks", EVERY_TASK)
        if task not in fits:
            words = f"it is for {' or '.join(sorted(each.value for each in fits))}; leave the rule out"
            problems.append(Problem(rule.name, f"does not fit a {task.value} model", words))
        elif rule.subject is Subject.OUTPUT and _answers(task) not in (rule.kinds or (_answers(task),)):
            kinds = " or ".join(sorted(kind.value for kind in rule.kinds))
            words = f"its detector reads {kinds} columns; leave the rule out"
            problems.append(Problem(rule.name, f"does not fit the output of a {task.value} model", words))
    return problems


def follow(watch: Watch) -> Iterator[Rule]:
    """What every family that has weight may say at every tier; at `rollback` only what can speak against the model.

    None of them says that the target would do better: that is for N of M windows to say (S8).
    """
    for family in WATCHED:
        for tier in Tier if watch.weight(family) > 0 else ():
            supports = tier is Tier.ROLLBACK
            if supports and family not in SUPPORTS:
                continue
            yield Rule(
                rule_name(family, tier),
                family,
                Subject.ARRIVALS,
                Budgeted(tier),
                watch.every_s,
                severity=SEVERITIES[tier],
                rollback=supports,
                cause=CAUSES[family],
                summary=MOVED[family],
            )


def _answers(task: Task) -> FeatureKind:
    """What the histogram of the outputs is like: classes have no order, predicted numbers and lengths have one."""
    return FeatureKind.CATEGORICAL if task is Task.CLASSIFICATION else FeatureKind.NUMERIC


def _parse_rule(entry: Entry, detectors: Mapping[str, type], *, alerting: bool) -> Rule | None:
    """Read one rule, or one reading unless `alerting`; None (and at least one problem) if it cannot be used."""
    if not isinstance(entry.source, Mapping):
        return None
    before = len(entry.problems)
    name = entry.text("name")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or name in BUILT_IN:
        entry.problem("name", "is not a free name", "lower case, digits, underscores; it becomes a metric label")
    subject = entry.enum("subject", Subject)
    chosen = entry.one_of("detector", sorted(detectors))
    if subject is None or chosen is None:
        return None
    detector_type: Any = detectors[chosen]
    if subject not in detector_type.subjects:
        reads = sorted(each.value for each in detector_type.subjects)
        entry.problem("subject", f"is not what {chosen} reads", f"it reads {' or '.join(reads)}")
    clock, other = ("every", "window") if hasattr(detector_type, "step") else ("window", "every")
    if other in entry.left:
        entry.take(other)
        entry.problem(other, f"does not fit {chosen}", f"write `{clock}:`")
    window_s = entry.duration(clock)
    by = entry.text("by")
    if subject is Subject.GROUPS and not by:
        entry.problem("by", "is missing", "name the segment column whose segments are compared")
    if by and clock == "every":
        entry.problem("by", "does not fit a detector that takes ticks", "leave it out")
    allowed = FAMILIES[subject]
    family = entry.enum("family", allowed, allowed[0])
    summary = entry.text("summary")
    if alerting and subject in DISPLAYED:
        entry.problem("subject", f"{subject.value} is for readings alone", ESTIMATES_HINT)
    keys: dict[str, Any] = _alerting(entry, family, chosen, subject) if alerting else {}
    detector = _construct(entry, detector_type, alerting=alerting)
    if family is None or len(entry.problems) > before:
        return None
    return Rule(name, family, subject, detector, window_s, summary=summary, by=by, **keys)


def _alerting(entry: Entry, family: Family | None, detector: str, subject: Subject) -> dict[str, Any]:
    """Read what only a rule that makes alerts has."""
    hold = Entry(f"{entry.path}.hold", entry.left.pop("hold", {}), entry.problems)
    of = hold.integer("of", 1, 1, SLOTS_MAX)
    breaches = hold.integer("breaches", of, 1, SLOTS_MAX)
    if breaches > of:
        hold.problem("breaches", f"is more than of: {of}", "N of M needs N <= M")
    hold.refuse_rest(("breaches", "of"))
    rollback = entry.boolean("rollback")
    if rollback and family is not None and family not in SUPPORTING:
        hint = f"only {', '.join(each.value for each in SUPPORTING)} may support a rollback"
        entry.problem("rollback", f"is not for family {family.value}", hint)
    if rollback and family is Family.PAIRED and detector not in PROVES_BETTER:
        entry.problem(
            "rollback",
            f"cannot rest on {detector}",
            "disagreement is `family: output`; see " + ", ".join(PROVES_BETTER),
        )
    if rollback and detector in OF_LABELS_THEMSELVES:
        entry.problem(
            "rollback", f"cannot rest on {detector}", "labels that come late or not at all say nothing of the model"
        )
    if rollback and subject in DISPLAYED:
        entry.problem("rollback", f"cannot rest on {detector}", ESTIMATES_HINT)
    return {
        "breaches": breaches,
        "of": of,
        "calm": entry.integer("calm", 1, 1, SLOTS_MAX),
        "severity": entry.enum("severity", (Severity.WARNING, Severity.CRITICAL)),
        "rollback": rollback,
        "better": rollback and family is Family.PAIRED,
        "cause": entry.integer("cause", CAUSES[family] if family else 0, 0, 999),
    }


RULE_KEYS = ("name", "family", "subject", "by", "detector", "window", "every", "summary")
ALERT_KEYS = ("hold", "calm", "severity", "rollback", "cause")


def _construct(entry: Entry, detector_type: Any, *, alerting: bool) -> Any:
    """Build the detector from the keys that are left; its own checks become problems."""
    names = [each.name for each in fields(detector_type) if each.init]
    hints = typing.get_type_hints(detector_type)
    parameters: dict[str, object] = {}
    before = len(entry.problems)
    for name in names:
        if name in entry.left:
            parameters[name] = _parameter(entry, name, hints.get(name))
    entry.refuse_rest((*names, *RULE_KEYS, *(ALERT_KEYS if alerting else ())))
    if len(entry.problems) > before:
        return None
    try:
        return detector_type(**parameters)
    except (TypeError, ValueError) as error:
        entry.problem("detector", str(error))
        return None


def _parameter(entry: Entry, name: str, kind: object) -> object:
    """Check one parameter against its declared type; one whose name ends in `_s` may be a duration."""
    value = entry.take(name)
    if name.endswith("_s") and isinstance(value, str):
        entry.left[name] = value
        return entry.duration(name)
    if value is None and type(None) in typing.get_args(kind):
        return None
    kinds = typing.get_args(kind) or (kind,)
    if int in kinds and not (_is_finite(value) and value == int(typing.cast("float", value))):
        entry.problem(name, "is not an integer")
    elif float in kinds and not _is_finite(value):
        entry.problem(name, "is not a finite number")
    return value


def _is_finite(value: object) -> bool:
    """Whether it is a number that a double can hold: YAML writes `.inf`, `.nan` and integers of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _repeated(rules: Sequence[Rule]) -> list[Problem]:
    names = [rule.name for rule in rules]
    return [
        Problem("rules", f"the name {name} is used {names.count(name)} times", "names are unique, readings included")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
