"""Which bundle a rollback goes to: the newest that nothing speaks against, and what spoke against each newer one.

Known-good is more than approved: of this model, not below the security floor, fed and answering what the present one
is, never rolled back from, and trained on nothing that is suspected (`monitor.decisions.taint`). Whether its bytes are
those that were approved is looked at when it is switched to, and not before: "verified" means now.

"The previous one" may be as poisoned as the present one; so may the one before. Every bundle that is passed over is
named with its reason, because the first question of whoever is woken is why not the newest.
"""

from collections.abc import Iterator

from monitor.decisions.case import Case, known_bad
from monitor.decisions.taint import taint
from monitor.facts import Bundle, BundleId, BundleStatus

SKIPPED_MAX = 20  # of them are told


def find_target(case: Case) -> Bundle | None:
    """The newest fit bundle by the index's order; None if there is none, or the index has expired."""
    return next((bundle for bundle, why in _judged(case) if not why), None)


def skipped(case: Case) -> tuple[tuple[BundleId, str], ...]:
    """The bundles that are newer than the target, newest first, each with why it is none; at most `SKIPPED_MAX`."""
    passed: list[tuple[BundleId, str]] = []
    for bundle, why in _judged(case):
        if not why or len(passed) == SKIPPED_MAX:
            break
        passed.append((bundle.id, why))
    return tuple(passed)


def _judged(case: Case) -> Iterator[tuple[Bundle, str]]:
    """Every other bundle of this model, newest first, with why it is no target, or ""."""
    if case.expired:
        return
    present = case.epoch.bundle if case.epoch else None
    known = {bundle.id: bundle for bundle in case.bundles}
    bad = known_bad(case.bundles, case.history)
    mine = [bundle for bundle in case.bundles if bundle.model == case.model and bundle.id != present]
    for bundle in sorted(mine, key=lambda each: (each.order, each.registered, each.id), reverse=True):
        yield (
            bundle,
            _against(bundle, case, known.get(present) if present else None, bad)
            or taint(bundle, known, case.suspicions),
        )


def _against(bundle: Bundle, case: Case, present: Bundle | None, bad: frozenset[str]) -> str:
    """What speaks against it, its training aside. What nobody registered says nothing of a schema, so none is asked."""
    if bundle.status is not BundleStatus.KNOWN_GOOD:
        return f"it is {bundle.status.value}"
    if bundle.security < case.floor:
        return f"its security version {bundle.security} is below the floor {case.floor}"
    if present is not None and bundle.schema_digest != present.schema_digest:
        return "it is fed or answers something else than the present one"
    if {bundle.id, bundle.checkpoint_digest} & bad:
        return "it was rolled back from before"
    return ""
