"""Messages on a pipe: four bytes of length, big endian, then that much JSON.

The bound is for a broken peer, not a quota: a reference profile of 2,000 features is 1.5 MB.
"""

import struct
from typing import BinaryIO, Final, TypeVar

import msgspec

from monitor.errors import Corrupt

LENGTH: Final = struct.Struct(">I")
MESSAGE_BYTES_MAX: Final = 64 << 20
ANSWER_BYTES_MAX: Final = 4 << 20  # of a worker: `scope.values_max` numbers, a fault for each thing asked for, names

_T = TypeVar("_T")


def frame(message: msgspec.Struct) -> bytes:
    """Encode one message with its length."""
    body = msgspec.json.encode(message)
    return LENGTH.pack(len(body)) + body


def body_length(header: bytes, bytes_max: int = MESSAGE_BYTES_MAX) -> int:
    """Read the length; Corrupt where nobody of ours wrote it."""
    length: int = LENGTH.unpack(header)[0]
    if length > bytes_max:
        raise Corrupt("the pipe", 0, f"a message of {length} bytes is announced")
    return length


def decode(body: bytes, kind: type[_T]) -> _T:
    """Read one message; Corrupt if it is not one of that kind."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Corrupt("the pipe", 0, f"not a {kind.__name__}: {error}") from error


def read(pipe: BinaryIO, kind: type[_T]) -> _T | None:
    """Read the next message, blocking; None when the other side has closed the pipe."""
    header = pipe.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    return decode(pipe.read(body_length(header)), kind)


def write(pipe: BinaryIO, message: msgspec.Struct) -> None:
    """Write one message and flush it."""
    pipe.write(frame(message))
    pipe.flush()
