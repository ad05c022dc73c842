"""What an e-detector remembers between ticks: of one (model, epoch), saved with the look that stepped it.

Bytes are little-endian arrays: the same stream gives the same bytes, however often it was stopped and started. Size:
40 bytes a lane (three bets in three tiers in float32, its minutes), 21 more while it waits for rows, 36 if it bets by
ticks: 0.4 MB for 500 numeric features, 0.9 at most.
To lose a state is safe (its processes start at 0, which only lowers them); to replay a tick is not.
"""

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.detectors.sequential.bets import Doubles
from monitor.detectors.sequential.latch import Latch
from monitor.detectors.sequential.ledger import TIERS
from monitor.detectors.sequential.plan import Plan
from monitor.panes.tilts import ETAS

Floats = NDArray[np.float32]


class State(msgspec.Struct, frozen=True):
    """Of one plan; `process.step` alone makes the next one."""

    plan: str  # Plan.name
    minutes: float  # elapsed while armed
    ratios: bytes  # f4[tiers, bets, lanes], w_j R_j in minutes
    ticks: bytes  # f4[tiers, bets, lanes of signals]; empty while no tick bet was made
    waited: bytes  # f4[lanes], minutes since the lane's last bet
    waiting: bytes  # u4[k], lanes with too few rows yet
    waiting_rows: bytes  # u1[k]
    waiting_sums: bytes  # f4[4, k]: the three logarithms, sum of y/u
    latches: tuple[Latch, ...] = ()


@dataclass(slots=True, eq=False)
class Carried:
    """A state unpacked, to be worked on; and what was told of the lanes since their last bets."""

    evidence: Floats  # [tiers, processes]
    waited: Floats  # [lanes], minutes
    logs: Doubles  # [bets, lanes]
    ticks: Doubles  # [lanes of signals], sum of y/u
    rows: Doubles  # [lanes]


def start(plan: Plan) -> State:
    """The state before the first tick of an epoch."""
    none = bytes(4 * len(TIERS) * len(ETAS) * len(plan.lanes))
    return State(plan.name, 0.0, none, b"", bytes(4 * len(plan.lanes)), b"", b"", b"")


def release(state: State, tier: int, group: int) -> State:
    """A person lets go of one latch."""
    kept = tuple(latch for latch in state.latches if (latch.tier, latch.group) != (tier, group))
    return msgspec.structs.replace(state, latches=kept)


def demand(plan: Plan, state: State) -> State:
    """The state, known to be of this plan; ValueError if it is not."""
    if state.plan != plan.name or len(state.waited) != 4 * len(plan.lanes):
        msg = f"a state of plan {state.plan} was handed to plan {plan.name}"
        raise ValueError(msg)
    return state


def unpack(plan: Plan, state: State) -> Carried:
    """Copy the arrays out of a state."""
    evidence = np.zeros((len(TIERS), plan.processes), np.float32)
    ratios = len(ETAS) * len(plan.lanes)
    evidence[:, :ratios] = np.frombuffer(state.ratios, "<f4").reshape(len(TIERS), -1)
    if state.ticks:
        evidence[:, ratios:] = np.frombuffer(state.ticks, "<f4").reshape(len(TIERS), -1)
    waited = np.frombuffer(state.waited, "<f4").astype(np.float32)
    lanes, sides = len(plan.lanes), plan.sides
    carried = Carried(evidence, waited, np.zeros((len(ETAS), lanes)), np.zeros(sides), np.zeros(lanes))
    if state.waiting:
        where = np.frombuffer(state.waiting, "<u4").astype(np.intp)
        told = np.frombuffer(state.waiting_sums, "<f4").reshape(len(ETAS) + 1, -1)
        carried.rows[where] = np.frombuffer(state.waiting_rows, np.uint8)
        carried.logs[:, where] = told[:-1]
        shares = where < sides
        carried.ticks[where[shares]] = told[-1, shares]
    return carried


def pack(plan: Plan, minutes: float, carried: Carried, ready: NDArray[np.bool_]) -> State:
    """The next state, without latches: what has rows and is not `ready` waits."""
    where = np.flatnonzero((carried.rows > 0) & ~ready)
    told = np.zeros((len(ETAS) + 1, len(where)), "<f4")
    told[:-1] = carried.logs[:, where]
    shares = where < plan.sides
    told[-1, shares] = carried.ticks[where[shares]]
    ratios = len(ETAS) * len(plan.lanes)
    ticks = carried.evidence[:, ratios:]
    return State(
        plan.name,
        minutes,
        carried.evidence[:, :ratios].astype("<f4").tobytes(),
        ticks.astype("<f4").tobytes() if ticks.any() else b"",
        carried.waited.astype("<f4", copy=False).tobytes(),
        where.astype("<u4").tobytes(),
        carried.rows[where].astype(np.uint8).tobytes(),
        told.tobytes(),
    )
