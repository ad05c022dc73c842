"""The one place that changes which model serves: from the bundle that was judged to a known-good one, at most once.

What to do next is decided by `monitor.decisions.rollback`; here it is done, observed and journaled, in that order.
"""
