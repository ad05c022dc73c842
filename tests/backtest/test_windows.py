"""Rules over windows in a replay: they fire when a look would, resolve, hold, and see planted labels."""

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
from histories import NAMES, START, live, replayed, terms, written

from monitor.backtest.plants import read_plants
from monitor.backtest.replay import History, replay_history

HOUR_S, GRACE_S = 3600.0, 60.0
PSI = {"name": "psi", "subject": "features", "detector": "psi", "limit": 0.2, "rows_min": 200, "window": "1h"}
MOVED = PSI | {"severity": "critical"}
SILENCE = {
    "name": "silence",
    "subject": "arrivals",
    "detector": "silence",
    "limit_s": "15m",
    "every": "1m",
    "severity": "critical",
}
ERROR = {
    "name": "error",
    "subject": "outcomes",
    "detector": "error",
    "limit": 0.2,
    "rows_min": 100,
    "window": "1h",
    "severity": "critical",
}


def fired(found, rule: str):
    return [each for each in found.ledgered.told if each.rule == rule]


def test_a_rule_fires_when_its_window_is_over_and_resolves_with_the_first_one_that_is_ok(tmp_path: Path) -> None:
    rows = pa.concat_tables([live(360, shift=2.0, since=60).slice(0, 5_400), live(360).slice(5_400)])
    (one,) = fired(replayed(tmp_path, rows, MOVED), "psi")
    assert one.start == START + 2 * HOUR_S + GRACE_S
    assert one.end == START + 4 * HOUR_S + GRACE_S
    assert (one.tier, one.family) == ("page", "features")
    assert "in f1" in one.words


def test_a_hold_of_two_windows_waits_for_the_second(tmp_path: Path) -> None:
    rule = MOVED | {"hold": {"breaches": 2, "of": 3}}
    (one,) = fired(replayed(tmp_path, live(360, shift=2.0, since=60), rule), "psi")
    assert one.start == START + 3 * HOUR_S + GRACE_S
    assert one.end is None


def test_silence_fires_in_a_gap_and_resolves_after_it(tmp_path: Path) -> None:
    rows = live(240)
    times = rows["at"].to_numpy()
    kept = rows.filter(pa.array((times < START + HOUR_S) | (times >= START + 2 * HOUR_S)))
    (one,) = fired(replayed(tmp_path, kept, SILENCE), "silence")
    assert one.start == START + HOUR_S + 16 * 60.0
    assert START + 2 * HOUR_S < one.end <= START + 2 * HOUR_S + 120.0


def test_windows_without_rows_are_windows_too(tmp_path: Path) -> None:
    volume = {"name": "v", "subject": "arrivals", "detector": "volume", "window": "1h", "severity": "critical"}
    rows = live(480)
    times = rows["at"].to_numpy()
    kept = rows.filter(pa.array((times < START + HOUR_S) | (times >= START + 7 * HOUR_S)))
    (one,) = fired(replayed(tmp_path, kept, volume), "v")
    assert one.start == START + 2 * HOUR_S + GRACE_S


def test_rules_that_need_what_a_history_lacks_are_told(tmp_path: Path) -> None:
    paired = {"name": "p", "subject": "pairs", "detector": "paired_error", "window": "1h", "severity": "warning"}
    by = MOVED | {"name": "s", "by": "origin"}
    found = replayed(tmp_path, live(60), paired, ERROR, by)
    unread = [line.partition(":")[0] for line in found.not_read]
    assert unread == ["labels_*", "paired_*", "p", "error", "s"]


def test_without_a_budget_only_windows_are_read(tmp_path: Path) -> None:
    from monitor.backtest.terms import Terms
    from monitor.decisions.rules import parse_pack
    from monitor.detectors import DETECTORS

    pack = parse_pack({"version": 1, "rules": [MOVED]}, DETECTORS)
    under = Terms(terms().layout, pack)
    found = replay_history(under, written(tmp_path, live(360, shift=2.0, since=60)), (), lambda _: None)
    assert [each.rule for each in found.ledgered.told] == ["psi"]
    assert "no section" in found.not_read[0]


def labelled(folder: Path, minutes: int, wrong: float) -> History:
    rows = live(minutes)
    answers = rows["answer"].to_numpy(zero_copy_only=False)
    bad = np.random.default_rng(3).random(len(rows)) < wrong
    truth = np.where(bad, np.where(answers == "no", "yes", "no"), answers)
    made = written(folder, rows.append_column("truth", pa.array(truth)))
    return History(made.path, made.schema, msgspec.structs.replace(NAMES, label="truth"))


def test_flipped_labels_are_found_by_the_first_window_that_is_over(tmp_path: Path) -> None:
    plants = read_plants([f"label~30%@{_date(START + 2 * HOUR_S)}"], terms().layout)
    found = replay_history(terms(ERROR), labelled(tmp_path, 360, 0.05), plants, lambda _: None)
    (one,) = found.planted
    assert (one.outcome, one.rule, one.delay_s) == ("found", "error", HOUR_S + GRACE_S)
    assert fired(found, "error") == []


def test_labels_that_stay_right_page_nobody(tmp_path: Path) -> None:
    found = replay_history(terms(ERROR), labelled(tmp_path, 240, 0.05), (), lambda _: None)
    assert found.ledgered.told == []
    assert [line.partition(":")[0] for line in found.not_read] == ["labels_*", "paired_*"]


def _date(time: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time, UTC).isoformat()
