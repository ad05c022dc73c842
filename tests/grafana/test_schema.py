"""The dashboards fit the types of Grafana 13.2.1 itself: TypeScript's compiler says so."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from boards import BOARDS, PANELS

MODULES = Path(__file__).parents[2] / "grafana" / "web" / "node_modules"
CONFIG = {
    "compilerOptions": {
        "target": "es2022",
        "module": "esnext",
        "moduleResolution": "bundler",
        "strict": True,
        "noEmit": True,
        "skipLibCheck": True,
        "types": [],
    },
    "files": ["boards.ts", "panels.ts", "wrong.ts"],
}
KINDS = {
    "heatmap": "Heatmap",
    "stat": "Stat",
    "state-timeline": "StateTimeline",
    "table": "Table",
    "timeseries": "TimeSeries",
}
HEAD = """
import type { Dashboard } from '@grafana/schema';
// JSON holds an enum's value, not its member.
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;
"""


@pytest.fixture(scope="module")
def complaints(tmp_path_factory):
    """What TypeScript's compiler says of each file, compiled in one run: most of its time is Grafana's types."""
    if not MODULES.is_dir() or shutil.which("node") is None:
        if os.environ.get("CI"):
            pytest.fail("Grafana's types are not installed: .ci/grafana-types")
        pytest.skip("Grafana's types are not installed: .ci/grafana-types")
    folder = tmp_path_factory.mktemp("types")
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "tsconfig.json").write_text(json.dumps(CONFIG))
    bodies = {"boards.ts": boards(), "panels.ts": options(), "wrong.ts": wrong()}
    assert list(bodies) == CONFIG["files"]
    for name, body in bodies.items():
        (folder / name).write_text(HEAD + body)
    command = ["node", str(MODULES / "typescript" / "bin" / "tsc"), "--project", str(folder)]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    assert all(line.startswith((" ", *bodies)) for line in said.splitlines()), said
    return {name: [line for line in said.splitlines() if line.startswith(name)] for name in bodies}


def known_to_the_types(board):
    """The dashboard without what the Prometheus data source adds to an annotation."""
    found = json.loads(json.dumps(board))
    for each in found["annotations"]["list"]:
        del each["expr"], each["step"], each["titleFormat"]
    return found


def boards():
    return "".join(
        f"export const {name.replace('-', '_')}: Plain<Dashboard> = {json.dumps(known_to_the_types(board))};\n"
        for name, board in BOARDS.items()
    )


def options():
    body = "".join(
        f"import type * as {word} from '@grafana/schema/dist/esm/raw/composable/{kind.replace('-', '')}/panelcfg/x/"
        f"{word}PanelCfg_types.gen';\n"
        for kind, word in KINDS.items()
    )
    for index, (_, panel) in enumerate(PANELS):
        found = json.dumps(panel.get("options") or {})
        body += f"export const o{index}: Plain<Partial<{KINDS[panel['type']]}.Options>> = {found};\n"
    return body


def wrong():
    board = known_to_the_types(BOARDS["fleet"]) | {"graphTooltip": "crosshair"}
    return f"export const fleet: Plain<Dashboard> = {json.dumps(board)};\n"


def test_every_dashboard_is_a_dashboard_of_grafana(complaints):
    assert complaints["boards.ts"] == []


def test_every_panel_has_options_and_fields_that_its_kind_knows(complaints):
    assert complaints["panels.ts"] == []


def test_the_compiler_finds_what_grafana_would_not_know(complaints):
    assert any("DashboardCursorSync" in line for line in complaints["wrong.ts"])
