"""The e-detector on real streams, and on a walk: looks, pages, delays, and what has no band and why.

    python -m bench detection [--rivals]

Product code only (`replay.py`); seeds are fixed and time is that of the rows, so a figure does not depend on the
machine. The table with every page stands in `real.md`, written with the figures; with `--rivals` also `rivals.md`.
Simulated worlds are a bench of their own, `python -m bench detection.worlds`, with a page of its own.
"""

from bench.detection.real import measure

__all__ = ["measure"]
