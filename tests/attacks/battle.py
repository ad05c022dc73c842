"""A bundle that serves under attack: real turns over the real store, in mode auto, by the rules of the default pack.

The section `sequential` of the pack is left out, and with it the gate `false_alarms`: a gate can only forbid, so what
does not act here does not act with it. Windows are of an hour, so that three of them are 1,500 rows and not a week.
"""

from dataclasses import replace as replace_rule
from pathlib import Path

import numpy as np
import yaml
from world import SCHEMA, Turns, answer, label, profile, reference

from monitor.decisions import policy
from monitor.decisions.rules import RulePack, parse_pack
from monitor.detectors import DETECTORS
from monitor.facts import Mode
from monitor.panes.layout import Layout
from monitor.turns.opinion import Opinion

HOUR = 3600.0
ROWS = 500  # in an hour: 400 labels and more, as the promise S8 says
USUAL = 1 / 3  # share of wrong answers, of the reference too
DEFAULT = Path(__file__).parents[2] / "rules" / "default.yaml"
MISSING = {"name": "column_missing", "subject": "features", "detector": "missing_share", "limit": 0.9, "rows_min": 100}
DRIFT = {"name": "drift", "subject": "features", "detector": "psi", "limit": 0.2}


def rules():
    """What of the default pack may support a rollback, and what pages about the input; windows of an hour."""
    found = [rule for rule in yaml.safe_load(DEFAULT.read_text())["rules"] if rule.get("rollback")]
    paging = [{**rule, "severity": "critical"} for rule in ({**MISSING, "family": "quality"}, DRIFT)]
    return parse_pack({"version": 1, "rules": [{**rule, "window": "1h"} for rule in (*found, *paging)]}, DETECTORS)


PACK = rules()


class Battle:
    """v2, a candidate, serves; v1, the known-good, answers every row, too. Both err as the reference does."""

    def __init__(self, directory, prepare=lambda turns: None):
        """`prepare` is done to the turns before they turn."""
        self.second = {}  # what the known-good says of a row, by its id
        self.rng = np.random.default_rng(5)
        layouts = Layout.of(profile(SCHEMA, rows=1500).reference), Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
        self.turns = Turns(directory, *PACK.rules, served="v2", mode=Mode.AUTO, layouts=layouts, ask=self.ask)
        prepare(self.turns)
        self.turns.settle(0.0)

    async def ask(self, watched, rows, keys):
        own = zip(rows.ids.to_pylist(), rows.outputs.tolist(), strict=True)
        said = np.array([self.second.get(ident, output) for ident, output in own], np.uint8)
        return Opinion(said, asked=len(said))

    # ------------------------------------------------------------ traffic

    def rows(self, at, n=ROWS, *, wrong=USUAL, good_wrong=USUAL, every_s=None, **features):
        """Rows of the hour `at`, and what is true of each; the known-good errs on its own."""
        step = every_s or (HOUR - 60) / n
        rows = [answer(SCHEMA, self.rng, f"{at}-{i}", HOUR * at + i * step) for i in range(n)]
        for row in rows:
            row.features.update(features)
        truth = [row.output ^ bool(self.rng.random() < wrong) for row in rows]
        self.second |= {
            row.id: said ^ bool(self.rng.random() < good_wrong) for row, said in zip(rows, truth, strict=True)
        }
        return rows, truth

    def labels(self, rows, truth, source="ops"):
        """What a source says of rows."""
        return [label(row.id, float(said), row.time + 30, source) for row, said in zip(rows, truth, strict=True)]

    def hour(self, at, **about):
        """An honest hour: rows, their labels, and a look after its end."""
        rows, truth = self.rows(at, **about)
        self.send(rows, self.labels(rows, truth))
        self.look(at + 1)

    def send(self, *batches):
        """Rows that intake has accepted."""
        self.turns.send(*[rows for rows in batches if rows])

    def look(self, hours):
        """Turn when so many hours have passed."""
        self.turns.settle(HOUR * hours + 1)

    # ------------------------------------------------------------ the end

    @property
    def rollbacks(self):
        """All that were ever begun."""
        return list(self.turns.watched.rollbacks.values())

    def why(self):
        """What the policy saw last."""
        decision = self.turns.watched.state.decision
        return {} if decision is None else {gate.name: gate.held for gate in decision.gates}

    def remember(self, state):
        """Let this be what is remembered of the model."""
        self.turns.watched.state = state


def without(monkeypatch, *names):
    """Let the policy have no gates of these names."""
    left = tuple(gate for gate in policy.GATES if gate.__name__.lstrip("_") not in names)
    assert len(left) == len(policy.GATES) - len(names), names
    monkeypatch.setattr(policy, "GATES", left)


def change_rules(battle, *names, detector=(), **changes):
    """Let rules of these names be others; `detector` changes its parameters."""
    rules = tuple(
        replace_rule(rule, detector=replace_rule(rule.detector, **dict(detector)), **changes)
        if rule.name in names
        else rule
        for rule in battle.turns.watched.pack.rules
    )
    battle.turns.watched.pack = battle.turns.pack = RulePack(1, rules)
