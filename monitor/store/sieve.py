"""A bitmap that says of most hashes that they are not in a run, so that nobody searches for them.

Hashes are uniform, so their first b bits say where in a bitmap of 2**b bits each of them sets its bit; a hash whose bit
is not set is not there. With 4 to 8 bits a key, an absent hash passes with a probability of 12 to 22 %: one gather of
3 ns instead of a binary search, 24 ns among 200,000 keys and 200 ns among 13,000,000 (two cores, 2026-11). A fold looks
for every new id in every run, and finds nearly none.

Cost: half a byte to a byte a key, in memory; built at the first search for many hashes, 4 ns a key.
Rejected: a Bloom filter, which reads several places a hash to pass fewer; a filter in the file, which would have to be
read and checked as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 64
_CHUNK = 1 << 18  # keys that set their bits at a time; its flags take 2 MB
_PLACES = np.uint64(7)


@dataclass(frozen=True, slots=True, eq=False)
class Sieve:
    """Of keys below 2**(64 - halvings): `bitmap` u1[2**b / 8], and by how many bits a key is shifted to its place."""

    bitmap: NDArray[np.uint8]
    shift: np.uint64

    @classmethod
    def of(cls, keys: NDArray[np.uint64], halvings: int, after: Callable[[], object] = lambda: None) -> "Sieve":
        """Set the bits of ascending keys; `after` is called for every 2 MB of them that were read."""
        bits = min(max((4 * len(keys)).bit_length(), 3), BITS - halvings)
        shift = np.uint64(BITS - halvings - bits)
        bitmap = np.zeros(max(1, (1 << bits) // 8), np.uint8)
        for start in range(0, len(keys), _CHUNK):
            places = keys[start : start + _CHUNK] >> shift
            first = int(places[0]) >> 3
            flags = np.zeros(((int(places[-1]) >> 3) - first + 1) * 8, np.bool_)
            flags[(places - np.uint64(first << 3)).astype(np.intp)] = True
            packed = np.packbits(flags, bitorder="little")
            bitmap[first : first + len(packed)] |= packed
            after()
        return cls(bitmap, shift)

    def passes(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which keys may be there; every key that is there passes."""
        places = keys >> self.shift
        found = self.bitmap[(places >> np.uint64(3)).astype(np.intp)] >> (places & _PLACES).astype(np.uint8)
        result: NDArray[np.bool_] = (found & np.uint8(1)).view(np.bool_)
        return result
