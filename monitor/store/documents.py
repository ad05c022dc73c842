"""Facts as JSON documents by (type name, key). Floats survive exactly; NaN and infinities do not exist in facts."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import apsw
import msgspec

from monitor.errors import Corrupt
from monitor.store.protocol import Fact

Put = tuple[str, str, bytes]  # type name, key, JSON


def encode(puts: Iterable[tuple[str, msgspec.Struct]]) -> list[Put]:
    """Before the transaction, so that what cannot be encoded does not spoil it."""
    return [(type(fact).__name__, key, msgspec.json.encode(fact)) for key, fact in puts]


def write(db: apsw.Connection, deletes: Iterable[tuple[type[msgspec.Struct], str]], puts: list[Put]) -> None:
    """Inside the turn's transaction; deletes first."""
    db.executemany("DELETE FROM documents WHERE kind = ? AND key = ?", [(kind.__name__, key) for kind, key in deletes])
    db.executemany(
        "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body", puts
    )


def read(db: apsw.Connection, kind: type[Fact], path: str) -> dict[str, Fact]:
    """All of a type, in the order of their keys; Corrupt if one is no such fact."""
    rows: list[Any] = db.execute(
        "SELECT key, body FROM documents WHERE kind = ? ORDER BY key", (kind.__name__,)
    ).fetchall()
    decoder = _decoder(kind)
    try:
        return {key: decoder.decode(body) for key, body in rows}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        hint = f"a stored {kind.__name__} cannot be read ({error}); was it written by a later version of tocsin?"
        raise Corrupt(path, 0, hint) from error


@cache
def _decoder(kind: type[Fact]) -> msgspec.json.Decoder[Any]:
    """One decoder per type; there are about ten."""
    return msgspec.json.Decoder(kind)
