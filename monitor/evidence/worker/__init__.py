"""The process that may import pandas and Evidently; the daemon never imports it, it starts it and speaks by pipes.

It has no network, little memory, no secrets, and is thrown away when it has done its share.
"""
