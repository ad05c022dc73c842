"""What is drawn of a column: rows by bin since the start beside the reference's, and where its values lie.

Bins are those of the judge's reference profile. Its name stands beside them (`profile`), because bins of two profiles
with the same number are not the same bin: a promotion begins new series, and a sum over replicas that are judged by
different profiles keeps them apart.
"""

from dataclasses import dataclass
from enum import Enum


class Drawn(Enum):
    """Which column of a model is drawn; also the word in the names of its metrics."""

    OUTPUT = "output"
    SCORE = "score"
    FEATURE = "feature"


@dataclass(frozen=True, slots=True)
class BinsView:
    """Rows of one column by bin: all or none of them are shown, as half a histogram lies.

    `names` are the labels of the bins: classes, categories, places ("00", "01" ..), or upper edges of a score.
    """

    drawn: Drawn
    column: str  # name of the feature; "" for the others
    names: tuple[str, ...]
    rows: tuple[int, ...]  # total since the start
    reference: tuple[int, ...]  # rows of the reference profile in the same bins


@dataclass(frozen=True, slots=True)
class SpreadView:
    """Where the numbers of one column lie, in its own unit: of its newest window, or of the reference."""

    column: str  # name of the feature; "" for predicted numbers and lengths of lists
    of_reference: bool
    quantiles: tuple[tuple[float, float], ...]  # (share below, value), the known ones only
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """All that is drawn of one model, most wanted first: output, score, features in the schema's order."""

    profile: str = ""  # short name of the judge's reference profile: the beginning of its digest
    bins: tuple[BinsView, ...] = ()
    spreads: tuple[SpreadView, ...] = ()


NOTHING_DRAWN = Pictures()
