"""Whether a bundle was trained on data that is suspected: what makes a known-good good, beside who approved it.

A bundle is tainted when a batch of its lineage overlaps a suspicion in time and comes from one of its sources, or is
named by it, or when one of its parents is. The walk goes through every ancestor once, so a lineage that names itself
ends, too.

Of a bundle that does not list its batches only the newest of its data can be told: what its manifest says (`cutoff`),
or else when the manifest was made, because nothing later can have trained it. Data that end before a suspicion begins
are free of it, whoever they came from; of any other the answer is "cannot be told", and that is no known-good. So a
bundle without lineage is skipped as soon as somebody suspects older data, and one without a cut-off as soon as an
incident is younger than it is. Failure mode: a lineage is what the builder of the bundle says. It is signed, so it is
known who said it; that it is complete cannot be seen from here.

Cost: batches of all ancestors times suspicions, both bounded by what the index and `SUSPICIONS_MAX` hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import inf

from monitor.facts import Batch, Bundle, BundleId, BundleStatus, Suspicion

SUSPICIONS_MAX = 100  # by persons, remembered per model


def suspects(suspicion: Suspicion, source: str) -> bool:
    """Whether a suspicion is about this source: by its name, or by a prefix such as "crowd/*"; without any, all are.

    >>> suspects(Suspicion(0.0, sources=("crowd/*",)), "crowd/7"), suspects(Suspicion(0.0, sources=("ops",)), "crowd/7")
    (True, False)
    """
    named = suspicion.sources
    prefixes = (name[:-1] for name in named if name.endswith("*"))
    return not named or source in named or any(source.startswith(prefix) for prefix in prefixes)


def words_of(suspicion: Suspicion) -> str:
    """What is suspected, in words; times in seconds since 1970, as the incident's own.

    >>> words_of(Suspicion(5.0, sources=("crowd/*",))), words_of(Suspicion(0.0, 9.0, batches=("sha256:ab",)))
    ('data of crowd/* since 5', 'batch sha256:ab')
    """
    if suspicion.batches and not suspicion.sources:
        return "batch " + ", ".join(suspicion.batches)
    whose = "data of " + ", ".join(suspicion.sources) if suspicion.sources else "all data"
    until = "" if suspicion.until is None else f" until {suspicion.until:.0f}"
    also = " and batch " + ", ".join(suspicion.batches) if suspicion.batches else ""
    return f"{whose} since {suspicion.since:.0f}{until}{also}"


def newest_data(bundle: Bundle) -> float:
    """Event time that no data of this bundle, its parents aside, are later than."""
    ends = [batch.end for batch in bundle.lineage]
    if bundle.cutoff is not None:
        ends.append(bundle.cutoff)
    return max(ends, default=bundle.registered)


def taint(bundle: Bundle, known: Mapping[BundleId, Bundle], suspicions: Sequence[Suspicion]) -> str:
    """Why it is not known to be free of what is suspected, in words; "" when it is."""
    if not suspicions:
        return ""
    for ancestor, way in _ancestors(bundle, known):
        if isinstance(ancestor, str):
            return f"its ancestor {ancestor} is not in the release index: its data cannot be told"
        if way and ancestor.status in (BundleStatus.QUARANTINED, BundleStatus.REVOKED):
            return f"it was trained from {_title(ancestor)}, which is {ancestor.status.value}"
        for suspicion in suspicions:
            if why := _own(ancestor, suspicion):
                return f"{way}{why}"
    return ""


def _ancestors(bundle: Bundle, known: Mapping[BundleId, Bundle]) -> Iterator[tuple[Bundle | str, str]]:
    """The bundle itself, then every ancestor once, nearest first, with the way there in words."""
    waiting: list[tuple[BundleId, str]] = []
    seen = {bundle.id}
    at: Bundle = bundle
    way = ""
    while True:
        yield at, way
        for parent in at.parents:
            if parent not in seen:
                seen.add(parent)
                waiting.append((parent, f"its ancestor {_title(known[parent])}: " if parent in known else ""))
        if not waiting:
            return
        ident, way = waiting.pop(0)
        if ident not in known:
            yield str(ident), ""
            return
        at = known[ident]


def _own(bundle: Bundle, suspicion: Suspicion) -> str:
    named = next((batch for batch in bundle.lineage if batch.digest in suspicion.batches), None)
    if named is not None:
        return f"trained on batch {named.digest}, which {suspicion.by or 'the evidence'} suspects"
    if suspicion.batches and not suspicion.sources:
        return "" if bundle.lineage else "it does not say which batches it was trained on"
    if newest_data(bundle) <= suspicion.since:
        return ""
    if not bundle.lineage:
        if bundle.cutoff is None:
            return "it says neither what it was trained on nor up to when, and was made after the suspected data began"
        return "its data reach into the suspected time, and it does not say whose they are"
    hit = next((batch for batch in bundle.lineage if _overlaps(batch, suspicion)), None)
    return "" if hit is None else f"trained on {hit.rows} rows of {hit.source} from the suspected time"


def _overlaps(batch: Batch, suspicion: Suspicion) -> bool:
    """Half open on both sides: data that end where the suspected begin are not of them."""
    until = inf if suspicion.until is None else suspicion.until
    return batch.end > suspicion.since and batch.start < until and suspects(suspicion, batch.source)


def _title(bundle: Bundle) -> str:
    return bundle.name or str(bundle.id)
