"""What a replay says of the e-detector beside its alerts: what it could not bet on, and how label windows ended."""

from monitor.backtest.bets import Bets
from monitor.backtest.report import LabelWindows
from monitor.backtest.terms import Terms
from monitor.facts import Family


def bet_on(terms: Terms, *, labelled: bool, paired: bool = False) -> tuple[str, ...]:
    """Families of which something is bet on."""
    lookout = terms.lookout()
    if lookout is None or lookout.rhythm is None:
        return ()
    absent = {Family.LABELS: not labelled, Family.PAIRED: not paired}
    return tuple(sorted(each.value for each in lookout.families if not lookout.untold(each) and not absent.get(each)))


def unwatched(terms: Terms, *, labelled: bool, paired: bool = False) -> tuple[str, ...]:
    """What is not bet on though the pack has a budget for it, and why."""
    lookout, found = terms.lookout(), []
    if lookout is None:
        return ("sequential: the pack has no section `sequential:`, so nothing is bet on",)
    if lookout.rhythm is None:
        return ("sequential: the reference has no bands, so nothing is bet on",)
    if not labelled:
        found.append("labels_*: there are no labels: name their column as columns.label of the schema")
    elif why := lookout.untold(Family.LABELS):
        found.append(f"labels_*: {why}")
    if not paired and not lookout.untold(Family.PAIRED):
        found.append("paired_*: a history holds no answers of the known-good")
    if why := lookout.untold(Family.VOLUME):
        found.append(f"volume_*: {why}")
    return tuple(found)


def label_windows(bets: Bets, timed: bool) -> LabelWindows:  # noqa: FBT001  # a field of the answer
    """How the windows of labels ended."""
    closing = bets.labels.closing
    return LabelWindows(
        by_coverage=closing.by_coverage,
        by_deadline=closing.by_deadline,
        open=bets.labels.open,
        labels=bets.waiting.came,
        late=bets.waiting.late + closing.revised,
        timed=timed,
    )
