"""What the README tells a newcomer to type, typed: into one shell, in an empty home, from top to bottom."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from servers import free_port

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "README.md").read_text().partition("\n## Run it beside your model\n")[2].partition("\n## ")[0]
SET_UP, *BLOCKS = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)

# Rows are counted a second after they came; a person looks twice, a script waits.
COUNTED = """
until tocsin status --token-file ann.token --json > status.json && grep -q '"labels": 1,' status.json
do sleep 0.1; done
"""


@pytest.fixture
def typed(tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """The blocks run on ports of this test's own; nothing else is changed but the wait before the end."""
    port = str(free_port())
    settings = f"http: {{port: {port}}}\nmetrics: {{port: {free_port()}}}\nmodels:\n"
    text = (
        "\n".join(BLOCKS).replace("END'\nmodels:\n", f"END'\n{settings}").replace("127.0.0.1:8470", f"127.0.0.1:{port}")
    )
    assert settings in text
    script = text.replace("\nkill $!", f"{COUNTED}\nkill $!") + "\nwait\n"
    environ = os.environ | {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "TOCSIN": str(ROOT),
        "TOCSIN_URL": f"http://127.0.0.1:{port}",
    }
    begin = "set -euo pipefail\ntrap 'kill $(jobs -p) 2> kill.log || true' EXIT\n"
    with (tmp_path / "said").open("w") as said:
        ended = subprocess.run(
            ["bash", "-c", begin + script],
            cwd=tmp_path,
            env=environ,
            stdout=said,
            stderr=said,
            timeout=120,
            check=False,
        )
    return subprocess.CompletedProcess(ended.args, ended.returncode, (tmp_path / "said").read_text())


def test_a_newcomer_can_paste_the_readme(typed: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    assert typed.returncode == 0, typed.stdout
    assert "tocsin.yaml: ok" in typed.stdout
    assert typed.stdout.count('{"durable":true,"accepted":1,') == 2, typed.stdout
    assert '"role": "known_good"' in (tmp_path / "delays" / "status.json").read_text()
    assert len(tokens := list((tmp_path / "delays").glob("*.token"))) == 3
    assert [path.name for path in tokens if path.stat().st_mode & 0o077] == []


def test_the_set_up_is_the_one_that_the_walk_was_tried_with() -> None:
    assert "make venv" in SET_UP
    assert 'export TOCSIN="$PWD" PATH="$PWD/.venv/bin:$PATH"' in SET_UP
