"""Rows become panes and panes add up to windows: counts, in the bins of one frozen reference, and nothing but counts.

Pure: no IO, no clock, no logging; the same rows give the same counts in any order and any split.
"""
