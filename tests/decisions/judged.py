"""What the tests of decisions are made of: a small rule pack, three bundles, windows of a day, and script files."""

from collections.abc import Iterator
from dataclasses import replace as replace_rule
from pathlib import Path

from msgspec.structs import replace

from monitor.decisions.case import Case, Signal
from monitor.decisions.judge import ModelState, Terms
from monitor.decisions.rules import RulePack, parse_pack
from monitor.detectors import DETECTORS
from monitor.facts import (
    TRANSITION,
    UNREGISTERED,
    Bundle,
    BundleId,
    BundleStatus,
    Decision,
    Epoch,
    Family,
    Incident,
    Mode,
    ModelName,
    Reading,
    Rollback,
    RollbackStep,
    Ruling,
    Slot,
    Verdict,
)

DAY = 86400.0
HOUR = 3600.0
MODEL = ModelName("delays")
V0, V1, V2, V3 = (BundleId(f"sha256:bundle{number}") for number in range(4))
HOLD = {"window": "1d", "hold": {"breaches": 2, "of": 3}, "calm": 2}
RULES: list[dict[str, object]] = [
    {"name": "paired_error", "subject": "pairs", "detector": "paired_error", "severity": "critical", "rollback": True},
    {"name": "error", "subject": "outcomes", "detector": "error", "severity": "critical", "rollback": True},
    {"name": "output_shift", "subject": "output", "detector": "class_share_shift", "severity": "warning"},
    {"name": "drift", "subject": "features", "detector": "psi", "severity": "warning"},
    {"name": "missing", "subject": "features", "detector": "missing_share", "severity": "warning", "family": "quality"},
    {"name": "broken_schema", "subject": "features", "detector": "invalid_share", "severity": "critical"},
]
RULES[2] |= {"rollback": True}
RULES[5] |= {"family": "quality", "cause": 5}
PACK = parse_pack({"version": 1, "rules": [{**HOLD, **rule} for rule in RULES]}, DETECTORS)
BUDGETED = parse_pack({"version": 1, "sequential": {}}, DETECTORS)
WORDS = {"b": Verdict.BREACH, "o": Verdict.OK, "u": Verdict.UNKNOWN, "x": Verdict.BROKEN} | {
    verdict.value: verdict for verdict in Verdict
}


def make_pack(**changes: object) -> RulePack:
    """The pack with one rule, paired_error, changed."""
    return parse_pack({"version": 1, "rules": [{**HOLD, **RULES[0], **changes}]}, DETECTORS)


def make_bundle(bundle: BundleId, status: BundleStatus = BundleStatus.KNOWN_GOOD) -> Bundle:
    number = int(bundle[-1])
    return Bundle(
        id=bundle,
        model=MODEL,
        checkpoint=f"v{number}.bin",
        checkpoint_digest=f"sha256:bytes{number}",
        reference="reference.json",
        reference_digest="sha256:reference",
        status=status,
        registered=float(number),
        cutoff=-1e9,
        name=f"v{number}",
    )


INDEX = (make_bundle(V1), make_bundle(V2, BundleStatus.CANDIDATE), make_bundle(V3, BundleStatus.CANDIDATE))


def make_epoch(number: int, bundle: BundleId, start: float = 0.0) -> Epoch:
    digest = "" if bundle in (TRANSITION, UNREGISTERED) else f"sha256:bytes{bundle[-1]}"
    return Epoch(number, MODEL, bundle, digest, start, start)


def make_reading(verdict: Verdict, n: int = 500, *, low: float | None = 0.05) -> Reading:
    if verdict in (Verdict.UNKNOWN, Verdict.BROKEN):
        return Reading(verdict, n, why="too little is known")
    value = 0.08 if verdict is Verdict.BREACH else 0.01
    return Reading(verdict, n, value, 0.03, low if verdict is Verdict.BREACH else 0.0, 0.1, "share")


def make_slot(rule: str, epoch: int, day: float, verdict: Verdict, reading: Reading | None = None) -> Slot:
    """The window that ends after `day` days."""
    return Slot(rule, "", epoch, (day - 1) * DAY, day * DAY, reading or make_reading(verdict))


def make_slots(rule: str, epoch: int, verdicts: str) -> tuple[Slot, ...]:
    """One window a day, from a word such as `bbo`."""
    return tuple(make_slot(rule, epoch, day, WORDS[letter]) for day, letter in enumerate(verdicts, start=1))


def make_signal(name: str, verdicts: str, epoch: int = 2, n: int = 500, *, low: float | None = 0.05) -> Signal:
    rule = PACK.get(name) or BUDGETED.get(name)
    if rule is None:
        rule = replace_rule(PACK.rules[0], name=name, family=Family(name), better=False)
    readings = [make_reading(WORDS[letter], n, low=low) for letter in verdicts]
    slots = tuple(make_slot(name, epoch, day, r.verdict, r) for day, r in enumerate(readings, start=1))
    return Signal(name, rule.family, rule.better, rule.breaches, rule.of, slots, rule.tier is not None)


def make_rollback(step: RollbackStep = RollbackStep.PLANNED, at: float = 0.0, source: BundleId = V2) -> Rollback:
    return Rollback("r1", "i1", MODEL, source, V1, Mode.AUTO, step, planned=at, stepped=at)


def make_case() -> Case:
    """v2 is served, errs more than the known-good v1 on the same rows, and more than its reference: all gates hold."""
    signals = (make_signal("paired_error", "bbo"), make_signal("error", "bbo"))
    return Case(MODEL, 30 * DAY, Mode.AUTO, make_epoch(2, V2), INDEX, signals, asked=V1)


def make_terms(**changes: object) -> Terms:
    return Terms(**{"rules": PACK, "bundles": INDEX, "asked": V1, "mode": Mode.AUTO, **changes})  # type: ignore[arg-type]


def make_state(**changes: object) -> ModelState:
    return replace(ModelState(MODEL, epoch=make_epoch(2, V2)), **changes)


def make_incident(**changes: object) -> Incident:
    return replace(Incident("i1", MODEL, 0.0, 2, V2, "error", ("error",)), **changes)


def make_decision() -> Decision:
    return Decision(Ruling.ACT, V1, ())


def script_lines(path: Path) -> Iterator[list[str]]:
    """The words of each line; comments and blank lines are left out."""
    for line in path.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words


def scripts(kind: str) -> list[Path]:
    """Every script of a kind; there is at least one."""
    found = sorted((Path(__file__).parent / "scripts").glob(f"{kind}-*.txt"))
    assert found, f"no {kind} scripts"
    return found
