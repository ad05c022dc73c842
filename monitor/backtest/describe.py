"""Writes docs/backtest.schema.json: the JSON schema of what both commands print with --json."""

import sys

import msgspec

from monitor.backtest.report import Report
from monitor.backtest.tuning import Advice


def schemas() -> dict[str, object]:
    """By command."""
    return {"backtest": msgspec.json.schema(Report), "tune": msgspec.json.schema(Advice)}


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(schemas()), indent=2) + b"\n")
