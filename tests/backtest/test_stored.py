"""Stored panes replayed: as the rows they are counts of, while a daemon runs, and without a trace."""

from pathlib import Path

import msgspec
import pytest
from histories import START, built, live, replayed, terms, written
from states import epoch, fold, state

from monitor.backtest.stored import REFERENCES, replay_state
from monitor.backtest.terms import Terms
from monitor.errors import Permanent, SettingsError
from monitor.facts import TRANSITION
from monitor.panes.layout import Layout
from monitor.panes.reference import digest, encode_reference

PSI = {
    "name": "psi",
    "subject": "features",
    "detector": "psi",
    "limit": 0.2,
    "rows_min": 200,
    "window": "1h",
    "severity": "critical",
}
SILENCE = {
    "name": "silence",
    "subject": "arrivals",
    "detector": "silence",
    "limit_s": "15m",
    "every": "1m",
    "severity": "critical",
}


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("replicas", [1, 2])
def test_panes_and_the_rows_they_count_give_the_same_alerts(tmp_path: Path, replicas: int) -> None:
    rows, under = live(480, shift=0.7, since=120), terms(PSI, SILENCE)
    by_rows = replayed(tmp_path, rows, PSI, SILENCE)
    with state(tmp_path / "state") as store:
        fold(store, under, written(tmp_path, rows), epoch(under, START), replicas=replicas)
    by_panes = replay_state(under, tmp_path / "state", lambda _: None)
    assert by_rows.ledgered.told
    assert {each.rule for each in by_rows.ledgered.told} > {"psi", "features_page"}
    assert by_panes.ledgered.told == by_rows.ledgered.told
    assert by_panes.rows == by_rows.rows


def test_a_state_is_read_while_a_daemon_writes_it(tmp_path: Path) -> None:
    under = terms()
    with state(tmp_path / "state") as store:
        fold(store, under, written(tmp_path, live(120)), epoch(under, START))
        found = replay_state(under, tmp_path / "state", lambda _: None)
        fold(store, under, written(tmp_path, live(60)), epoch(under, START))  # the writer was in nobody's way
    assert found.rows == len(live(120))


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    under = terms()
    with state(tmp_path / "state") as store:
        fold(store, under, written(tmp_path, live(120)), epoch(under, START))
    for log in (tmp_path / "state").glob("state.db-*"):
        log.unlink()  # as after the last connection closed
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)}
    replay_state(under, tmp_path / "state", lambda _: None)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in names(tmp_path)} == before


def test_an_epoch_begins_anew_and_a_transition_says_nothing(tmp_path: Path) -> None:
    rows, under = live(240, shift=1.0, since=0), terms()
    first, last = epoch(under, START), epoch(under, START + 7200.0, 3)
    between = msgspec.structs.replace(epoch(under, START + 3600.0, 2), bundle=TRANSITION)
    with state(tmp_path / "state") as store:
        fold(store, under, written(tmp_path, rows), first, between, last)
    found = replay_state(under, tmp_path / "state", lambda _: None)
    paged = [each.start for each in found.ledgered.told if each.rule == "features_page"]
    assert [start < START + 3600.0 for start in paged] == [True, False]
    assert paged[1] > START + 7200.0
    assert found.armed_s == pytest.approx(10_800.0)


def test_bands_of_another_tolerance_judge_the_same_panes(tmp_path: Path) -> None:
    under = terms()
    with state(tmp_path / "state") as store:
        fold(store, under, written(tmp_path, live(240, shift=0.3, since=30)), epoch(under, START))
    tight = replay_state(under, tmp_path / "state", lambda _: None)
    wide = replay_state(under.tolerant(0.4), tmp_path / "state", lambda _: None)
    assert tight.ledgered.told
    assert not wide.ledgered.told


def kept(folder: Path, reference) -> str:
    """Keep a copy of a profile, as the daemon does; its digest."""
    body = encode_reference(reference)
    (folder / REFERENCES).mkdir(parents=True, exist_ok=True)
    (folder / REFERENCES / f"{digest(body).removeprefix('sha256:')}.json").write_bytes(body)
    return digest(body)


def judged(folder: Path, reference) -> Terms:
    """A state whose rows were judged by this profile."""
    under = Terms(Layout.of(reference), terms().pack)
    kept(folder / "state", reference)
    with state(folder / "state") as store:
        fold(store, under, written(folder, live(120)), epoch(under, START))
    return under


def test_a_profile_that_differs_in_its_bands_alone_can_judge(tmp_path: Path) -> None:
    reference = built()
    rhythm = msgspec.structs.replace(reference.rhythm, tolerance=0.1)
    judged(tmp_path, msgspec.structs.replace(reference, rhythm=rhythm))
    assert replay_state(terms(), tmp_path / "state", lambda _: None).rows == len(live(120))


def test_panes_in_the_bins_of_another_profile_are_not_judged(tmp_path: Path) -> None:
    judged(tmp_path, msgspec.structs.replace(built(), rows=built().rows + 1))
    with pytest.raises(SettingsError, match="bins of another reference"):
        replay_state(terms(), tmp_path / "state", lambda _: None)


def test_a_model_that_the_state_does_not_know_is_told(tmp_path: Path) -> None:
    with state(tmp_path / "state"):
        pass
    with pytest.raises(SettingsError, match="holds nothing of W1"):
        replay_state(terms(), tmp_path / "state", lambda _: None)


def test_a_directory_without_a_state_is_told(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no state\.db"):
        replay_state(terms(), tmp_path, lambda _: None)


def test_a_database_of_somebody_else_is_refused(tmp_path: Path) -> None:
    import apsw

    db = apsw.Connection(str(tmp_path / "state.db"))
    db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(Permanent, match="not of tocsin"):
        replay_state(terms(), tmp_path, lambda _: None)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    from monitor.errors import Corrupt

    (tmp_path / "state.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(Corrupt):
        replay_state(terms(), tmp_path, lambda _: None)
