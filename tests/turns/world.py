"""A small world for the turns: a schema of two features, a reference, a store on disk, and rows made of numbers."""

from pathlib import Path

import numpy as np

from monitor.clock import ManualClock
from monitor.decisions.epochs import identify, prove
from monitor.facts import (
    Bundle,
    BundleId,
    BundleStatus,
    Feature,
    FeatureKind,
    Label,
    ModelName,
    Prediction,
    RowKind,
    Schema,
    Submission,
)
from monitor.panes.batch import decode_predictions, encode_labels, encode_predictions
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.layout import Layout
from monitor.panes.reference import CategoryBins, NumericBins, Reference
from monitor.panes.window import sum_bodies
from monitor.store import Parts, SqliteStore

MODEL = ModelName("m")
SCHEMA = Schema(MODEL, (Feature("x", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL)), ("no", "yes"), "yes")
DIGESTS = {"v1": "sha256:" + "1" * 64, "v2": "sha256:" + "2" * 64}


def reference(edges=(0.0, 0.25, 0.5, 0.75, 1.0), rows=400, seed=7):
    """A reference profile of x uniform on the edges' range and c in {a, b}, counted from rows."""
    import msgspec

    rng = np.random.default_rng(seed)
    columns = (NumericBins("x", tuple(edges)), CategoryBins("c", ("a", "b")))
    draft = Reference(1, SCHEMA, columns, rows, 0.0, 3600.0, False, ())
    made = [
        prediction(f"r{i}", float(i), int(x > 0.5), float(x), x=float(x), c="ab"[i % 2])
        for i, x in enumerate(rng.uniform(edges[0], edges[-1], rows))
    ]
    batch = decode_predictions(encode_predictions(made, SCHEMA))
    layout = Layout.draft(draft)
    counts = count_rows(layout, bin_rows(layout, batch), batch.outputs).counts
    return msgspec.structs.replace(draft, counts=tuple(counts.tolist()))


def prediction(id_, time, output=0, score=0.5, *, source="gw", claimed="", **features):
    return Prediction(id_, time, output, score, features, source, time, None, claimed)


def label(id_, value, time=100.0, source="ops"):
    return Label(id_, time, value, source, time)


def bundle(name, layout, status=BundleStatus.KNOWN_GOOD, registered=1.0):
    digest = DIGESTS[name]
    return Bundle(BundleId(name), MODEL, f"{name}.json", digest, f"{name}.ref", layout.digest, status, registered, name)


def encode(kind, model, rows):
    return encode_predictions(rows, SCHEMA) if kind is RowKind.PREDICTIONS else encode_labels(rows)


def open_store(directory: Path, clock=None):
    return SqliteStore(directory, Parts(encode, sum_bodies, clock or ManualClock(1000.0), free_bytes=lambda: 1 << 40))


def submission(rows):
    kind = RowKind.LABELS if isinstance(rows[0], Label) else RowKind.PREDICTIONS
    return Submission(kind, MODEL, rows, 100 * len(rows))


def timeline(bundles, *proofs):
    """The epochs after proofs of (time, bundle name)."""
    epochs = ()
    for now, name in proofs:
        epochs = prove(epochs, MODEL, identify(DIGESTS.get(name, "sha256:" + "9" * 64), bundles, epochs), now)
    return epochs


def watched(bundles, layouts, epochs, state=None):
    """A model in memory, as the daemon would build it."""
    from monitor.decisions.rules import RulePack
    from monitor.decisions.state import ModelState
    from monitor.settings import LabelFeed, MonitoredModel
    from monitor.turns.loading import Releases, Shelf
    from monitor.turns.watched import Watched

    settings = MonitoredModel.model_construct(
        release_index=Path("releases.json"),
        rules=Path("rules.yaml"),
        serving=None,
        known_good=None,
        target=None,
        labels=LabelFeed(trusted_sources=("ops",)),
    )
    shelf = Shelf(Path("references"), {layout.digest: layout for layout in layouts})
    return Watched(
        name=MODEL,
        settings=settings,
        pack=RulePack(1, ()),
        releases=Releases(Path("releases.json"), MODEL, shelf),
        bundles=bundles,
        layouts=shelf.layouts,
        state=state or ModelState(MODEL),
        epochs=epochs,
    )
