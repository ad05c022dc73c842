"""What edges that call others over HTTP share: which addresses may be reached, connections that check, signatures.

Nothing here knows what is sent, or decides whether to send it.
"""
