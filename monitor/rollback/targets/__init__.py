"""Where a rollback takes effect: one way to deploy a file each, all behind `contract.Target` and held to one suite.

A target changes what is set, by compare-and-swap, and never claims that it is served: the model server proves that.
"""
