"""What is no fault of the settings, and what their owner should know before relying on them.

Told by `tocsin check-config` and in the log of a start or reload; nothing is refused for it.
"""

from collections.abc import Iterator

from monitor.decisions.epochs import last_known_good
from monitor.errors import Problem
from monitor.facts import ModelName
from monitor.panes.reference import Reference, decode_reference
from monitor.rollback.release.read import load
from monitor.settings.fits import believed
from monitor.settings.model_sections import MonitoredModel
from monitor.settings.rules import read_rules
from monitor.settings.sections import Settings


def advise(settings: Settings) -> Iterator[Problem]:
    """Yield what is to be known of settings that `load` took."""
    for name, model in settings.models.items():
        if read_rules(model.rules).watch is not None:
            yield from told_of_bands(name, judging(name, model))


def judging(name: ModelName, model: MonitoredModel) -> Reference:
    """The reference of the last known-good."""
    index = model.release.index
    found = load(index, believed(model.release))
    good = last_known_good([bundle for bundle in found.bundles if bundle.model == name])
    assert good is not None, "settings without a known-good are refused"
    return decode_reference((index.parent / good.reference).read_bytes())


def told_of_bands(name: ModelName, reference: Reference) -> Iterator[Problem]:
    """Yield what a budget of false alarms cannot do with the bands of this reference."""
    where, rhythm = f"models.{name}.release", reference.rhythm
    if rhythm is None:
        hint = "build the profile again with tocsin reference build; until then all of it is unknown"
        yield Problem(where, "judges by a reference without bands: nothing can page by a budget", hint)
        return
    if not rhythm.timed:
        yield Problem(where, f"judges by bands that know no time: {rhythm.why}", "tocsin bands prints its bands")
    bands = (*rhythm.signals, *(each.band for each in rhythm.scored))
    unknown = sum(band.centre is None for band in bands)
    if 2 * unknown > len(bands):
        hint = "tocsin bands says why, one by one; a longer history helps"
        yield Problem(where, f"judges by a reference in which {unknown} of {len(bands)} bands are unknown", hint)
