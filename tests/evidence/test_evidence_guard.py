"""The guard on itself, in processes that try; and a report against a profile instead of rows."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from evidenceworld import SCHEMA, Desk, ask, job

from monitor.ingest.history import open_history
from monitor.panes.build import build_reference
from monitor.panes.schema import ColumnNames

TRY = """
import socket, subprocess, os
from monitor.evidence.worker import guard
refused = guard.forbid()
try:
    {attempt}
except PermissionError:
    pass
print(dict(refused))
"""


@pytest.mark.parametrize(
    ("attempt", "event"),
    [
        ("socket.socket()", "socket.__new__"),
        ("socket.socket(socket.AF_INET6)", "socket.__new__"),
        ("socket.getaddrinfo('localhost', 80)", "socket.getaddrinfo"),
        ("socket.gethostbyname('localhost')", "socket.gethostbyname"),
        ("socket.socket(socket.AF_UNIX).connect('/x')", "socket.connect"),
        ("subprocess.Popen(['true'])", "subprocess.Popen"),
        ("os.system('true')", "os.system"),
        ("os.fork()", "os.fork"),
    ],
)
def test_whatever_reaches_out_is_refused_and_counted(attempt: str, event: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TRY.format(attempt=attempt)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str({event: 1})


def test_memory_beyond_the_terms_is_refused_by_the_kernel() -> None:
    code = (
        "from monitor.evidence.worker import guard; from monitor.evidence.jobs import Terms\n"
        "guard.bind_to(Terms(memory_bytes_max=256 << 20))\n"
        "try: bytearray(512 << 20)\nexcept MemoryError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"


def test_its_peak_is_its_own_and_not_that_of_who_started_it() -> None:
    ask_peak = "from monitor.evidence.worker import guard; print(guard.peak_bytes())"
    code = (
        "import subprocess, sys\n"
        "held = b'x' * (400 << 20)\n"
        f"subprocess.run([sys.executable, '-c', {ask_peak!r}], check=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5 << 20 < int(done.stdout) < 300 << 20


def test_without_rows_of_the_history_a_report_says_that_its_reference_is_synthetic(
    desk: Desk, live: Path, reference: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    table = pq.read_table(reference)
    names = [name.removeprefix("f:") for name in table.column_names]
    table = table.rename_columns(names).append_column("secret", table.column("score"))
    pq.write_table(table, tmp_path / "history.parquet")
    batches = open_history(tmp_path / "history.parquet", SCHEMA, ColumnNames(prediction="output", score="score"))
    profile = build_reference(batches, SCHEMA, lambda _: None)
    asks = (ask("drift", "ValueDrift", column="distance", method="psi"), ask("same", "ValueDrift", column="delay"))
    asked = msgspec.structs.replace(job(live, asks=asks), reference=profile, report=str(tmp_path / "r.html"))
    result = desk.do(asked)
    numbers = {value.name: value.value for value in result.values}
    assert numbers["drift"] > 0.5
    assert numbers["same"] > 0.05  # with 400 rows Evidently chooses a test, and this is its p-value
    assert "p_value" in {value.name: value.method for value in result.values}["same"]
    assert "the reference side is synthetic" in (tmp_path / "r.html").read_text()
