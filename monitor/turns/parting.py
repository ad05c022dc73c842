"""Segments in the bins of any reference, also of one that cannot be cut as the settings say.

The reference that judges can: a start without that is refused (`monitor.settings.fits`). One of an earlier epoch, or of
a bundle registered while the daemon runs, may lack a column, or have a number there. Its rows are then all in the
pooled segment of that column: nothing is said of what cannot be told, and counting goes on.
"""

from collections.abc import Mapping
from math import prod

import numpy as np
import structlog

from monitor.errors import SettingsError
from monitor.panes.layout import Layout
from monitor.panes.segments import PACKED_MAX, Chosen, Segmented, Segments

log = structlog.get_logger()


def parted(chosen: Mapping[str, Chosen], layout: Layout) -> Segments:
    """The segments of all columns; those that this reference cannot be cut by are pooled, and logged."""
    try:
        return Segments.of(chosen, layout)
    except SettingsError as error:
        log.warning("segments.pooled", reference=layout.digest, first=str(error.problems[0]))
    columns = tuple(_column(name, one, layout) for name, one in chosen.items())
    if prod(len(column.values) + 1 for column in columns if column.feature is None) > PACKED_MAX:
        columns = tuple(pooled(column.column) if column.feature is None else column for column in columns)
    return Segments(columns)


def pooled(column: str) -> Segmented:
    """A column whose rows are all in one segment."""
    return Segmented(column, (), None, np.zeros(256, np.uint8))


def _column(name: str, chosen: Chosen, layout: Layout) -> Segmented:
    try:
        return Segments.of({name: chosen}, layout).columns[0]
    except SettingsError:
        return pooled(name)
