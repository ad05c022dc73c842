"""How the daemon keeps memory, and how many files it may open; in a process of its own, as it is for good."""

import subprocess
import sys

import pytest


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


LIMITS = """
import resource
from monitor.turns import process
resource.setrlimit(resource.RLIMIT_NOFILE, {given})
{more}
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("given", "raised"), [((256, 2_000), "2000 2000"), ((500, 500), "500 500"), ((1_500, 2_000), "2000 2000")]
)
def test_the_daemon_takes_all_descriptors_that_it_may_have(given, raised):
    assert said(LIMITS.format(given=given, more="process.raise_descriptors()")) == raised


def test_it_takes_no_more_than_the_commands_it_starts_can_bear():
    more = "process.DESCRIPTORS_MAX = 700; process.raise_descriptors()"
    assert said(LIMITS.format(given=(256, 2_000), more=more)) == "700 2000"


def test_it_gives_none_back():
    more = "process.DESCRIPTORS_MAX = 300; process.raise_descriptors()"
    assert said(LIMITS.format(given=(400, 2_000), more=more)) == "400 2000"


def test_where_it_may_not_ask_for_descriptors_it_goes_on_with_those_it_has():
    more = """
def forbidden(*_):
    raise PermissionError
resource.setrlimit = forbidden
process.raise_descriptors()"""
    assert said(LIMITS.format(given=(256, 2_000), more=more)) == "256 2000"


def test_the_daemon_has_them_before_it_reads_its_settings(tmp_path):
    more = f"""
from pathlib import Path
from monitor import daemon
try:
    daemon.run(Path({str(tmp_path / "none.yaml")!r}))
except Exception:
    pass"""
    assert said(LIMITS.format(given=(256, 2_000), more=more)) == "2000 2000"
