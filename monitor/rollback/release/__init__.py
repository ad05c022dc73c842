"""The release index: which bundles there are, and which a rollback may go to. People write it, the daemon reads.

Nothing in it is believed that enough trusted people did not sign, and nothing that is older than what was seen before.
"""
