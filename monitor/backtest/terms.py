"""The configuration that a backtest is of: whose bins and bands, which rules, and how rows are parted.

Either a settings file and a model of it (the reference of its last known-good, its rules, segments and grace), or a
reference profile and a rule pack by themselves.

A tolerance may be tried without building the reference again: bands are made of it when they are asked for, so only
they change, and the bins in which everything is counted stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Final

import msgspec

from monitor.decisions.rules import Rule, RulePack, misfits
from monitor.errors import Corrupt, Problem, SettingsError
from monitor.facts import ModelName, Schema, Severity, Subject
from monitor.panes.layout import Layout
from monitor.panes.reference import Reference, decode_reference
from monitor.panes.segments import Segments
from monitor.settings import LabelFeed, load
from monitor.settings.advice import judging
from monitor.settings.fits import chosen
from monitor.settings.rules import read_rules
from monitor.turns import closing
from monitor.turns.label_windows import terms_of
from monitor.turns.lookout import MINUTE_S, Lookout

GRACE_S: Final = 60.0  # panes.grace of settings that leave it out
NEEDS_LABELS: Final = (Subject.OUTCOMES, Subject.PAIRS)


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Everything that is judged by."""

    layout: Layout
    pack: RulePack
    grace_s: float = GRACE_S
    segments: Segments | None = None
    state_dir: Path | None = None
    feed: LabelFeed = field(default_factory=LabelFeed)  # when windows of labels close
    pane_s: int = MINUTE_S
    horizon_s: float = inf  # panes have no detail after that, so no window of labels waits for longer

    @property
    def label_windows(self) -> closing.Terms:
        """When windows of labels close."""
        return terms_of(self.feed, self.grace_s, self.horizon_s)

    @property
    def model(self) -> ModelName:
        """Whose rows are judged."""
        return self.layout.reference.schema.model

    @property
    def tolerance(self) -> float | None:
        """Of the bands; None where the reference has none."""
        rhythm = self.layout.reference.rhythm
        return None if rhythm is None else rhythm.tolerance

    @property
    def windowed(self) -> tuple[Rule, ...]:
        """Rules that make alerts of windows, or of ticks of their own."""
        return tuple(rule for rule in self.pack.rules if rule.severity is not Severity.NONE)

    def lookout(self) -> Lookout | None:
        """What is bet on; None where the pack sets no budget."""
        minutes = self.pane_s == MINUTE_S
        return None if self.pack.watch is None else Lookout.of(self.layout, self.pack.watch, minutes=minutes)

    def tolerant(self, tolerance: float) -> "Terms":
        """The same with bands of another tolerance; SettingsError where there are no bands or it is none."""
        reference = self.layout.reference
        if reference.rhythm is None:
            raise SettingsError([Problem("tolerance", "has nothing to widen: the reference has no bands")])
        if not 0 <= tolerance < 1:
            raise SettingsError([Problem("tolerance", f"is not a share from 0 to 1: {tolerance}")])
        rhythm = msgspec.structs.replace(reference.rhythm, tolerance=tolerance)
        return replace(self, layout=replace(self.layout, reference=msgspec.structs.replace(reference, rhythm=rhythm)))


def direct(reference: Path, rules: Path) -> Terms:
    """A profile and a pack by themselves; SettingsError with what is wrong with either, or does not fit the other."""
    return _fitting(Terms(Layout.of(_profile(reference)), read_rules(rules)), rules)


def configured(config: Path, model: str | None) -> Terms:
    """One model of a settings file; it may be left unnamed where there is one."""
    settings = load(config)
    if model is None and len(settings.models) > 1:
        named = ", ".join(settings.models)
        raise SettingsError([Problem("--model", "is missing", f"the settings have {named}")])
    name = ModelName(next(iter(settings.models)) if model is None else model)
    if name not in settings.models:
        raise SettingsError([Problem("--model", f"is none of the settings: {name}", ", ".join(settings.models))])
    watched = settings.models[name]
    layout = Layout.of(judging(name, watched))
    segments = Segments.fitting(chosen(watched.segments), layout)
    terms = Terms(
        layout,
        read_rules(watched.rules),
        settings.panes.grace,
        segments,
        settings.state_dir,
        watched.labels,
        int(settings.panes.length),
        settings.panes.horizon,
    )
    return _fitting(terms, watched.rules)


def demand_schema(found: Schema, wanted: Schema) -> None:
    """SettingsError with what of a history's schema is not the reference's."""
    problems = [
        Problem(f"schema.{name}", f"is {_said(mine)}, and the reference has {_said(theirs)}", "it was built otherwise")
        for name, mine, theirs in (
            ("model", found.model, wanted.model),
            ("task", found.task.value, wanted.task.value),
            ("classes", found.classes, wanted.classes),
            ("positive", found.positive, wanted.positive),
            ("features", _kinds(found), _kinds(wanted)),
        )
        if mine != theirs
    ]
    if problems:
        raise SettingsError(problems)


def _profile(path: Path) -> Reference:
    try:
        return decode_reference(path.read_bytes())
    except OSError as error:
        hint = "tocsin reference build makes one"
        raise SettingsError([Problem(str(path), error.strerror or "cannot be read", hint)]) from error
    except Corrupt as error:
        raise SettingsError([Problem(str(path), str(error))]) from error


def _fitting(terms: Terms, rules: Path) -> Terms:
    wrong = misfits(terms.pack, terms.layout.task)
    if wrong:
        raise SettingsError([Problem(f"{rules}:{each.path}", each.message, each.hint) for each in wrong])
    return terms


def _kinds(schema: Schema) -> tuple[str, ...]:
    return tuple(f"{feature.name}: {feature.kind.value}" for feature in schema.features)


def _said(value: object) -> str:
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    return ", ".join(map(str, value)) or "nothing"
