"""The model server is asked here: what it has loaded, what it would answer, and to load again.

Nothing it says is believed before it was checked, and nothing it does can hold us longer than the timeout.
"""
