"""Rows of both sides as numbers, for what looks at all columns at once: `mmd` and `classifier`.

    numbers     (x - mean) / sd of the reference's values, both taken after cutting off what lies further beyond the
                1 % and 99 % points of the reference than these are apart (one wild value must not be the scale)
    categories  a code each for the TOP most frequent of both sides, one for all others
    missing     NaN and -1: it is a value of its own to both

Both sides are encoded alike and the categories counted in both together, so that where nothing changed no row's
encoding tells its side (exchangeability; the mean and sd of one side are no more than a common scale).

Left out, each with its reason in `Rows.left_out`: what would tell the sides apart without saying anything about the
world. A column of nearly as many values as rows whose numbers look like times since 1970 is a *time*; whole numbers
of that sort whose live values all lie above the reference's *count up*; words that hardly ever come twice are *names*.
Columns that the settings name are looked at whatever they look like. A column that is the same for all rows says
nothing. Sensitive columns are not here: no sample has them.

Bounds: COLUMNS_MAX columns, those that breached first, and CELLS_MAX cells: beyond it rows are left out on both sides
in proportion, by lot. 4 bytes a cell.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from monitor.evidence.worker.clean import Cleaned

TOP: Final = 12  # as many as the features' own signals have
COLUMNS_MAX: Final = 500
CELLS_MAX: Final = 4_000_000  # 10^5 rows a side of 20 columns
_NEARLY_ALL: Final = 0.95
_MOSTLY: Final = 0.5
_Z_MAX: Final = 10.0  # in sd; beyond it a kernel and a tree see no difference any more
_TIMES: Final = tuple((978_307_200.0 * unit, 4_102_444_800.0 * unit) for unit in (1, 1e3, 1e6, 1e9))  # 2001 to 2100


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Live rows first, then the reference's. `numbers` f32 [n + m, A] are of names[:A], `codes` i16 of names[A:]."""

    n: int
    m: int
    names: tuple[str, ...]
    numbers: NDArray[np.float32]  # NaN: missing
    codes: NDArray[np.int16]  # [n + m, B]; -1: missing
    left_out: Mapping[str, str]  # column -> why


def encode(cleaned: Cleaned, columns: Sequence[str], *, named: bool, seed: int) -> Rows:
    """Encode these columns of both sides; `named`: the settings name them, so none is left out for what it looks like.

    Columns that `cleaned` has not are passed over. Where rows have to be left out, `seed` says which.
    """
    there = list(dict.fromkeys(name for name in columns if name in cleaned.live))
    left_out = dict.fromkeys(there[COLUMNS_MAX:], f"beyond the first {COLUMNS_MAX}")
    numeric, categorical, first = set(cleaned.numeric), set(cleaned.categorical), there[:COLUMNS_MAX]
    for name in first:
        if why := _why_not(cleaned.live[name], cleaned.reference[name], named=named):
            left_out[name] = why
    numbers = [name for name in first if name in numeric and name not in left_out]
    words = [name for name in first if name in categorical and name not in left_out]
    live, reference = _chosen(cleaned, numbers + words, seed)
    n, m = len(live), len(reference)
    table, codes = np.empty((n + m, len(numbers)), np.float32), np.empty((n + m, len(words)), np.int16)
    for at, name in enumerate(numbers):
        table[:, at] = scaled(cleaned.live[name][live], cleaned.reference[name][reference])
    for at, name in enumerate(words):
        codes[:, at] = coded(np.concatenate([cleaned.live[name][live], cleaned.reference[name][reference]]))
    return Rows(n, m, (*numbers, *words), table, codes, left_out)


def scaled(live: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float32]:
    """Standardise by the reference; at most _Z_MAX either way, NaN stays. Both hold only finite numbers and NaN."""
    known = reference[~np.isnan(reference)]
    both = np.concatenate([live, reference])
    if not len(known):
        return np.asarray(np.where(np.isnan(both), np.nan, 0), np.float32)
    low, high = np.quantile(known, (0.01, 0.99), method="nearest")  # no difference is taken, which could overflow
    if low == high:
        low, high = known.min(), known.max()
    unit = float(max(abs(low), abs(high))) or 1.0
    low, high = low / unit, high / unit
    with np.errstate(over="ignore"):
        both, known = both / unit, known / unit
    cut = np.clip(known, low - (high - low), high + (high - low))
    # A column that was constant has no sd: a hundredth of its value is one, so a change is seen.
    spread = float(cut.std()) or 0.01
    with np.errstate(over="ignore"):
        return np.asarray(np.clip((both - cut.mean()) / spread, -_Z_MAX, _Z_MAX), np.float32)


def coded(words: NDArray[Any]) -> NDArray[np.int16]:
    """Code the TOP most frequent from 0 on, all others as TOP, None as -1; ties by the alphabet."""
    counts = Counter(word for word in words if word is not None)
    top = sorted(counts, key=lambda word: (-counts[word], word))[:TOP]
    codes = {word: code for code, word in enumerate(top)} | {None: -1}
    return np.array([codes.get(word, TOP) for word in words], np.int16)


def _why_not(live: NDArray[Any], reference: NDArray[Any], *, named: bool) -> str:
    """Why a column is not looked at; "" if it is."""
    if live.dtype == object:
        now, then = ([word for word in side if word is not None] for side in (live, reference))
        if len({*now, *then}) == 1 and len(now) == len(live) and len(then) == len(reference):
            return "the same for all rows"
        names = min(len(set(now)) / len(now), len(set(then)) / len(then)) > _MOSTLY
        return "words that hardly come twice, like an identifier" if names and not named else ""
    both = np.concatenate([live, reference])
    if not np.isnan(both).any() and (both == both[0]).all():
        return "the same for all rows"
    return "" if named else _like_a_counter(live[~np.isnan(live)], reference[~np.isnan(reference)])


def _like_a_counter(now: NDArray[np.float64], then: NDArray[np.float64]) -> str:
    distinct = min(len(np.unique(side)) / len(side) for side in (now, then))
    low, high = min(now.min(), then.min()), max(now.max(), then.max())
    if distinct > _MOSTLY and any(first <= low and high < last for first, last in _TIMES):
        return "looks like a time"
    whole = all((side == np.floor(side)).all() for side in (now, then))
    if whole and distinct > _NEARLY_ALL and now.min() > then.max():
        return "counts up, like an identifier"
    return ""


def _chosen(cleaned: Cleaned, names: Sequence[str], seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which rows of (live, reference) are looked at, ascending."""
    if not names:
        return np.empty(0, np.intp), np.empty(0, np.intp)
    n, m = len(cleaned.live[names[0]]), len(cleaned.reference[names[0]])
    share = min(1.0, CELLS_MAX / ((n + m) * len(names)))
    draw = np.random.default_rng(seed)
    live, reference = (np.sort(draw.permutation(size)[: int(size * share)]) for size in (n, m))
    return live, reference
