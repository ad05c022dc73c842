"""The main job on real input: processes, rows and labels are real, only event time is replayed.

It talks to the daemon as any user would, over HTTP, and believes only what it counted itself.
"""

from monitor.demo.run import run_demo

__all__ = ["run_demo"]
