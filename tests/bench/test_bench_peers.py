import sys
from pathlib import Path

import numpy as np
import pytest

from bench.peers import report, turns, venvs, worker
from bench.peers.rivals import EVIDENTLY, EVIDENTLY_LARGE, RIVALS, US, Rival
from bench.peers.turns import Measured

NANNYML = RIVALS[2]


def ours():
    looks = {report.LOOK: [0.075, 0.05], report.LOOK_PSI: [0.025]}
    return Measured(US, {report.BINS: [0.2, 0.1, 0.3], report.PANE: [0.2]} | looks, {"numpy": "2"})


def evidently():
    return Measured(EVIDENTLY, {report.PRESET: [9.0, 7.0, 8.0], "PSI": [2.0]}, {"numpy": "2"})


def absent():
    return Measured(NANNYML, {}, {}, "pip: no such version")


def test_the_best_round_counts_per_row():
    assert evidently().best_s(report.PRESET) == pytest.approx(70e-6)
    assert evidently().median_s(report.PRESET) == pytest.approx(80e-6)


def test_a_rival_is_shown_by_its_fastest_way():
    line = report.figures(ours(), [evidently()])[2]
    assert evidently().fastest == "PSI"
    assert (line.value, line.goal, line.reached) == (200.0, ">= 150", True)


def test_a_look_is_compared_with_one_report_of_all_the_rows():
    line = report.figures(ours(), [evidently()])[3]
    assert (line.value, line.reached) == (7_000, False)


def test_who_could_not_be_measured_is_named_with_the_reason():
    line = report.figures(ours(), [absent()])[2]
    assert "NannyML 0.13.1" in line.figure
    assert (line.value, line.unit, line.reached) == ("not measured:", "pip: no such version", None)
    assert "| NannyML 0.13.1 | not measured: pip: no such version |" in report.table(ours(), [absent()])


def test_a_look_stands_beside_evidently_at_both_sizes_of_a_window():
    large = Measured(EVIDENTLY_LARGE, {report.PRESET: [66.0]}, {})
    *_, small, big = report.figures(ours(), [evidently(), large])
    assert ("100,000 x 20" in small.figure, "1,000,000 x 20" in big.figure) == (True, True)
    assert (small.value, big.value) == (7_000, 66_000)
    text = report.table(ours(), [evidently(), large])
    assert "| Evidently 0.7.23 | DataDriftPreset | 1,000,000 | 66,000 | 66,000 | 660.0 | 330.0 |" in text
    assert "Evidently, DataDriftPreset, 1,000,000 rows: 66.00 s CPU" in text


def test_the_lines_are_ten_at_most():
    theirs = [Measured(rival, {report.PRESET: [1.0]}, {}) for rival in RIVALS]
    assert len(report.figures(ours(), theirs)) == 10


def test_the_table_has_every_variant():
    text = report.table(ours(), [evidently()])
    assert "| Evidently 0.7.23 | PSI | 100,000 | 20,000 | 20,000 | 200.0 | 100.0 |" in text
    assert "a look: 1.00 (1.25) ms CPU" in text
    assert "Evidently, PSI, 100,000 rows: 2.00 s CPU, 4,000 times 'a look, PSI', 2,000 times 'a look'" in text


def test_every_rival_is_pinned_and_has_its_work():
    for rival in (US, *RIVALS):
        assert (turns.HERE / "runs" / f"{rival.name}.py").exists()
        assert all("==" in each for each in rival.requirements)


def test_ourselves_run_where_the_bench_runs(tmp_path):
    assert venvs.python_of(US, tmp_path) == Path(sys.executable)


def test_a_venv_is_not_made_again_while_its_pins_are_the_same(tmp_path):
    (tmp_path / NANNYML.name).mkdir()
    (tmp_path / NANNYML.name / "installed.txt").write_text("\n".join(NANNYML.requirements))
    assert venvs.python_of(NANNYML, tmp_path) == tmp_path / NANNYML.name / "bin" / "python"


def test_a_step_of_an_installation_that_fails_says_why():
    with pytest.raises(venvs.Absent, match=r"^pip: ERROR: gone$"):
        venvs._run("pip", [sys.executable, "-c", "import sys; sys.exit('collecting\\nERROR: gone\\n')"])


@pytest.mark.parametrize("found", [[], [0.0, 0.0], [float("nan"), 1.0], [1.0, 2.0]])
def test_work_that_was_not_done_is_no_measurement(found):
    with pytest.raises(AssertionError, match="found"):
        worker.check("PSI", found)


def test_work_that_finds_the_shifted_column_is_accepted():
    worker.check("PSI", [2.0, 1.0])
    worker.check("HDDDM", [0.3])


def test_only_the_timed_part_is_measured():
    def ready():
        np.random.default_rng(1).normal(size=20_000_000).sort()
        return lambda: [1.0]

    before = worker.cpu_s()
    took = worker.measured("quick", ready)
    assert took < (worker.cpu_s() - before) / 2


WORK = """
import sys
def prepare(window, reference):
    print("a library prints")
    {}
    return {{"distance": lambda: lambda: [abs(float(w.mean() - r.mean())) for w, r in zip(window, reference)]}}
"""


def measured_with(tmp_path, monkeypatch, **lines):
    (tmp_path / "runs").mkdir()
    (tmp_path / "worker.py").symlink_to(worker.__file__)
    for name, line in lines.items():
        (tmp_path / "runs" / f"{name}.py").write_text(WORK.format(line))
    monkeypatch.setattr(turns, "HERE", tmp_path)
    rivals = [Rival(name, "1", name, 6_000) for name in lines]
    return {each.rival.name: each for each in turns.measure_all(rivals, rounds=2, rows=6_000)}


def test_all_rivals_are_measured_and_one_that_fails_stops_nobody(tmp_path, monkeypatch):
    found = measured_with(tmp_path, monkeypatch, good="pass", bad="import nothing_of_that_name")
    assert len(found["good"].rounds["distance"]) == 2
    assert found["bad"].rounds == {}
    assert "No module named 'nothing_of_that_name'" in found["bad"].why


def test_one_library_is_measured_at_two_sizes_and_the_slow_one_in_fewer_rounds(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    (tmp_path / "worker.py").symlink_to(worker.__file__)
    (tmp_path / "runs" / "same.py").write_text(WORK.format("pass"))
    monkeypatch.setattr(turns, "HERE", tmp_path)
    small, large = Rival("same", "1", "same", 6_000), Rival("same", "1", "same", 9_000, rounds=1)
    one, other = turns.measure_all([small, large], rounds=3, rows=9_000)
    assert [len(one.rounds["distance"]), len(other.rounds["distance"])] == [3, 1]


def test_a_rival_that_ends_in_a_round_is_absent(tmp_path, monkeypatch):
    # The warm-up has 5,000 rows, so that it fails in the first round alone.
    finds_nothing = "if window.shape[1] > 5_000: window[:], reference[:] = 0, 0"
    (found,) = measured_with(tmp_path, monkeypatch, ends=finds_nothing).values()
    assert "distance found" in found.why


def test_a_rival_that_does_not_answer_is_absent(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "READY_MAX_S", 0.01)
    (found,) = measured_with(tmp_path, monkeypatch, slow="pass").values()
    assert found.why == "no answer within 0.01 s"


def test_a_rival_may_speak_to_nobody_and_keeps_no_threads(tmp_path, monkeypatch):
    dials = "import socket; socket.create_connection(('127.0.0.1', 9))"
    threads = "import os; assert os.environ['OMP_NUM_THREADS'] == os.environ['DO_NOT_TRACK'] == '1'"
    found = measured_with(tmp_path, monkeypatch, dials=dials, threads=threads)
    assert "no network in a measurement" in found["dials"].why
    assert found["threads"].why == ""
