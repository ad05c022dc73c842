"""A wall clock that jumps pauses automation: cooldowns, budgets and windows are counted in a time that may be wrong.

    apart = wall - monotonic            constant on one machine since its boot, but for what slews the wall clock
    off   = apart - anchor              the anchor follows by at most SLEW_SHARE of the time that passed
    |off| > jump_max_s                  a jump: auto is propose for `pause_s` of monotonic time, or until told

The monotonic clock stands still while a machine sleeps, so a suspended host is a jump ahead like any other. The anchor
follows because NTP slews: the kernel by 0.05 %, chrony by 8.3 % at most. Steps that are each below the bound add up,
so nobody walks the clock ahead faster than it may be slewed.

Over a reboot only the wall clock is left: time that went back is a jump, and so is a gap of more than AWAY_MAX_S, of
which nobody can say whether it passed. What was left of a pause is left as it was.

Observing, alerting and proposing go on by the wall clock. What is done for good, because its time is over, goes by
`believed`: while a pause lasts, the time that the monotonic clock allows, if that is earlier. So panes, labels, samples
and reports are forgotten, and windows of labels closed, no earlier for a clock that stood in another year for a minute.

Failure mode: a clock that stays wrong for longer than the pause, and of which nobody says so, is believed.
"""

from dataclasses import dataclass

import msgspec
from msgspec.structs import replace

from monitor.facts import Mode

SLEW_SHARE = 0.1  # of the time that passed: above chrony's maxslewrate of 83,333 ppm
AWAY_MAX_S = 86_400.0  # over a reboot
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is a jump, and how long automation pauses for it; seconds."""

    jump_max_s: float = 5.0
    pause_s: float = HOUR_S


class Sighting(msgspec.Struct, frozen=True):
    """What both clocks say at one moment; `boot` says of which boot the monotonic one is."""

    wall: float
    monotonic: float
    boot: str


class Seen(msgspec.Struct, frozen=True):
    """What is remembered of the clocks; the stored form, too."""

    at: Sighting
    anchor: float  # wall less monotonic, as it is taken for right
    steady: float  # the same before the jump that began the pause
    left_s: float = 0.0  # of the pause, at `at`
    jump_s: float = 0.0  # the jump that began it; below 0: back

    def left(self, monotonic: float) -> float:
        """What is left of the pause at a later moment of the same boot."""
        return max(self.left_s - max(monotonic - self.at.monotonic, 0.0), 0.0)

    def believed(self, wall: float, monotonic: float) -> float:
        """The time by which something may be done for good."""
        return min(wall, self.steady + monotonic) if self.left(monotonic) > 0 else wall


def begin(at: Sighting) -> Seen:
    """What is known after the first sighting: nothing to compare it with."""
    apart = at.wall - at.monotonic
    return Seen(at, apart, apart)


def see(before: Seen, at: Sighting, bounds: Bounds) -> tuple[Seen, float]:
    """What is known after one more sighting, and by how much the wall clock jumped before it; 0: it did not.

    >>> before, at = begin(Sighting(1_000.0, 10.0, "b")), Sighting(4_601.0, 11.0, "b")
    >>> after, jump_s = see(before, at, Bounds())
    >>> jump_s, after.left_s, after.believed(4_601.0, 11.0)
    (3600.0, 3600.0, 1001.0)
    """
    passed_s, apart = at.monotonic - before.at.monotonic, at.wall - at.monotonic
    if at.boot != before.at.boot or passed_s < 0:
        return _see_after_a_reboot(before, at, bounds)
    off, slewed_s = apart - before.anchor, SLEW_SHARE * passed_s
    rest = off - min(max(off, -slewed_s), slewed_s)
    left_s = before.left(at.monotonic)
    if abs(rest) > bounds.jump_max_s:
        steady = before.steady if left_s > 0 else before.anchor
        return Seen(at, apart, steady, bounds.pause_s, off), off
    anchor = apart - rest
    return Seen(at, anchor, before.steady if left_s > 0 else anchor, left_s, before.jump_s), 0.0


def _see_after_a_reboot(before: Seen, at: Sighting, bounds: Bounds) -> tuple[Seen, float]:
    apart, gap_s = at.wall - at.monotonic, at.wall - before.at.wall
    jumped = gap_s < -bounds.jump_max_s or gap_s > AWAY_MAX_S
    left_s = bounds.pause_s if jumped else before.left_s
    last = min(before.at.wall, before.steady + before.at.monotonic) if before.left_s > 0 else before.at.wall
    steady = last - at.monotonic if left_s > 0 else apart
    return Seen(at, apart, steady, left_s, gap_s if jumped else before.jump_s), gap_s if jumped else 0.0


def released(seen: Seen) -> Seen:
    """A person says that the clock is right: the pause is over."""
    return replace(seen, steady=seen.anchor, left_s=0.0)


def while_paused(mode: Mode, jump_s: float, left_s: float) -> tuple[Mode, str]:
    """The mode that holds, and in words why it is another than the settings say; the same words while a pause lasts.

    >>> while_paused(Mode.AUTO, -3600.0, 12.0)
    (<Mode.PROPOSE: 'propose'>, 'auto is propose because the clock jumped back by 1 h')
    >>> while_paused(Mode.AUTO, -3600.0, 0.0)
    (<Mode.AUTO: 'auto'>, '')
    """
    if mode is not Mode.AUTO or left_s <= 0:
        return mode, ""
    return Mode.PROPOSE, f"auto is propose because the clock jumped {words(jump_s)}"


def words(jump_s: float) -> str:
    """A jump as people say it."""
    size = abs(jump_s)
    return f"{'ahead' if jump_s > 0 else 'back'} by {f'{size / HOUR_S:.4g} h' if size >= HOUR_S else f'{size:.4g} s'}"
