"""Safety S1, S2: a process is killed while it takes in rows and folds them, again and again, on one state directory."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from storeworld import counted, fold, open_store, sampled

CHILD = Path(__file__).with_name("store_child.py")


def killed(state, life, acks):
    """Run the child, kill it after about so many acknowledgements; the ids it acknowledged."""
    child = subprocess.Popen([sys.executable, CHILD, state, life], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with child:
        lines = [child.stdout.readline() for _ in range(1 + acks)]  # the first says that it is ready
        child.kill()
        lines += child.stdout.read().splitlines(keepends=True)
    assert child.returncode == -9, "it ended by itself"
    return [one for line in lines[1:] if line.endswith(b"\n") for one in line.decode().split()]


def check(state, acked):
    """Nothing acknowledged is lost; as many rows are counted as there are receipts: none is counted twice."""
    store = open_store(state)
    try:
        while fold(store):
            pass
        here, rows = counted(store, acked)
        assert here == set(acked), f"lost: {sorted(set(acked) - here)}"
        assert rows == store.health().run_rows == len(set(sampled(store)))
        assert len(acked) <= rows <= len(acked) + 3 * 8 * state_lives(acked)  # what was under way may be there as well
    finally:
        store.close()


def state_lives(acked):
    return len({one.partition(".")[0] for one in acked})


def kill_often(state, times):
    rng = random.Random(20)
    acked = []
    for life in range(times):
        acked += killed(state, str(life), rng.randrange(1, 400))
        check(state, acked)
    return acked


def test_six_kills_lose_nothing_acknowledged_and_count_nothing_twice(tmp_path):
    assert len(kill_often(tmp_path, 6)) > 300


@pytest.mark.soak
def test_three_hundred_kills_lose_nothing_acknowledged_and_count_nothing_twice(tmp_path):
    assert len(kill_often(tmp_path, 300)) > 10_000


def test_an_acknowledgement_before_the_commit_would_be_seen(tmp_path):
    """The oracle has teeth: an id that was acknowledged and not committed is called lost."""
    acked = killed(tmp_path, "0", 5)
    with pytest.raises(AssertionError, match=r"lost: \['0\.never'\]"):
        check(tmp_path, [*acked, "0.never"])
