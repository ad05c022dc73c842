"""`python -m grafana` writes the dashboards; with `--check` it only says whether the committed ones are these."""

import json
import sys
from pathlib import Path
from typing import Any, Final

from grafana import fleet, model, safety
from grafana.board import document
from monitor.facts import Task

FOLDER: Final = Path(__file__).parent / "dashboards"


def documents() -> dict[str, dict[str, Any]]:
    """Every dashboard by the name of its file."""
    models = {f"model-{task.value}.json": document(model.dashboard(task)) for task in Task}
    return {"fleet.json": document(fleet.dashboard()), **models, "safety.json": document(safety.dashboard())}


def text(found: dict[str, Any]) -> str:
    """One dashboard as it is committed: the same each time, and a changed panel is a few changed lines."""
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write the files, or compare them: 1 when one differs."""
    stale = []
    for name, found in documents().items():
        file = FOLDER / name
        if not file.is_file() or file.read_text() != text(found):
            stale.append(name)
    if "--check" in arguments:
        if stale:
            sys.stderr.write(f"not what the generator makes: {', '.join(stale)}; run make dashboards\n")
        return int(bool(stale))
    for name, found in documents().items():
        (FOLDER / name).write_text(text(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
