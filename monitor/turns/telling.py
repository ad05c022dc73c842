"""What the settings say about notices, in the words of the decisions."""

from monitor.decisions.telling import Repeat, Telling
from monitor.settings import Settings


def telling(settings: Settings) -> Telling:
    """When people are told; the daemon puts it into each `Watched`, at the start and at a reload."""
    return Telling(
        wait_s=float(settings.grouping.wait),
        interval_s=float(settings.grouping.interval),
        repeats=tuple(
            Repeat(each.name, _seconds(each.repeat.critical), _seconds(each.repeat.warning))
            for each in settings.receivers
        ),
    )


def _seconds(every: float | None) -> float | None:
    return None if every is None else float(every)
