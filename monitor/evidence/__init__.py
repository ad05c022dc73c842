"""Evidence for people: reports and metrics made by Evidently, from samples, in a process of their own.

What is made here is looked at and exported; no verdict, alert or rollback rests on it.
"""
