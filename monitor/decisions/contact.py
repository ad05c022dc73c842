"""The dead-man's handle: where no operator has been in touch for long, automation proposes and no longer acts.

    silent_s > within_s > 0   ->   auto is propose          anything else   ->   as the settings say

A machine that nobody watches any more must not go on switching models: the rollback that goes wrong is seen by nobody.
It is about automation alone; observing, alerting and proposing go on. 0 s: never.

How long is measured by the monotonic clock, which runs through restarts of the daemon (it is the machine's), so a wall
clock that is set back, or years ahead, neither revives automation nor ends it. Over a reboot only the wall clock is
left: its difference counts, not less than 0, and half of `within_s` at most. So one reboot with a wrong clock does not
degrade what somebody has just looked after, and the second in a row does. Failure mode: a robot with a token of an
operator's scope is an operator to us.
"""

from monitor.facts import Mode

REBOOT_SHARE = 0.5  # of `within_s` that a reboot may count for


def effective(mode: Mode, silent_s: float, within_s: float) -> tuple[Mode, str]:
    """The mode that holds, and in words why it is another than the settings say.

    >>> effective(Mode.AUTO, 90_000.0, 86_400.0)
    (<Mode.PROPOSE: 'propose'>, 'auto is propose because no operator was in touch for 24 h')
    >>> effective(Mode.AUTO, 90_000.0, 0.0)
    (<Mode.AUTO: 'auto'>, '')
    """
    if mode is not Mode.AUTO or not 0 < within_s < silent_s:
        return mode, ""
    return Mode.PROPOSE, f"auto is propose because no operator was in touch for {within_s / 3600:.4g} h"


def over_a_reboot(silent_s: float, gap_s: float, within_s: float) -> float:
    """For how long nobody was in touch when the machine is up again; `gap_s` by the wall clock, whatever that says."""
    return silent_s + min(max(gap_s, 0.0), REBOOT_SHARE * within_s)
