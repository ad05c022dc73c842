"""Decisions: slots become alerts, alerts become one incident, and an incident at most one rollback.

Pure: the same facts at the same times give the same decisions, and nothing here does what it decides.
"""
