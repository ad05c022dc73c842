"""How the daemon keeps memory; in a process of its own, as it is for good."""

import subprocess
import sys


def said(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def test_arrow_takes_its_memory_where_all_others_do():
    code = "import pyarrow as pa; from monitor.turns.process import settle_memory; settle_memory()"
    assert said(f"{code}; print(pa.default_memory_pool().backend_name)") == "system"


def test_a_c_library_without_mallopt_is_no_failure():
    code = "import ctypes; ctypes.CDLL = lambda _: object(); from monitor.turns.process import settle_memory"
    assert said(f"{code}; settle_memory(); print('settled')") == "settled"


def test_the_daemon_holds_no_pandas_and_others_may():
    code = "import sys, pyarrow as pa, monitor.daemon; from monitor.turns.process import leave_pandas_out"
    code += "; leave_pandas_out(); pa.array([1]); print('pandas' in sys.modules); import pandas; print(pandas.__name__)"
    assert said(code).split() == ["False", "pandas"]
