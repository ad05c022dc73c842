"""The audit log: what was decided and done, in a hash chain that no one can edit unseen, on disk before it is told.

It knows nothing of what it writes down, holds no feature values and no secrets, and is never read to decide anything.
"""
