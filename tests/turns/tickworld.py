"""Bands for the small world, and rows that stay inside them or do not."""

import numpy as np
from msgspec.structs import replace
from world import MODEL, Turns, prediction, reference

from monitor.decisions.budget import Watch
from monitor.detectors.sequential import Ledger
from monitor.panes.layout import Layout
from monitor.panes.rhythm import BINS, Band, Rhythm, ScoredBins
from monitor.panes.rhythm_labels import complete_labels
from monitor.panes.signals import Signals, What
from monitor.panes.volume import Volume
from monitor.turns.ticking import Armed

CALM_S = 3600.0
WATCH = Watch(Ledger(hold=CALM_S / 60.0), 60.0)
USUAL = Volume((40,) * 24, (60,) * 24)  # rows a minute in all hours
PAGED = (0.51, 1.0)  # where `x` comes from when the world has moved


def banded(layout, unknown=(), rows=1e6, volume=None):
    """The layout with a band around each share of its reference, but for the columns that are `unknown`.

    With a `volume` as a year of it would have taught.
    """
    signals = Signals.table(layout)
    counts = np.array(layout.reference.counts, np.int64)
    seen = signals.count(counts) + signals.count_labels(counts)
    bands = []
    for signal, x, n in zip(signals.signals, seen.x, seen.n, strict=True):
        if signal.what is What.RATE and volume is not None:
            usual = 0.0 if signal.item == "none" else 0.02
            bands.append(Band(usual, 5000.0, (usual * (1 - usual)) ** 0.5, 0.005, 0.0))
            continue
        share = float(x / max(n, 1))
        known = None if signal.column in unknown or not n else share
        bands.append(Band(known, rows, (share * (1 - share)) ** 0.5, 0.0, 1.0, why="" if known is not None else "few"))
    scored = []
    for column, bins in zip(signals.scored, seen.bins, strict=True):
        shares = np.maximum(bins, 0.5)
        known = None if column in unknown else 0.0
        scored.append(ScoredBins(tuple((shares / shares.sum()).tolist()), Band(known, rows, 1.0, 0.0, 1.0, why="few")))
        assert len(bins) == BINS
    mine, labelled = signals.labels, layout.reference.labelled
    bands[mine] = complete_labels(signals.signals[mine], bands[mine], labelled=labelled, design=1.0)
    rhythm = Rhythm((), 0.04, True, "", tuple(bands), tuple(scored), volume)
    return Layout.of(replace(layout.reference, rhythm=rhythm))


def ticking(directory, *rules, unknown=(), volume=None, **more):
    """A world whose v1 is watched under a budget; its minutes too, with a `volume`."""
    plain = Layout.of(reference())
    other = Layout.of(reference(edges=(0.0, 0.5, 2.0), seed=8))
    layouts = banded(plain, unknown, volume=volume), banded(other)
    return Turns(directory, *rules, **({"watch": WATCH, "layouts": layouts} | more))


def rows(n, start, low=0.0, high=1.0, prefix=""):
    """`n` rows of the minute from `start` on, `x` spread evenly over [low, high), the rest as in the reference."""
    xs = low + (high - low) * (np.arange(n) + 0.5) / n
    return [
        prediction(f"{prefix}{start:g}-{i}", start + 59.0 * i / n, int(x > 0.5), float(x), x=float(x), c="ab"[i % 2])
        for i, x in enumerate(xs)
    ]


def armed(turns):
    """The state of the e-detector, as stored."""
    return turns.store.facts(Armed)[MODEL]


def latched(found):
    """Which alerts a look says that breach."""
    return sorted(key for key, slots in found.slots.items() if slots and slots[-1].reading.verdict.value == "breach")
