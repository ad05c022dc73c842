"""One e-detector over everything that is watched: at most one false page per model per budget, on average.

It reads counts and bands and returns its next state; it takes no clock, and what it has bet on is never un-bet.
"""

from monitor.detectors.sequential.latch import Latch
from monitor.detectors.sequential.ledger import Ledger, Tier
from monitor.detectors.sequential.listing import list_drifted
from monitor.detectors.sequential.plan import Lane, Plan
from monitor.detectors.sequential.process import Crossing, Step, step
from monitor.detectors.sequential.state import State

__all__ = ["Crossing", "Lane", "Latch", "Ledger", "Plan", "State", "Step", "Tier", "list_drifted", "step"]
