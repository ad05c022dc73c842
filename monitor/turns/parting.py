"""By what rows are parted now, and since when: settings that a reload may change while rows are counted.

A fold and a look take the parting once, at their beginning, so each works with one throughout; the next one sees the
change. Old panes stay as they were counted. Two things follow:

    labels    A receipt does not say by which settings its segments were packed. So labels of predictions up to the
              change move the whole alone: too few, but none in the wrong segment.
    windows   A segment may bear the name of another one that was: `origin=__other__` is what the listed values leave.
              So a rule reads a segment from the first window that begins after its column was changed; columns that
              were left as they are lose nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from monitor.panes.layout import Layout
from monitor.panes.segments import Segments
from monitor.settings import SegmentColumn
from monitor.settings.fits import chosen

Columns = Mapping[str, SegmentColumn]


class Segmentation(msgspec.Struct, frozen=True):
    """What the store keeps of it: how the rows that were folded last are parted, and since when."""

    columns: str = "{}"  # as JSON, in the order of the settings
    since: float | None = None  # the newest prediction that was parted otherwise; None: none was
    changed: dict[str, float | None] = {}  # the same of each column; of one that is not here: `since`

    def now(self, columns: Columns, newest: float | None) -> "Segmentation":
        """This one, or its successor where the settings have changed.

        `newest` is the last prediction of all that were folded before; None: there was none.
        """
        text = msgspec.json.encode(said(columns)).decode()
        if text == self.columns:
            return self
        before = msgspec.json.decode(self.columns, type=dict[str, tuple[tuple[str, ...], int]])
        kept = {name: self.of(name) for name, one in said(columns).items() if before.get(name) == one}
        return Segmentation(text, newest, {name: kept.get(name, newest) for name in columns})

    def of(self, column: str) -> float | None:
        """The newest prediction that was parted otherwise by this column; None: none was."""
        return self.changed.get(column, self.since)

    def whole(self, column: str, start: float) -> bool:
        """Whether a window that begins at `start` holds no row that was parted otherwise by this column."""
        since = self.of(column)
        return since is None or start > since


@dataclass(slots=True, eq=False)
class Parting:
    """How rows are parted by one version of the settings, in the bins of any reference."""

    columns: Columns
    _segments: dict[str, Segments] = field(default_factory=dict)  # by digest of the reference profile

    def by(self, columns: Columns) -> "Parting":
        """This one, or another where `columns` say something else; their order counts, as receipts are packed by it."""
        same = self.columns is columns or list(self.columns.items()) == list(columns.items())
        return self if same else Parting(columns)

    def of(self, layout: Layout) -> Segments:
        """The segments of rows counted in these bins: by the columns that they can be cut by.

        The settings are checked against the known-good's reference; that of an older epoch may lack a column.
        """
        if layout.digest not in self._segments:
            self._segments[layout.digest] = Segments.fitting(chosen(self.columns), layout)
        return self._segments[layout.digest]


@dataclass(frozen=True, slots=True)
class Parted:
    """How a look takes rows to be parted, and since when: both as they were at its beginning."""

    parting: Parting
    segmentation: Segmentation


def said(columns: Columns) -> dict[str, tuple[tuple[str, ...], int]]:
    """What the settings say of each column, as plain values."""
    return {name: (tuple(one.values), one.values_max) for name, one in columns.items()}
