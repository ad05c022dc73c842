"""Files mapped into memory for reading, without a descriptor for each.

Python's own mmap keeps a duplicate of the descriptor for as long as the mapping lives (until 3.13 and its `trackfd`). A
state of many models has thousands of runs, a fold may read thousands of records, and a process often has 1,024
descriptors for all it does. The kernel needs none of them: a mapping holds its file by itself.

A mapping ends with the last array on it. Who writes into one gets a ValueError from numpy, not a signal.
"""

import ctypes
import mmap
import os
import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.mmap.restype = ctypes.c_void_p
_LIBC.mmap.argtypes = (
    *(ctypes.c_void_p, ctypes.c_size_t),  # where: the kernel chooses; how long
    *(ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long),  # protection, flags, descriptor, offset
)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_FAILED = ctypes.c_void_p(-1).value


class Mapped:
    """Some bytes of a file, shared and read-only. Its arrays hold it, as their base."""

    def __init__(self, descriptor: int, length: int, offset: int = 0, flags: int = 0) -> None:
        """Map `length` > 0 bytes from `offset`, a multiple of the page size. OSError; the descriptor may be closed."""
        address = _LIBC.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED | flags, descriptor, offset)
        if address == _FAILED:
            raise _error()
        weakref.finalize(self, _LIBC.munmap, address, length).atexit = False  # arrays may outlive all of Python
        self._where = (address, length)
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "typestr": "|u1",
            "shape": (length,),
            "data": (address, True),  # True: read-only
        }

    def array(self) -> NDArray[np.uint8]:
        """Its bytes, not copied."""
        return np.asarray(self)

    def release(self) -> None:
        """Let go of the pages that were read: they stay in the page cache, and come back when they are touched."""
        if _LIBC.madvise(*self._where, mmap.MADV_DONTNEED):
            raise _error()


def _error() -> OSError:
    """Of the call before, on this thread."""
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
