"""A model with what an earlier run left of it."""

from monitor.decisions.rollback import RUNNING
from monitor.decisions.rules import RulePack
from monitor.decisions.state import ModelState
from monitor.errors import Problem, SettingsError
from monitor.facts import Incident, ModelName, Rollback
from monitor.rollback.release.memory import IndexMemory
from monitor.settings import MonitoredModel, Settings
from monitor.settings.fits import believed, fit_problems, judging
from monitor.store.protocol import Change, Store
from monitor.turns.kill_switch import FILE, KillSwitch
from monitor.turns.loading import Releases, Shelf, shelved
from monitor.turns.telling import telling
from monitor.turns.watched import Reached, Timeline, Totals, Watched


def resumed(store: Store, shelf: Shelf, settings: Settings, name: ModelName, pack: RulePack) -> Watched:
    """Read a model back; SettingsError if what is stored, or released, does not fit its settings."""
    model = settings.models[name]
    state = store.facts(ModelState).get(name, ModelState(name))
    refuse_stranded(model, state)
    releases = Releases(
        model.release.index,
        name,
        shelf,
        belief=believed(model.release),
        memory=store.facts(IndexMemory).get(name, IndexMemory()),
        remember=lambda memory: store.commit(Change(puts=((name, memory),))),
    )
    epochs = store.facts(Timeline).get(name, Timeline()).epochs
    bundles = releases.load()
    judge = judging(bundles, shelf.layouts)
    assert judge is not None, "a release index without a known-good is refused"
    if problems := list(fit_problems(f"models.{name}", model, pack, judge)):
        raise SettingsError(problems)
    shelved(shelf, (digest for epoch in epochs for digest in (epoch.judge, epoch.own)))
    return Watched(
        name=name,
        settings=model,
        pack=pack,
        releases=releases,
        bundles=bundles,
        layouts=shelf.layouts,
        state=state,
        epochs=epochs,
        reached=store.facts(Reached).get(name, Reached()),
        totals=store.facts(Totals).get(name, Totals()),
        incidents={key: one for key, one in store.facts(Incident).items() if one.model == name},
        rollbacks={key: one for key, one in store.facts(Rollback).items() if one.model == name},
        killed=KillSwitch(settings.state_dir / FILE).is_set,
        telling=telling(settings),
    )


def refuse_stranded(settings: MonitoredModel, state: ModelState) -> None:
    """SettingsError if a rollback is under way and the settings no longer say of what."""
    under_way = state.rollback is not None and state.rollback.step in RUNNING
    if under_way and (settings.target is None or settings.serving is None):
        hint = "put target and serving back until it has ended; in mode observe automation does not begin the switch"
        raise SettingsError([Problem(f"models.{state.model}", "a rollback is under way and has no target", hint)])
