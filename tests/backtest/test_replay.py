"""A history replayed: quiet ones are quiet, shifts are found, and nothing depends on how the file is read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from histories import START, live, replayed, terms, written

import monitor.ingest.history
from monitor.backtest.plants import read_plants
from monitor.backtest.replay import replay_history
from monitor.errors import SettingsError

HOUR_S = 3600.0


def plant(*texts: str):
    return read_plants(texts, terms().layout)


def outcomes(found) -> list[tuple[str, str]]:
    return [(each.size, each.outcome) for each in found.planted]


def test_a_quiet_month_has_no_page(tmp_path: Path) -> None:
    rows = live(30 * 1440, seed=5)
    found = replay_history(terms(every="10m"), written(tmp_path, rows), (), lambda _: None)
    assert found.rows == len(rows)
    assert found.armed_s == pytest.approx(30 * 86_400.0, rel=1e-3)
    assert [count for (tier, _), count in found.ledgered.counts.items() if tier == "page"] == []


def test_a_shift_of_one_sigma_is_found_within_minutes(tmp_path: Path) -> None:
    found = replayed(tmp_path, live(600), plants=plant("f1+1sigma", "f1-1sigma"))
    assert len(found.planted) == 10
    assert {each.outcome for each in found.planted} == {"found"}
    assert max(each.delay_s for each in found.planted) <= 600.0
    assert all(each.warned_s <= each.delay_s for each in found.planted)


def test_what_is_planted_pages_as_what_is_there(tmp_path: Path) -> None:
    planted = replayed(tmp_path, live(600), plants=plant(f"f1+0.5sigma@{_date(START + 120 * 60)}")).planted[0]
    true = replayed(tmp_path, live(600, shift=0.5, since=120)).ledgered.told
    paged = next(each for each in true if each.rule == "features_page")
    assert paged.group == "features/f1"
    assert (
        abs(paged.start - planted.onset - planted.delay_s) <= 60.0
    )  # sigma of the rows is not quite that of the world


def test_a_page_says_what_moved_from_what_to_what(tmp_path: Path) -> None:
    told = replayed(tmp_path, live(600, shift=1.0, since=120)).ledgered.told
    paged = next(each for each in told if each.rule == "features_page")
    assert paged.odds >= 1
    assert paged.end is None
    assert paged.moved.column == "f1"
    assert paged.moved.direction == "rose"
    assert paged.moved.value > paged.moved.high > paged.moved.low
    assert abs(paged.moved.value - 1.0) < 0.3
    assert abs(paged.moved.since - (START + 120 * 60)) <= 120.0
    assert "is usual" in paged.words


def test_a_shift_that_ends_is_an_alert_that_ends(tmp_path: Path) -> None:
    rows = pa.concat_tables([live(720, shift=1.0, since=60).slice(0, 5_000), live(720).slice(5_000)])
    under = terms(calm="1h")
    told = replay_history(under, written(tmp_path, rows), (), lambda _: None).ledgered.told
    paged = next(each for each in told if each.rule == "features_page")
    assert paged.start < paged.end < rows["at"][-1].as_py()
    assert paged.crossings > 1


@pytest.mark.parametrize("rows_a_batch", [97, 1_000])
def test_how_many_rows_are_read_at_once_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_a_batch: int
) -> None:
    rows = live(300, shift=0.7, since=60)
    plants = plant("f0-1sigma", "f2=missing:20%")
    whole = replayed(tmp_path, rows, plants=plants)
    monkeypatch.setattr(monitor.ingest.history, "BATCH_ROWS", rows_a_batch)
    pieces = replayed(tmp_path, rows, plants=plants)
    assert whole.ledgered.told == pieces.ledgered.told
    assert whole.planted == pieces.planted


def test_rows_that_come_late_are_counted_late_and_bet_on(tmp_path: Path) -> None:
    rows = live(180)
    order = np.arange(len(rows))
    order[1_000:1_020], order[1_500:1_520] = np.arange(1_500, 1_520), np.arange(1_000, 1_020)
    found = replayed(tmp_path, rows.take(order))
    assert found.late >= 20
    assert found.rows == len(rows)


def test_a_shift_that_is_too_small_is_missed_and_one_too_late_tells_nothing(tmp_path: Path) -> None:
    when = _date(START + 8 * HOUR_S)
    plants = plant("f0+0.01sigma", f"f1+0.01sigma@{when}")
    found = replayed(tmp_path, live(600), plants=plants, within_s=3 * HOUR_S)
    assert set(outcomes(found)) == {("0.01sigma", "missed"), ("0.01sigma", "ended")}


def test_a_group_that_paged_before_the_onset_tells_nothing(tmp_path: Path) -> None:
    found = replayed(tmp_path, live(600, shift=1.0, since=60), plants=plant(f"f1+1sigma@{_date(START + 5 * HOUR_S)}"))
    assert outcomes(found) == [("1sigma", "already")]


def test_missing_values_are_found_as_quality(tmp_path: Path) -> None:
    (found,) = replayed(tmp_path, live(600), plants=plant(f"f2=missing:20%@{_date(START + HOUR_S)}")).planted
    assert (found.outcome, found.rule) == ("found", "quality_page")


def test_a_history_of_another_schema_is_refused(tmp_path: Path) -> None:
    import msgspec

    history = written(tmp_path, live(60))
    other = msgspec.structs.replace(history.schema, positive="no")
    with pytest.raises(SettingsError, match=r"schema\.positive"):
        replay_history(terms(), type(history)(history.path, other, history.names), (), lambda _: None)


def test_labels_that_are_not_there_cannot_be_flipped(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="needs labels"):
        replayed(tmp_path, live(60), plants=plant("label~10%"))


def test_progress_hears_both_passes(tmp_path: Path) -> None:
    heard: list[int] = []
    rows = live(120)
    replay_history(terms(), written(tmp_path, rows), (), heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 2 * len(rows)


def _date(time: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time, UTC).isoformat()
