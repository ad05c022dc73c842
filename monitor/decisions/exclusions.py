"""Which data to keep out of the next training, as an incident and the people who looked at it say.

Rolling back helps until the model is trained again on what made it bad. What is known from here: from when on the
evidence stands, to when it stood, and whatever people named. Rows are named by source and time, which tell all of them;
ids of rows are not kept, only keys of them (`monitor.panes.ids`), so whoever has the training data picks the rows
(`tocsin incidents exclude`).
"""

from collections.abc import Sequence

import msgspec

from monitor.decisions.taint import suspects
from monitor.facts import Incident, Suspicion


class Exclusions(msgspec.Struct, frozen=True):
    """Rows that match any of `ranges`, by source and time, and training batches of these digests."""

    incident: str
    model: str
    ranges: tuple[Suspicion, ...]  # times half open: since <= time < until
    batches: tuple[str, ...]


def exclusions(incident: Incident, suspicions: Sequence[Suspicion]) -> Exclusions:
    """What this incident excludes: everything that came in while its evidence stood, and what people named."""
    mine = [each for each in suspicions if each.incident == incident.id]
    own = [] if incident.onset is None else [Suspicion(incident.onset, incident.closed, incident=incident.id)]
    batches = dict.fromkeys(batch for each in mine for batch in each.batches)
    ranges = [*own, *(each for each in mine if each.sources or not each.batches)]
    return Exclusions(incident.id, str(incident.model), tuple(ranges), tuple(batches))


def excluded(source: str | None, time: float, found: Exclusions) -> bool:
    """Whether a row of this source and time is to be kept out; None: it does not say whose it is, so it may be."""
    return any(
        each.since <= time and (each.until is None or time < each.until) and (source is None or suspects(each, source))
        for each in found.ranges
    )
