"""The reference profile: the frozen counts of the data a model was approved on, and the bins everything is counted in.

A reference is content-addressed: `encode_reference` gives the same bytes for the same content, `digest` names them, and
`decode_reference` refuses bytes that it would itself have written differently. So a digest names one content, and no
edited, re-ordered or re-indented profile passes for another. The form is JSON: no code runs when one is read, and a
person can look into it. `format` fixes the bins' meaning *and* the layout of the panes counted in them (layout.py), so
panes of an old reference stay readable when a later format counts more.

Why quantile bins and not equal widths: a bin with 5 % of the rows is where a distance has the most to say, and one
outlier does not put everything into one bin. Edges, centres and scales are computed in `build.py`.

Format 3 adds the rhythm, the band of every signal, and what labels are expected to say (expected.py), learned from the
same history. Formats 1 and 2 are refused: they say too little to be judged by.
"""

import hashlib
import math
from itertools import pairwise
from typing import TypeAlias

import msgspec

from monitor.errors import Corrupt
from monitor.facts import FeatureKind, Schema, Task
from monitor.panes.expected import Expected, expected_fault
from monitor.panes.rhythm import Rhythm, rhythm_fault

FORMAT = 3
BINS_MAX = 20  # deciles halved; a cell index must stay below 256 in a receipt
TOP_MAX = 31  # named categories; the rest of the known is `other`
KNOWN_MAX = 10_000  # categories remembered beside the top, so that `unseen` means unseen
GROUPS_MAX = 8  # groups of outputs that features are counted by, the rest included
NUMBER_GROUPS = 5  # groups of predicted numbers that features are counted by, at most
PAIRS_MAX = 200  # of numbers whose concordance is counted
SLICES_MAX = 100  # of error: they share one weight
SLICED_MAX = 256  # only the first so many features are cut into slices: a label reads their cells from its receipt
EXPONENT_MAX = 1_000  # of a scale: its inverse is still a normal double


class NumericBins(msgspec.Struct, frozen=True, tag="numeric", tag_field="kind"):
    """The bins of one numeric feature: bin i is [edges[i], edges[i + 1]), the last one closed.

    `edges` strictly increase from the reference's least to its greatest finite value. One edge: the column was constant
    and has the one bin [edge, edge]. None: there was no finite value, and any that comes is outside.

    Values are summed as (value - centre) / scale (moments.py); `scale` is a power of two: the division is exact.
    """

    name: str
    edges: tuple[float, ...]
    centre: float = 0.0
    scale: float = 1.0

    @property
    def bins(self) -> int:
        """How many bins lie inside the edges."""
        return min(len(self.edges), max(1, len(self.edges) - 1))


class CategoryBins(msgspec.Struct, frozen=True, tag="categorical", tag_field="kind", omit_defaults=True):
    """The bins of one categorical feature: one per `top` category, by count then name; the `known` others share one.

    `complete` is False when the reference held more categories than `known` may hold; the dropped ones then count as
    unseen, in the reference's own pane too, so that an unseen share is still compared like with like.
    """

    name: str
    top: tuple[str, ...]
    known: tuple[str, ...] = ()
    complete: bool = True


Bins: TypeAlias = NumericBins | CategoryBins


class Slice(msgspec.Struct, frozen=True, array_like=True):
    """Rows whose cell of one feature, by its place, lies in [start, stop): a category, or about a fifth of a number."""

    feature: int
    start: int
    stop: int


class Reference(msgspec.Struct, frozen=True):
    """The frozen profile. `columns` follow `schema.features`; `counts` are its own pane in the order of Layout.

    `output` are the bins of the predicted numbers, or of the lengths of ranked lists; None for a classification.
    `groups` are the classes with a group of their own in the joint counts; () stands for all of them. `error_scale`, a
    power of two, is the unit of a regression's error sums: about what nine in ten errors of the reference stay below.
    Its `errors` are the bins of prediction - label; an error above `large_error` is wrong, about one in five is.

    `halves` has the first cell of the upper half for each feature, 0 where it has no two halves; () stands for none.
    `pairs` are places of numbers whose concordance is counted; `slices` those of error, by feature and cell.
    """

    format: int
    schema: Schema
    columns: tuple[Bins, ...]
    rows: int
    start: float | None  # seconds; None when the rows had no times
    end: float | None
    labelled: bool  # whether any row had a label
    counts: tuple[int, ...]
    output: NumericBins | None = None
    groups: tuple[int, ...] = ()
    error_scale: float = 1.0
    errors: NumericBins | None = None  # None: no regression, or no labels
    large_error: float = 0.0  # in the target's unit
    halves: tuple[int, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    slices: tuple[Slice, ...] = ()
    rhythm: Rhythm | None = None  # None: nothing was learned, and no signal has a band
    expected: Expected | None = None  # None: no label came, and nothing is estimated


class _Formatted(msgspec.Struct, frozen=True):
    """What every format begins with."""

    format: int


def encode_reference(reference: Reference) -> bytes:
    """Write the canonical JSON: the same bytes for the same content."""
    return msgspec.json.encode(reference)


def decode_reference(body: bytes) -> Reference:
    """Read what `encode_reference` wrote; Corrupt for anything else, a single added blank included."""
    try:
        if (found := msgspec.json.decode(body, type=_Formatted).format) != FORMAT:
            raise _corrupt(f"format {found}, this version reads {FORMAT}")
        reference = msgspec.json.decode(body, type=Reference)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _corrupt(str(error)) from error
    if why := _fault(reference):
        raise _corrupt(why)
    if encode_reference(reference) != body:
        raise _corrupt("not in canonical form: it was edited or written by something else")
    return reference


def digest(body: bytes) -> str:
    """Name the bytes of a reference: `sha256:<64 hex digits>`."""
    return "sha256:" + hashlib.sha256(body).hexdigest()


def schema_digest(schema: Schema) -> str:
    """Name what a model is fed and answers; two of one digest can stand in for each other."""
    return digest(msgspec.json.encode(schema))


def _corrupt(hint: str) -> Corrupt:
    return Corrupt("the reference profile", 0, hint + "; build it again with `tocsin reference build`")


def _fault(reference: Reference) -> str:
    """Say what contradicts itself, or nothing."""
    features = reference.schema.features
    if [feature.name for feature in features] != [column.name for column in reference.columns]:
        return "the columns are not the schema's features"
    for feature, column in zip(features, reference.columns, strict=True):
        if (feature.kind is FeatureKind.NUMERIC) != isinstance(column, NumericBins):
            return f"column {column.name} has the bins of another kind"
        if why := _bins_fault(column):
            return f"column {column.name}: {why}"
    return _outputs_fault(reference)


def _outputs_fault(reference: Reference) -> str:
    classes, groups = len(reference.schema.classes), reference.groups
    if (reference.output is None) != (reference.schema.task is Task.CLASSIFICATION):
        return "bins of the output do not belong to its task"
    if reference.output is not None and (why := _bins_fault(reference.output)):
        return f"output: {why}"
    if len(set(groups)) != len(groups) or len(groups) >= GROUPS_MAX or not set(groups) <= set(range(classes)):
        return "groups are not some of the classes"
    if not groups and classes >= GROUPS_MAX:
        return "there are too many classes for a group each"
    if not _is_scale(reference.error_scale):
        return "the scale of errors is no power of two"
    if why := _watched_fault(reference):
        return why
    if reference.rhythm is not None and (why := rhythm_fault(reference.rhythm)):
        return why
    return "" if reference.expected is None else _expected_fault(reference, reference.expected)


def _expected_fault(reference: Reference, expected: Expected) -> str:
    columns = reference.columns if reference.output is None else (*reference.columns, reference.output)
    sizes = [len(each.top) + 4 if isinstance(each, CategoryBins) else each.bins + 5 for each in columns]
    crossed = 1 if reference.output is None else max(1, min(NUMBER_GROUPS, reference.output.bins))
    return expected_fault(expected, len(reference.schema.classes), sizes, crossed)


def _watched_fault(reference: Reference) -> str:
    columns, errors = reference.columns, reference.errors
    if errors is not None and reference.schema.task is not Task.REGRESSION:
        return "bins of errors do not belong to its task"
    if errors is not None and (why := _bins_fault(errors)):
        return f"errors: {why}"
    if not (math.isfinite(reference.large_error) and reference.large_error >= 0):
        return "a large error is none"
    if reference.halves and len(reference.halves) != len(columns):
        return "there are halves of other columns"
    if any(half and not 0 < half <= bins_of(column) for half, column in zip(reference.halves, columns, strict=False)):
        return "a half is no bin"
    halved = {place for place, half in enumerate(reference.halves) if half}
    pairs, slices = reference.pairs, reference.slices
    if len(pairs) > PAIRS_MAX or len(set(pairs)) < len(pairs) or any(i >= j or not {i, j} <= halved for i, j in pairs):
        return "pairs are none of two numbers with halves"
    return _slices_fault(slices, columns)


def _slices_fault(slices: tuple[Slice, ...], columns: tuple[Bins, ...]) -> str:
    if len(slices) > SLICES_MAX:
        return "there are too many slices"
    places = [(each.feature, each.start, each.stop) for each in slices]
    if any(not 0 <= f < min(len(columns), SLICED_MAX) or not 0 <= a < b <= 256 for f, a, b in places):
        return "a slice is none of a feature's"
    if any(mine >= other or (mine[0] == other[0] and mine[2] > other[1]) for mine, other in pairwise(places)):
        return "slices overlap or are out of order"
    return ""


def bins_of(column: Bins) -> int:
    """How many numeric bins a column has; 0 of categories."""
    return column.bins if isinstance(column, NumericBins) else 0


def _is_scale(scale: float) -> bool:
    mantissa, exponent = math.frexp(scale)
    return mantissa == 0.5 and abs(exponent) <= EXPONENT_MAX + 1


def _bins_fault(column: Bins) -> str:
    if isinstance(column, NumericBins):
        if not all(map(math.isfinite, column.edges)) or any(low >= high for low, high in pairwise(column.edges)):
            return "edges do not increase"
        if not math.isfinite(column.centre) or not _is_scale(column.scale):
            return "its centre or scale is none"
        return "too many bins" if column.bins > BINS_MAX else ""
    named = column.top + column.known
    if len(set(named)) != len(named):
        return "a category is named twice"
    return "too many categories" if len(column.top) > TOP_MAX or len(column.known) > KNOWN_MAX else ""
