"""Bands of the signals whose rows are minutes: of the volume, and of numbers that stand still.

Of a minute nothing comes but yes or no, so bets need no design effect, and the exact ones are the strongest. What is
usual of the volume is learned in rhythm_volume.py; how often minutes of other days lie beyond it is a share like any
other, with quarters of an hour for slots. A number that stands still does so for a while: there hours are taken for the
independent pieces.
"""

import msgspec
import numpy as np

from monitor.panes.rhythm import Band
from monitor.panes.rhythm_bands import ROWS_MIN, Learning, short, unknown
from monitor.panes.rhythm_count import Tally
from monitor.panes.rhythm_fit import learn_group, see
from monitor.panes.rhythm_groups import Group
from monitor.panes.rhythm_kin import Kinds
from monitor.panes.rhythm_noise import Common
from monitor.panes.rhythm_season import Slots
from monitor.panes.rhythm_volume import Learned, learn_volume
from monitor.panes.signals import Signals
from monitor.panes.volume import ITEMS, Volume

NO_MINUTES = "the history has no two days of minutes"
IS_SAMPLE = "the history is a sample of the traffic"


def learn_minutes(table: Signals, tally: Tally, common: Common, learning: Learning) -> tuple[Volume | None, list[Band]]:
    """What is usual of the volume, None where nobody can know; and the bands of `table.minutes`."""
    enough = learning.whole and int(tally.rows.sum()) >= ROWS_MIN
    found = learn_volume(tally.arrivals, tally.first_minute) if enough else None
    stale = [_learn_stale(table, tally, column, rows) for column, rows in enumerate(table.stale_rows)]
    if found is None:
        return None, [*([unknown(NO_MINUTES if learning.whole else IS_SAMPLE)] * len(ITEMS)), *stale]
    bands, _ = learn_group(see(_volume_group(found)), common, learning, Kinds.of_minutes(len(ITEMS)))
    return found.volume, [*(_without_design(band) for band in bands), *stale]


def _without_design(band: Band) -> Band:
    """Its design effect is not known, and not needed; a band that is unknown keeps the 1 of all that are."""
    return msgspec.structs.replace(band, design=float(band.centre is None))


def _volume_group(found: Learned) -> Group:
    """Minutes as rows, in slots of a quarter of an hour."""
    ahead = found.first % 60
    inside = slice(ahead, ahead + len(found.held))
    whole = -(-inside.stop // 60) * 60
    beyond, held = np.zeros((whole, len(ITEMS))), np.zeros(whole)
    beyond[inside] = found.beyond * found.held[:, np.newaxis]
    held[inside] = found.held
    sums, rows = beyond.reshape(-1, 15, len(ITEMS)).sum(axis=1), held.reshape(-1, 15).sum(axis=1)
    hours = (found.first - ahead) / 60 + (np.arange(len(rows)) + 0.5) / 4
    slots, share = Slots(sums, rows, hours, 0.25), sums.sum(axis=0) / rows.sum()
    return Group.of_shares(slots, beyond.reshape(-1, 60, len(ITEMS)), held.reshape(-1, 60), share)


def _learn_stale(table: Signals, tally: Tally, column: int, rows_min: float) -> Band:
    """How often all rows of a minute were in one bin, which is at least how often they were one value."""
    feature = [each for each in table.margins.layout.feature_cells if each.numbers is not None][column]
    cells = tally.by_minute(feature.start, feature.start + feature.bins)
    rows = cells.sum(axis=-1)
    enough, alone = rows >= rows_min, cells.max(axis=-1) == rows
    held = enough.sum(axis=1)
    if held.sum() < ROWS_MIN:
        return unknown(f"{held.sum()} minutes of the history had rows enough to tell")
    many = (alone & enough).sum(axis=1)
    share, hours = many.sum() / held.sum(), int(np.count_nonzero(held))
    spread = float(np.sqrt(share * (1 - share)))
    wander = np.sqrt((held * (many / np.maximum(held, 1) - share) ** 2).sum() / held.sum())
    return Band(short(float(share)), float(hours), short(spread), short(float(wander)), 0.0)
