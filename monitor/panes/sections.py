"""What each cell of a pane means: the one place where the binary layout of panes is written down.

A pane is one vector of signed 64-bit counts, so that adding panes is adding vectors, whatever they count. Format 3
(`Reference.format`), sections in this order; C classification, R regression, K ranking; k classes, G output groups:

| section | task | cells | counts |
|---|---|---|---|
| rows | all | 1 | predictions |
| kept | all | 1 | of these, the ones with a receipt: a label can reach them |
| joint | all | cells x G | [cell][group]: each feature's cells by the group of the row's output |
| moments | all | 2 per numeric feature | sum and sum of squares of its standardised values (moments.py) |
| output | C | k + 1 | one per class, then any other class |
| | R K | b + 5 | the predicted number, or the list's length, in the cells of a numeric feature of b bins |
| output_moments | R K | 2 | as of a numeric feature |
| score | C | (k + 1) x 65 | by output: 64 equal bins over [0, 1], then missing |
| confusion | C | (k + 1)^2 | [predicted][label] by trusted sources; the last row and column are other classes |
| scored | C | 1 | labelled predictions that had a score |
| squared_error | C | 1 | of these, the sum of (score - outcome)^2 in FIXED_POINT |
| score_label | C | 64 x 2 | [score bin][outcome] of the scored |
| log_loss | C | 1 | of the likely, the sum of -ln(probability of what came true) in FIXED_POINT |
| likely | C | 1 | labelled predictions of which that probability is known |
| class_scores | C, k in 3..6 | k x 64 x 2 | [class][probability bin][whether it came true], where all were sent |
| labelled | R K | 1 | predictions with a trusted label (regression: and a finite prediction) |
| clipped | R | 1 | of these, the ones beyond what the sums can hold |
| errors | R | 12 x 2 | sums over the labelled, each as (hi, lo): errors.py says which |
| ranks | K | 8 | lists with a relevant item in the first 1, 3, 5, 10; reciprocal place, its square; ndcg, its square |
| lag | all | 16 | labelled predictions by label time - prediction time, cut at LAG_EDGES_S |
| pairs | C | 6 | asked, differ; labelled: both_right, only_serving_wrong, only_known_good_wrong, both_wrong |
| | R | 10 | asked, apart (hi, lo), labelled, worse (hi, lo), worse squared (hi, lo), worse cut at +-1 (hi, lo) |
| agreement | all | 2 | labels by untrusted sources that agree, disagree with the served output |
| repeated | all | 1 | predictions with an id that was seen before: they are counted here and nowhere else |
| contents | all | 64 | predictions by the bucket of all their cells (contents.py); none without features |
| concordance | all | 2 a pair | [pair][discordant, concordant]: rows that have both numbers (concordance.py) |
| error_bins | R | b + 2 | of the labelled, prediction - label in the bins of `Reference.errors`: under, bins, over |
| slices | all | 2 a slice | [slice][right, wrong]: trusted labels by slices of the features (slices.py) |

A numeric feature of b bins has the b + 5 cells under, b0 .. b(b-1), over, missing, non_finite, invalid; a categorical
one of t top categories the t + 4 cells c0 .. c(t-1), other, unseen, missing, invalid. A feature's own counts are the
sum of its joint counts over the groups: they are counted once and cannot contradict each other.

`outcome` is "the label is the positive class" with two classes and "the output was right" with more: what the score
is a probability of (the second is the top-label Brier score). Sums are kept in fixed point because floats do not add
exactly: a corrected label must subtract what it added.

Groups. Up to 7 classes have a group each, then any other class; of more classes the 7 most frequent of the reference
do. Numbers fall into about five groups at the reference's own quantiles, then "no number". Ranked lists have one.

Bounds. A count can hold 2^63 - 1. What a row adds is at most 2^32 in every section (errors.py and moments.py clip) but
log_loss, 2^36: a window overflows no earlier than at 2^31 rows, each at its bound, and 2^27 labels each of which the
model held for impossible. 2^27 is 134 million; usual losses of about .5 leave room for 4 * 10^9.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitor.facts import Histogram, Task
from monitor.panes.moments import describe
from monitor.panes.reference import GROUPS_MAX, NUMBER_GROUPS, Bins, NumericBins, Reference

SCORE_BINS = 64  # a power of two, so that score * 64 is exact
SCORE_EDGES = tuple(i / SCORE_BINS for i in range(SCORE_BINS + 1))
PROBABILITIES_MAX = 6  # classes of which all probabilities are kept: with the hash a receipt is 64 bytes then
MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86400.0
LAG_EDGES_S = (
    *(1 * MINUTE_S, 5 * MINUTE_S, 15 * MINUTE_S, 30 * MINUTE_S),
    *(1 * HOUR_S, 2 * HOUR_S, 4 * HOUR_S, 8 * HOUR_S, 12 * HOUR_S),
    *(1 * DAY_S, 2 * DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S),
)  # bin 0 is below the first (clock skew included), the last is from the last on
HITS_AT = (1, 3, 5, 10)  # places of a ranked list
BUCKETS = 64  # of contents; a power of two
OTHER = "__other__"  # any other class
_LAGS = len(LAG_EDGES_S) + 1


@dataclass(frozen=True, slots=True)
class FeatureCells:
    """Where one feature lies among the cells of all features, each of which is G counts."""

    name: str
    start: int
    bins: int  # cells that are bins: outer, other and unseen ones included
    numbers: NumericBins | None  # None: categorical
    moments: int  # where its two stand in the section, for a numeric one

    @property
    def size(self) -> int:
        """Bins, then missing, (non_finite,) invalid."""
        return self.bins + (2 if self.numbers is None else 3)

    def histogram(self, cells: list[int], moments: list[int]) -> Histogram:
        """Read this feature from the cells, and the moments, of all features."""
        end = self.start + self.bins
        bins, missing, numbers = tuple(cells[self.start : end]), cells[end], self.numbers
        if numbers is None:
            return Histogram(self.name, False, bins, bins[-1], missing, cells[end + 1])
        mean, std = describe(numbers, sum(bins), moments[self.moments], moments[self.moments + 1])
        outside, invalid, non_finite = bins[0] + bins[-1], cells[end + 2], cells[end + 1]
        return Histogram(self.name, True, bins, outside, missing, invalid, non_finite, numbers.edges, mean, std)


@dataclass(frozen=True, slots=True, eq=False)
class OutputGroups:
    """The groups that features are counted by: their names, and `of` u1[256], the group of each output cell."""

    names: tuple[str, ...]
    of: NDArray[np.uint8]


def place_features(columns: tuple[Bins, ...]) -> tuple[FeatureCells, ...]:
    """Put the cells of these columns one after the other."""
    found: list[FeatureCells] = []
    start = moments = 0
    for column in columns:
        if isinstance(column, NumericBins):
            found.append(FeatureCells(column.name, start, column.bins + 2, column, moments))
            moments += 2
        else:
            found.append(FeatureCells(column.name, start, len(column.top) + 2, None, moments))
        start += found[-1].size
    return tuple(found)


def group_outputs(reference: Reference) -> OutputGroups:
    """Make the output groups of a reference, as the design note says."""
    match reference.schema.task:
        case Task.CLASSIFICATION:
            return _class_groups(reference.schema.classes, reference.groups)
        case Task.REGRESSION:
            return _number_groups(reference.output)
        case Task.RANKING:
            return OutputGroups(("any",), np.zeros(256, np.uint8))


def section_sizes(
    reference: Reference, features: tuple[FeatureCells, ...], groups: int, output: FeatureCells | None
) -> tuple[int, ...]:
    """Cells of each section in the order of the table; 0 where the task has none."""
    k = len(reference.schema.classes)
    numeric = 2 * sum(feature.numbers is not None for feature in features)
    shared = (1, 1, sum(feature.size for feature in features) * groups, numeric)
    numbers = (0, 0) if output is None else (output.size, 2)
    no_class = (0,) * 8
    errors = 0 if reference.errors is None else reference.errors.bins + 2
    watched = (1, BUCKETS if features else 0, 2 * len(reference.pairs), errors, 2 * len(reference.slices))
    match reference.schema.task:
        case Task.CLASSIFICATION:
            tables = k * SCORE_BINS * 2 if 2 < k <= PROBABILITIES_MAX else 0
            scores = ((k + 1) * (SCORE_BINS + 1), (k + 1) ** 2, 1, 1, 2 * SCORE_BINS, 1, 1, tables)
            return (*shared, k + 1, 0, *scores, 0, 0, 0, 0, _LAGS, 6, 2, *watched)
        case Task.REGRESSION:
            return (*shared, *numbers, *no_class, 1, 1, 24, 0, _LAGS, 10, 2, *watched)
        case Task.RANKING:
            return (*shared, *numbers, *no_class, 1, 0, 0, len(HITS_AT) + 4, _LAGS, 0, 2, *watched)


def _class_groups(classes: tuple[str, ...], named: tuple[int, ...]) -> OutputGroups:
    chosen = named or tuple(range(min(len(classes), GROUPS_MAX - 1)))
    of = np.full(256, len(chosen), np.uint8)
    of[list(chosen)] = np.arange(len(chosen))
    return OutputGroups((*(classes[i] for i in chosen), OTHER), of)


def _number_groups(output: NumericBins | None) -> OutputGroups:
    assert output is not None, "a regression has bins of its output"
    bins = output.bins
    groups = max(1, min(NUMBER_GROUPS, bins))
    first = [-(-group * bins // groups) for group in range(groups)]  # bin at which each group begins
    of = np.full(256, groups, np.uint8)
    of[0] = 0
    of[1 : bins + 1] = np.arange(bins) * groups // max(bins, 1)
    of[bins + 1] = groups - 1
    cuts = [f"{output.edges[i]:.6g}" for i in first[1:]]
    names = ["any number"] if groups == 1 else [f"below {cuts[0]}", *map(_between, cuts, cuts[1:]), f"from {cuts[-1]}"]
    return OutputGroups((*names, "no number"), of)


def _between(low: str, high: str) -> str:
    return f"{low} to {high}"
