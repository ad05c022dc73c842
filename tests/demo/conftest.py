"""The flights are read and the models fitted once for all tests of the demo: 6 s.

`Days` judges the days of a stretch offline, with the daemon's own bins, detectors, rules and alert states; what it
leaves out is the daemon: journal, epochs, clocks, and readings by segment, which page nobody.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from monitor.decisions.alerts import step
from monitor.facts import Alert, AlertState, Feature, FeatureKind, Schema, Slot, Subject, Verdict
from monitor.panes.build import NO_LABEL, HistoryBatch, build_reference
from monitor.panes.count import bin_rows, count_pairs, count_rows
from monitor.panes.layout import Layout
from monitor.panes.outcomes import count_outcomes
from monitor.panes.receipts import write_receipts
from monitor.panes.rows import CategoricalColumn, NumericColumn, Predictions
from monitor.settings.rules import read_rules

ROOT = Path(__file__).parents[2]
SERVE = ROOT / "examples" / "model_server" / "serve.py"
DAY_S = 86_400


@pytest.fixture(scope="session")
def flights():
    pytest.importorskip("sklearn")
    from monitor.demo.flights import load

    return load()


@pytest.fixture(scope="session")
def server_module():
    """The example's own scoring, so that the test and the demo ask the same code."""
    spec = importlib.util.spec_from_file_location("model_server_serve", SERVE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def scores(flights, server_module):
    """Probability of `late` for every flight of the year, by the demo's v1 and v2 and by an honest retrain."""
    from monitor.demo import train
    from monitor.demo.setting import SEED, known
    from monitor.demo.story import DEPLOY, START

    first, second = known(flights, START), known(flights, DEPLOY)
    labels = {
        "v1": (first, flights.late[first]),
        "v2": (second, train.flip_labels(flights.late[second], SEED)),
        "honest": (second, flights.late[second]),
    }
    columns = flights.features(np.arange(len(flights)))
    fitted = {name: train.encode(train.fit(flights, rows, late)) for name, (rows, late) in labels.items()}
    return {name: server_module.decode(body).score(columns, len(flights)) for name, body in fitted.items()}


@pytest.fixture(scope="session")
def days(flights, scores):
    return Days(flights, scores)


class Days:
    def __init__(self, flights, scores):
        from monitor.demo.setting import known
        from monitor.demo.story import START

        self.flights, self.scores = flights, scores
        self.pack = read_rules(ROOT / "rules" / "demo.yaml")
        batch = self._history(known(flights, START))
        self.layout = Layout.of(build_reference(lambda: iter([batch]), self._schema(), lambda _: None))

    def slots(self, serving, start, end):
        """One slot per rule and day, as it stands when all its truths are known."""
        found = {rule.name: [] for rule in self.pack.rules if not (rule.sequential or rule.by)}
        for day in range(int(start), int(end), DAY_S):
            pane = self._pane(serving, self.flights.departing(day, day + DAY_S))
            for name, slots in found.items():
                reading = self._read(self.pack.get(name), pane)
                slots.append(Slot(name, "", 1, float(day), float(day + DAY_S), reading))
        return found

    def firings(self, name, slots):
        """Days at whose end the rule began to fire."""
        rule, alert, fired = self.pack.get(name), Alert("delays", name, ""), []
        for i in range(len(slots)):
            before, alert = alert, step(alert, slots[: i + 1], rule, slots[i].end)
            if alert.state is AlertState.FIRING and before.state is not AlertState.FIRING:
                fired.append(slots[i].start)
        return fired

    def _pane(self, serving, rows):
        flights, score = self.flights, self.scores[serving][rows]
        outputs = (score >= 0.5).astype(np.uint8)
        good = (self.scores["v1"][rows] >= 0.5).astype(np.uint8)
        predictions = self._predictions(rows, outputs, score)
        labelled = np.flatnonzero(flights.late[rows] >= 0)
        binned, zeros = bin_rows(self.layout, predictions), np.zeros(len(score), np.uint32)
        receipts = write_receipts(
            self.layout, predictions, binned, epochs=zeros, known_good=good, segments=zeros, sources=zeros
        )
        outcomes = count_outcomes(
            self.layout,
            receipts=receipts[labelled],
            labels=flights.late[rows][labelled].astype(float),
            lags_s=(flights.truth_time - flights.time)[rows][labelled],
            sign=np.ones(len(labelled), np.int8),
        )
        return count_rows(self.layout, binned) + count_pairs(self.layout, binned, good) + outcomes

    def _read(self, rule, pane):
        reference = self.layout.reference_pane()
        if rule.subject is not Subject.FEATURES:
            views = (self.layout.view(each, rule.subject) for each in (reference, pane))
            return rule.detector.read(*views)
        kinds = [feature.kind for feature in self.layout.reference.schema.features]
        pairs = zip(kinds, self.layout.features(reference), self.layout.features(pane), strict=True)
        readings = [rule.detector.read(then, now) for kind, then, now in pairs if kind in rule.detector.kinds]
        rank = [Verdict.UNKNOWN, Verdict.OK, Verdict.BREACH]
        return max(readings, key=lambda reading: (rank.index(reading.verdict), reading.value or 0.0))

    def _history(self, rows):
        score = self.scores["v1"][rows]
        labels = np.where(self.flights.late[rows] < 0, NO_LABEL, self.flights.late[rows])
        return HistoryBatch(self._predictions(rows, (score >= 0.5).astype(np.uint8), score), labels)

    def _predictions(self, rows, outputs, score):
        columns = {name: _numbers(values[rows]) for name, values in self.flights.numeric.items()}
        columns |= {name: _words(values[rows]) for name, values in self.flights.categorical.items()}
        times = self.flights.time[rows].astype(np.float64)
        return Predictions.unsent(columns, times=times, outputs=outputs, scores=score)

    def _schema(self):
        numeric = [Feature(name, FeatureKind.NUMERIC) for name in self.flights.numeric]
        categorical = [Feature(name, FeatureKind.CATEGORICAL) for name in self.flights.categorical]
        return Schema("delays", (*numeric, *categorical), ("on_time", "late"), "late")


def _numbers(values):
    return NumericColumn(values, np.isnan(values), np.zeros(len(values), bool))


def _words(values):
    known, codes = np.unique(values.astype(str), return_inverse=True)
    return CategoricalColumn(codes.astype(np.int32), tuple(known.tolist()))
