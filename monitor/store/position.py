"""How a change moves the store's position: forwards, or not at all."""

from typing import TypeVar

from monitor.store.protocol import Change, Position

T = TypeVar("T")


def advanced(before: Position, change: Change, last_seq: int) -> Position:
    """The position after a change. Whoever goes back, or counts twice, has a bug."""

    def later(value: T | None, earlier: T) -> T:
        return earlier if value is None else value

    after = Position(
        later(change.fold, before.fold),
        later(change.cursor, before.cursor),
        later(change.consumed, before.consumed),
        later(change.horizon, before.horizon),
        max(later(change.now, before.now), before.now),
    )
    assert change.fold is None or change.fold > before.fold, f"fold {change.fold} after {before.fold}"
    assert change.fold is not None or not change.deltas, "deltas need the number of their fold"
    assert before.cursor <= after.cursor <= last_seq, f"cursor {after.cursor} after {before.cursor}, up to {last_seq}"
    assert before.consumed <= after.consumed <= after.fold, f"consumed {after.consumed}, folded {after.fold}"
    assert before.horizon <= after.horizon, f"horizon {after.horizon} after {before.horizon}"
    return after
