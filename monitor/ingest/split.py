"""Cut a JSON array into its items without reading them, so that one unreadable item costs only itself.

Only used when the array as a whole did not decode. A scan for strings and brackets, linear in the body (possessive
quantifiers, one look at an unterminated string) and in constant stack whatever the nesting: depth bombs, NaN, 1e400,
bad escapes and invalid UTF-8 all stay inside their item. Where strings or brackets do not end, the rest of the body is
one unreadable item, and the rows before it are kept. Cost: 0.2 us a string or bracket, 5 us a row of 20 features.
"""

import re
from collections.abc import Iterator
from typing import Final

UNREADABLE: Final = b","  # stands for an item that is not there; no JSON value
_STRING: Final = rb'"(?:[^"\\]++|\\.)*+"'
_INSIDE: Final = re.compile(_STRING + rb'|[\[{}\]"]', re.DOTALL)  # a lone quote: a string without end
_BETWEEN: Final = re.compile(_STRING + rb'|[\[{}\]",]', re.DOTALL)  # commas part items at depth 1 only


def array_items(body: bytes) -> Iterator[bytes]:
    """The raw items of a JSON array, in order; `body` begins with `[`.

    >>> list(array_items(b'[{"a": [1, 2]}, "x,]", NaN]'))
    [b'{"a": [1, 2]}', b'"x,]"', b'NaN']
    """
    depth, start, position = 1, 1, 1
    while found := (_BETWEEN if depth == 1 else _INSIDE).search(body, position):
        position = found.end()
        match found[0]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
            case b",":
                yield body[start : found.start()].strip() or UNREADABLE
                start = position
            case b'"':
                break
        if depth == 0:
            yield from _last(body[start : found.start()], first=start == 1)
            if body[position:].strip():
                yield UNREADABLE
            return
    yield UNREADABLE


def _last(item: bytes, *, first: bool) -> Iterator[bytes]:
    """The item before the closing bracket: none in `[]`, unreadable after a comma."""
    if item.strip():
        yield item.strip()
    elif not first:
        yield UNREADABLE
