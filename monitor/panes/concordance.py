"""Correlation pairs: how often two numbers lie on the same side of their halves, by packed bits.

    concordant: (x_i >= m_i) = (x_j >= m_j)        m: the reference's bin edge nearest to the column's median

The share of concordant rows is (1 + phi) / 2 where both halves are equal, phi the correlation of the two indicators;
for normal values phi = (2 / pi) arcsin(rho) (Sheppard 1899). It is what of a correlation can be counted: it adds, no
outlier moves it, and its null is a band like that of any share. Rows in which one of the two is absent are not counted.

A shift of one margin moves concordance too, but less than it moves the margin's own cuts: by (2 p - 1)(2 q - 1) / 2.

Which pairs: of all pairs of numbers that have two halves the 200 with the largest |phi| in the builder's sample
(`monitor.panes.chosen`): what was related and comes apart is seen; of more than 20 numbers, two that were not related
and become so are seen only through others.

Cost: bits are made once a column and compared 64 rows at a time, `python -m bench counting` says what a row and a pair
take; sums stay in the second-level cache.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.panes.reference import Reference
from monitor.panes.sections import FeatureCells

Cells: TypeAlias = NDArray[np.uint8]
Counts: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]

_CHUNK: Final = 16_384  # rows: 0.4 MB of words for 200 pairs
_WORD: Final = 64


@dataclass(frozen=True, slots=True, eq=False)
class Pairing:
    """The pairs of one reference. `columns` [M] are the features in any pair, `first` and `second` [P] places in them.

    `half` u1[M, 1] is the first cell of the upper half, `absent` u1[M, 1] the first that is no number.
    """

    columns: NDArray[np.intp]
    half: Cells
    absent: Cells
    first: NDArray[np.intp]
    second: NDArray[np.intp]

    @classmethod
    def of(cls, reference: Reference, features: tuple[FeatureCells, ...]) -> "Pairing":
        """Look the pairs of `reference` up among its `features`."""
        pairs = np.array(reference.pairs, np.intp).reshape(-1, 2)
        columns, places = np.unique(pairs, return_inverse=True)
        places = places.reshape(pairs.shape)
        half = np.array([reference.halves[column] for column in columns], np.uint8)
        absent = np.array([features[column].bins for column in columns], np.uint8)
        return cls(columns, half[:, np.newaxis], absent[:, np.newaxis], places[:, 0].copy(), places[:, 1].copy())

    def agree(self, by_feature: Cells) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether each pair is concordant, and whether both numbers are there: two bool[P, n]; by cells u1[F, n]."""
        cells = by_feature[self.columns]
        high, given = cells >= self.half, cells < self.absent
        known = given[self.first] & given[self.second]
        return (high[self.first] == high[self.second]) & known, known


def count_concordance(pairing: Pairing, by_feature: Cells) -> Counts:
    """Count discordant and concordant rows of each pair, i8[2 P], by the cells u1[F, n] of all features."""
    pairs, rows = len(pairing.first), by_feature.shape[1]
    counts = np.zeros((pairs, 2), np.int64)
    if not pairs:
        return counts.reshape(-1)
    for start in range(0, rows, _CHUNK):
        cells = by_feature[pairing.columns, start : start + _CHUNK]
        given = cells < pairing.absent
        high = _packed(cells >= pairing.half)
        differ = high[pairing.first]
        differ ^= high[pairing.second]
        if given.all():
            known = np.full(pairs, cells.shape[1], np.int64)
        else:
            words = _packed(given)
            both = words[pairing.first]
            both &= words[pairing.second]
            differ &= both
            known = _ones(both)
        apart = _ones(differ)
        counts[:, 0] += apart
        counts[:, 1] += known - apart
    return counts.reshape(-1)


def _packed(flags: NDArray[np.bool_]) -> Words:
    """Pack bool[M, n] into whole words, u8[M, ceil(n / 64)]; what is beyond the rows is 0."""
    words = -(-flags.shape[1] // _WORD)
    packed = np.zeros((len(flags), words * 8), np.uint8)
    packed[:, : -(-flags.shape[1] // 8)] = np.packbits(flags, axis=1)
    return packed.view(np.uint64)


def _ones(words: Words) -> Counts:
    ones: Counts = np.bitwise_count(words).sum(axis=1, dtype=np.int64)
    return ones
