"""kill -9 of a real process that drives a rollback of a link, at random times: never two switches, and it ends served.

Before each exchange the process notes what the link says. All notes saying v2 means that no earlier exchange had taken
effect, nor was one undone; with v1 at the end there was one. Zero faults in N kills bounds their rate at 3 / N (95 %).
"""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import released

from monitor.facts import BundleStatus, Mode, ModelName, Rollback, RollbackStep

DELAYS = ModelName("delays")
LIVES_MAX = 100  # for each kill that is wanted: a kill that came too late was none


class Driver:
    """The process of `driven`, which forks one for each life."""

    def __init__(self):
        tests = Path(__file__).parents[2]
        path = os.pathsep.join([str(tests), str(tests.parent)])
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("driven.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
        )

    def life(self, folder, after_s=60.0):
        """One life, killed after so many seconds; whether it was, and how long it lasted."""
        self.process.stdin.write(f"{after_s} {folder}\n")
        self.process.stdin.flush()
        ended, took_s = self.process.stdout.readline().split()
        assert int(ended) in {0, -signal.SIGKILL}
        return int(ended) != 0, float(took_s)

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


@pytest.fixture
def driver():
    driver = Driver()
    yield driver
    driver.close()


def begun(folder):
    """A volume with v1, known-good, and v2, which serves, and the plan to go back."""
    folder.mkdir()
    index, ids = folder / "releases.json", []
    released.create(index)
    for wall, name, status in ((0.0, "v1", BundleStatus.KNOWN_GOOD), (1.0, "v2", BundleStatus.CANDIDATE)):
        (folder / f"{name}.bin").write_text(name)
        (folder / f"{name}.json").write_text(name)
        ids.append(released.register(index, DELAYS, f"{name}.bin", f"{name}.json", wall=wall, status=status).id)
    (folder / "current").symlink_to("v2.bin")
    (folder / "loaded").write_text("v2")
    plan = Rollback("r-1", "i-1", DELAYS, ids[1], ids[0], Mode.AUTO, RollbackStep.PLANNED, 0.0, 0.0)
    (folder / "journal").write_bytes(msgspec.json.encode(plan))
    return folder


def check(folder):
    """It ended well, and the link was changed once."""
    kept = msgspec.json.decode((folder / "journal").read_bytes(), type=Rollback)
    assert kept.step is RollbackStep.COMMITTED
    assert ((folder / "current").read_text(), (folder / "loaded").read_text()) == ("v1", "v1")
    assert set((folder / "attempts").read_text().split()) == {"v2"}
    assert not (folder / ".current.tocsin-next").is_symlink()


def killed_often(driver, tmp_path, kills):
    rng = random.Random(kills)
    _, whole_s = driver.life(begun(tmp_path / "0"))
    check(tmp_path / "0")
    folder, dead = begun(tmp_path / "1"), 0
    for life in range(2, kills * LIVES_MAX):
        killed, _ = driver.life(folder, rng.uniform(0, whole_s))
        dead += killed
        if not killed:
            check(folder)
            folder = begun(tmp_path / str(life))
        if dead == kills:
            break
    driver.life(folder)
    check(folder)
    assert dead == kills


def test_killed_8_times_it_switches_once_and_ends_served(driver, tmp_path):
    killed_often(driver, tmp_path, 8)


@pytest.mark.soak
def test_killed_300_times_it_switches_once_and_ends_served(driver, tmp_path):
    killed_often(driver, tmp_path, 300)
