"""A bitmap that says of most hashes that they are not in a run, so that nobody searches for them.

Hashes are uniform, so their first b bits say where in a bitmap of 2**b bits each of them sets its bit; a hash whose bit
is not set is not there. With 4 to 8 bits a key, an absent hash passes with a probability of 12 to 22 %: one gather of
3 ns instead of a binary search, 24 ns among 200,000 keys and 200 ns among 13,000,000 (two cores, 2026-11). A fold looks
for every new id in every run, and finds nearly none.

Whoever passes is searched for within its block: the first bits of a hash say where the keys that share them begin,
about `BLOCK` of them, and a few comparisons of all hashes at once find the place: 20 ns a hash, where a binary search
among 6,000,000 keys, one hash after the other, guesses wrong at every second step and takes 270 (two cores, 2026-11).

Cost: half a byte to a byte a key and a sixteenth for the blocks, in memory; built at the first search for many hashes,
5 ns a key. Keys that are not uniform, as of a hand-made file, make blocks long, and a search as long as any other.
Rejected: a Bloom filter, which reads several places a hash to pass fewer; a filter in the file, which would have to be
read and checked as well.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 64
BLOCK = 64  # keys
_CHUNK = 1 << 18  # keys that set their bits at a time; its flags take 2 MB
_PLACES, _BYTE, _ONE = np.uint8(7), np.uint64(3), np.uint8(1)


@dataclass(frozen=True, slots=True, eq=False)
class Sieve:
    """Of keys below 2**(64 - halvings): `bitmap` u1[2**b / 8], and by how many bits a key is shifted to its place.

    `starts` u4[2**c]: how many keys come before each block; `block` shifts a key to its own; the longest has fewer than
    2**steps.
    """

    bitmap: NDArray[np.uint8]
    shift: np.uint64
    starts: NDArray[np.uint32]
    block: np.uint64
    steps: int

    @classmethod
    def of(cls, keys: NDArray[np.uint64], halvings: int, after: Callable[[], object] = lambda: None) -> "Sieve":
        """Set the bits of ascending keys; `after` is called for every 2 MB of them that were read.

        ValueError or IndexError if they are out of order, or not below 2**(64 - halvings).
        """
        bits = min(max((4 * len(keys)).bit_length(), 3), BITS - halvings)
        some = min((len(keys) // BLOCK).bit_length(), BITS - halvings)
        shift, block = np.uint64(BITS - halvings - bits), np.uint64(BITS - halvings - some)
        bitmap, sizes = np.zeros(max(1, (1 << bits) // 8), np.uint8), np.zeros(1 << some, np.uint32)
        for start in range(0, len(keys), _CHUNK):
            blocks = keys[start : start + _CHUNK] >> block
            if blocks.max() >= len(sizes):
                raise ValueError  # before numbers that no file should have decide how much is allocated
            counts = np.bincount((blocks - blocks[0]).view(np.intp))
            sizes[int(blocks[0]) : int(blocks[0]) + len(counts)] += counts.astype(np.uint32)
            places = keys[start : start + _CHUNK] >> shift
            first = int(places[0]) >> 3
            flags = np.zeros(((int(places[-1]) >> 3) - first + 1) * 8, np.bool_)
            flags[(places - np.uint64(first << 3)).astype(np.intp)] = True
            packed = np.packbits(flags, bitorder="little")
            bitmap[first : first + len(packed)] |= packed
            after()
        starts = np.cumsum(sizes, dtype=np.uint32) - sizes
        return cls(bitmap, shift, starts, block, int(sizes.max()).bit_length())

    def passes(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which keys may be there; every key that is there passes."""
        places = keys >> self.shift
        bits = places.astype(np.uint8)
        bits &= _PLACES
        places >>= _BYTE
        found = self.bitmap.take(places.view(np.intp))
        found >>= bits
        found &= _ONE
        result: NDArray[np.bool_] = found.view(np.bool_)
        return result

    def last(self, keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Where among the keys it was made of the last one <= each of `wanted` is; -1 where none is.

        Adds 2**(steps - 1), ..., 2, 1 to the start of the block where the key before that place is not too large; what
        lies behind the block always is.
        """
        found = self.starts.take((wanted >> self.block).view(np.intp), mode="clip").astype(np.intp)
        for bit in reversed(range(self.steps)):
            at = found + ((1 << bit) - 1)
            np.minimum(at, len(keys) - 1, out=at)
            found += np.multiply(keys.take(at) <= wanted, 1 << bit, dtype=np.intp)
        found = np.minimum(found, len(keys))
        found -= 1
        return found
