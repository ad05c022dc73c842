"""What must hold between settings, none of which is wrong alone.

Each check names what it reads (`draft.kept`) and is silent if any of it was faulty: its answer would be
about a default.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from monitor.decisions.rules import RulePack
from monitor.errors import Problem
from monitor.facts import Mode, ModelName
from monitor.settings.model_sections import MonitoredModel
from monitor.settings.sections import Settings
from monitor.settings.structure import Draft
from monitor.settings.target_sections import SYMLINK

HOUR_S = 3600.0
_ANY_HOST = {"0.0.0.0", "::"}  # noqa: S104 - compared with, never bound here


def crosschecks(draft: Draft, settings: Settings, packs: Mapping[ModelName, RulePack]) -> Iterator[Problem]:
    """Yield every contradiction; `packs` holds the rule packs that could be read."""
    yield from _listeners(draft, settings)
    yield from _time(draft, settings)
    yield from _receivers(draft, settings)
    yield from _links(settings)
    for name, model in settings.models.items():
        yield from _rollback(draft, f"models.{name}", model)
        yield from _known_good(f"models.{name}", model)
        yield from _probes(draft, f"models.{name}", model)
        yield from _labels(draft, settings, f"models.{name}", model)
        yield from _replayed(draft, settings, f"models.{name}.target", model)
        if name in packs:
            yield from _windows(draft, settings, model, packs[name])
            yield from _segments(draft, f"models.{name}.segments", model, packs[name])


def _listeners(draft: Draft, settings: Settings) -> Iterator[Problem]:
    http, metrics = settings.http, settings.metrics
    shared = http.host == metrics.host or metrics.host in _ANY_HOST
    if draft.kept("http", "metrics") and shared and http.port == metrics.port != 0:
        yield Problem("metrics.port", f"is {metrics.port}, where http listens", "give it a port of its own: 9470")
    if draft.kept("http") and http.in_flight_bytes_max < http.body_bytes_max:
        hint = f"at least {http.body_bytes_max}, or lower http.body_bytes_max"
        yield Problem("http.in_flight_bytes_max", "is less than one body may hold", hint)


def _time(draft: Draft, settings: Settings) -> Iterator[Problem]:
    if draft.kept("panes") and settings.panes.horizon < settings.panes.length:
        yield Problem("panes.horizon", "is shorter than one pane", f"at least {settings.panes.length}")
    if draft.kept("panes") and settings.panes.age_max < settings.panes.horizon:
        hint = f"at least {settings.panes.horizon}, or lower panes.horizon"
        yield Problem("panes.age_max", "is shorter than labels are remembered", hint)
    behind, horizon = settings.time.behind_max, settings.panes.horizon
    chosen = "behind_max" in settings.time.model_fields_set  # the default gives way by itself
    if draft.kept("panes", "time") and chosen and behind > horizon:
        hint = f"at most {horizon}, or raise panes.horizon: an older row would be counted anew each time it is sent"
        yield Problem("time.behind_max", "is longer than ids are remembered", hint)


def _labels(draft: Draft, settings: Settings, path: str, model: MonitoredModel) -> Iterator[Problem]:
    feed, panes = model.labels, settings.panes
    if not draft.kept("panes", f"{path}.labels"):
        return
    if feed.window < panes.length:
        yield Problem(f"{path}.labels.window", "is shorter than one pane", f"at least {panes.length}")
    if feed.deadline > panes.horizon and "deadline" in feed.model_fields_set:  # the default gives way by itself
        hint = f"at most {panes.horizon}, or raise panes.horizon"
        yield Problem(f"{path}.labels.deadline", "is later than labels are remembered", hint)


def _receivers(draft: Draft, settings: Settings) -> Iterator[Problem]:
    yield from _unique("receivers", draft.receivers, [receiver.name for receiver in settings.receivers])
    yield from _unique("alertmanagers", draft.alertmanagers, [each.name for each in settings.alertmanagers])


def _unique(section: str, places: Sequence[int], names: Sequence[str]) -> Iterator[Problem]:
    for place, name in zip(places, names, strict=True):
        first = places[names.index(name)]
        if place != first:
            yield Problem(f"{section}.{place}.name", f"is {name!r}, as that of {section}.{first}", "names are unique")


def _links(settings: Settings) -> Iterator[Problem]:
    moved = {name: model.target.moves for name, model in settings.models.items() if model.target}
    used = Counter(moved.values())
    for name, what in moved.items():
        if what and used[what] > 1:
            kind, place = what[0], f"models.{name}.target"
            if kind == SYMLINK:
                yield Problem(f"{place}.link", "is the link of another model too", "one link for each model")
            else:
                yield Problem(place, "moves what another model's target moves, too", "one for each model")


def _rollback(draft: Draft, path: str, model: MonitoredModel) -> Iterator[Problem]:
    limits, mode = model.rollback, model.rollback.mode
    if draft.kept(f"{path}.rollback") and limits.per_week < limits.per_day:
        yield Problem(f"{path}.rollback.per_week", "is less than per_day", f"at least {limits.per_day}")
    if mode is Mode.OBSERVE:  # what a mode with a fault is taken for, too
        return
    needs = {
        "serving": "a switch is proved by asking the model server",
        "target": "there is nothing to switch",
        "known_good": "no automatic switch without paired evidence that the target would do better",
    }
    for name, why in needs.items():
        asked = name != "known_good" or mode is Mode.AUTO
        if asked and getattr(model, name) is None and draft.kept(f"{path}.{name}"):
            yield Problem(f"{path}.{name}", f"is required by rollback.mode {mode.value}", f"{why}; or observe")


def _replayed(draft: Draft, settings: Settings, path: str, model: MonitoredModel) -> Iterator[Problem]:
    """A replay decides by invented times: it must not be able to switch what serves somebody."""
    if settings.replay and model.target and not model.target.demo and draft.kept("replay", f"{path}.demo"):
        hint = "demo: true, if it serves nobody but a demonstration; otherwise leave target out, or replay: false"
        yield Problem(f"{path}.demo", "is not true: a replay touches no target but that of a demonstration", hint)


def _known_good(path: str, model: MonitoredModel) -> Iterator[Problem]:
    serving, known_good = model.serving, model.known_good
    if serving and known_good and (serving.url, serving.model) == (known_good.url, known_good.model):
        yield Problem(f"{path}.known_good.model", "is what is served: it would be compared with itself", "")


def _probes(draft: Draft, path: str, model: MonitoredModel) -> Iterator[Problem]:
    if model.probes and model.serving is None and draft.kept(f"{path}.serving"):
        yield Problem(f"{path}.probes", "has nobody to ask", "add serving: the model server that is asked")


def _segments(draft: Draft, path: str, model: MonitoredModel, pack: RulePack) -> Iterator[Problem]:
    known = ", ".join(model.segments) or "none"
    for rule in pack.rules:
        if rule.by and rule.by not in model.segments and draft.kept(path):
            yield Problem(f"{model.rules}:{rule.name}", f"reads by {rule.by}, which is no segment", f"{path}: {known}")


def _windows(draft: Draft, settings: Settings, model: MonitoredModel, pack: RulePack) -> Iterator[Problem]:
    panes = settings.panes
    if not draft.kept("panes"):
        return
    if pack.watch is not None and panes.length > HOUR_S:
        hint = f"panes.length is {panes.length}; leave the section out, or take 1h at most"
        yield Problem(
            f"{model.rules}:sequential", "needs panes of an hour at most, because bands are by the hour", hint
        )
    for rule in pack.rules:
        path = f"{model.rules}:{rule.name}"
        if rule.window_s % panes.length and not rule.sequential:
            yield Problem(path, f"has a window that is no multiple of panes.length, {panes.length}", "")
        if rule.window_s > panes.horizon:
            yield Problem(path, f"has a window longer than panes.horizon, {panes.horizon}", "")
