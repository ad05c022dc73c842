"""HTTP in: bytes become facts or a counted refusal, and nothing is acknowledged before the journal has committed it.

Trust comes from the token alone: whatever a body says about itself is a claim, and no claim is ever echoed or logged.
"""
