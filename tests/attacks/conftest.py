"""The attacks are made on the same small world as the turns are tested in."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "turns"))  # its modules are no package, and have names of their own
