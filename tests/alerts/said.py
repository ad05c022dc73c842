"""What the tests of Alertmanagers say: alerts of one model that can end, and lines that can be told what to answer."""

from monitor.alerts.said import Key, Standing, say
from monitor.decisions.rules import parse_pack
from monitor.detectors import DETECTORS
from monitor.facts import (
    Alert,
    AlertState,
    BundleId,
    Incident,
    ModelName,
    Reading,
    Slot,
    Verdict,
)

MODEL = ModelName("delays")
KEY = Key(MODEL, "drift", "")
RULES = [
    {"name": "drift", "subject": "features", "detector": "psi", "severity": "warning"},
    {"name": "broken_schema", "subject": "features", "detector": "invalid_share", "severity": "critical"},
]
RULES[1] |= {"family": "quality", "cause": 5}
PACK = parse_pack({"version": 1, "rules": [{"window": "1h", **rule} for rule in RULES]}, DETECTORS)


def make_alert(rule="drift", state=AlertState.FIRING, since=1000.0, segment="", value=0.3):
    reading = Reading(Verdict.BREACH, 1812, value, 0.2)
    slot = Slot(rule, segment, 2, since - 3600.0, since, reading, worst=("wind",))
    return Alert(MODEL, rule, segment, state, since=since, fired=since, epoch=2, evidence=(slot,))


def make_standing(*alerts, incidents=()):
    return Standing(MODEL, tuple(alerts), PACK, list(incidents))


def make_incident(*alerts):
    return Incident("delays-1", MODEL, 1000.0, 2, BundleId("sha256:b"), alerts[0], alerts)


class Mouth:
    """Says that these rules fire since `start`, until told that they are over."""

    def __init__(self, *rules, start=1000.0):
        self.states = dict.fromkeys(rules, AlertState.FIRING)
        self.start, self.value, self.replica = start, 0.3, "0"

    def over(self, rule):
        del self.states[rule]

    def say(self):
        alerts = [make_alert(rule, state, self.start, value=self.value) for rule, state in self.states.items()]
        return say([make_standing(*alerts)], self.replica, {"team": "risk"}, "http://tocsin")
