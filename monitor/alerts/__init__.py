"""Notices leave here as signed webhooks, at least once and in order, whatever the receiver does.

Nothing here decides what is worth saying, and no connection goes to an address that was not checked when it was made.
"""
