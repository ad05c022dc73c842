"""What is durable: the journal, panes, receipts, labels, and the facts that decisions are made of.

Law one: a call that returns has been fsynced, and what it wrote appears whole or not at all. Law two: the store adds,
keeps and forgets, but understands nothing: rows are encoded and panes are summed by functions it is handed.
"""

from monitor.store.parts import Limits, Parts, Quota
from monitor.store.protocol import (
    Change,
    Health,
    Kept,
    Position,
    Receipts,
    Sampled,
    SampleFile,
    Samples,
    Store,
    StoredLabel,
    WaitingLabel,
)
from monitor.store.sqlite import SqliteStore

__all__ = [
    "Change",
    "Health",
    "Kept",
    "Limits",
    "Parts",
    "Position",
    "Quota",
    "Receipts",
    "SampleFile",
    "Sampled",
    "Samples",
    "SqliteStore",
    "Store",
    "StoredLabel",
    "WaitingLabel",
]
