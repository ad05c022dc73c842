"""How the daemon keeps memory; in a process of its own, as it is for good."""

import subprocess
import sys


def said(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


ARROW = """
import pyarrow as pa
names = pa.supported_memory_backends()
held = pa.array(range(10_000)).cast("string")  # a kernel allocates from the pool that Arrow itself began with
print(*[name for name in names if getattr(pa, f"{name}_memory_pool")().bytes_allocated()])
"""


def test_arrow_takes_its_memory_where_all_others_do():
    assert said(f"from monitor.cli.libraries import arrow_from_malloc; arrow_from_malloc()\n{ARROW}") == "system"


def test_a_c_library_without_mallopt_is_no_failure():
    code = "import ctypes; ctypes.CDLL = lambda _: object(); from monitor.turns.process import settle_memory"
    assert said(f"{code}; settle_memory(); print('settled')") == "settled"


def test_a_turn_that_outlasts_its_period_is_no_line_in_the_log():
    code = "import logging; from monitor.turns.process import configure_log; configure_log()"
    assert said(f"{code}; print(logging.getLogger('apscheduler.scheduler').isEnabledFor(logging.WARNING))") == "False"
