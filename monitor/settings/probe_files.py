"""The set of golden probes that the settings of a model name, once its signatures held."""

from monitor.errors import Permanent
from monitor.facts import ModelName
from monitor.rollback.signing import Purpose, Trust
from monitor.serving.probe_set import ProbeSet, parse
from monitor.settings.model_sections import Probes


def opened_probes(probes: Probes, model: ModelName) -> ProbeSet:
    """Read the set; SettingsError for the keys, Permanent (Untrusted, too) for the file, Transient.

    Neither quotes what the file holds.
    """
    trust = Trust.load(dict.fromkeys(probes.trust, frozenset({Purpose.PROBES})), {Purpose.PROBES: probes.signatures})
    found = parse(trust.open_file(Purpose.PROBES, probes.file).payload)
    if found.model != model:
        raise Permanent(f"{probes.file} holds the probes of another model")
    return found
