"""A state directory belongs to live traffic or to a replay, from its first start on and for good.

A replay's counts, incidents and rollbacks happened at invented times. Live traffic that began where a replay ended
would judge a real model by them, and its cooldown and budget would count rollbacks that never were; a replay on a live
state would count its rows among real ones. The first daemon that opens a state writes down which it is, before it takes
a row; one of the other kind is refused.
"""

from pathlib import Path

import msgspec

from monitor.errors import Problem, SettingsError
from monitor.store.protocol import Change, Store

KEY = "state"


class Claim(msgspec.Struct, frozen=True):
    """Whose state this is."""

    replay: bool


def claim(store: Store, state_dir: Path, *, replay: bool) -> None:
    """Claim a fresh state, or find it claimed alike; SettingsError if it is the other kind's."""
    found = store.facts(Claim).get(KEY)
    if found is None:
        store.commit(Change(puts=((KEY, Claim(replay)),)))
        return
    if found.replay != replay:
        kinds = ("live traffic", "a replay")
        message = f"holds the state of {kinds[found.replay]}, and {kinds[replay]} would mix with it: {state_dir}"
        raise SettingsError([Problem("state_dir", message, "give it a state_dir of its own, or set replay back")])
