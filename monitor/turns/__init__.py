"""The turns of the wheel: prove, fold, look, judge, act, show; each takes from the one before and hands on.

They are the only code between the pure core and the edges: they carry values across, decide nothing themselves, and
reach every edge through what `monitor.daemon` gave them.
"""
