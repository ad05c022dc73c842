"""Tocsin: a production model monitoring daemon. Start reading at `monitor.facts`."""

__version__ = "0.1.0"
