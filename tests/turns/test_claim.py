"""A state directory is live traffic's or a replay's, on a real store."""

import pytest
from world import open_store

from monitor.errors import SettingsError
from monitor.turns.claim import Claim, claim


@pytest.mark.parametrize("replay", [False, True])
def test_the_first_start_claims_the_state_and_every_later_one_finds_it(tmp_path, replay):
    for _ in range(3):
        store = open_store(tmp_path)
        claim(store, tmp_path, replay=replay)
        assert store.facts(Claim) == {"state": Claim(replay)}
        store.close()


@pytest.mark.parametrize(
    ("first", "words"), [(False, "of live traffic, and a replay"), (True, "of a replay, and live")]
)
def test_the_other_kind_is_refused_and_changes_nothing(tmp_path, first, words):
    store = open_store(tmp_path)
    claim(store, tmp_path, replay=first)
    with pytest.raises(SettingsError, match=words) as refused:
        claim(store, tmp_path, replay=not first)
    assert store.facts(Claim) == {"state": Claim(first)}
    store.close()
    [problem] = refused.value.problems
    assert (problem.path, str(tmp_path) in problem.message) == ("state_dir", True)
    assert "a state_dir of its own" in problem.hint
