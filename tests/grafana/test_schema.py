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
    "files": ["boards.ts"],
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


@pytest.fixture
def compiled(tmp_path):
    """Compile a text of TypeScript beside Grafana's types: what the compiler complains of."""
    if not MODULES.is_dir() or shutil.which("node") is None:
        if os.environ.get("CI"):
            pytest.fail("Grafana's types are not installed: .ci/grafana-types")
        pytest.skip("Grafana's types are not installed: .ci/grafana-types")
    (tmp_path / "node_modules").symlink_to(MODULES)
    (tmp_path / "tsconfig.json").write_text(json.dumps(CONFIG))

    def compile_(body):
        (tmp_path / "boards.ts").write_text(HEAD + body)
        command = ["node", str(MODULES / "typescript" / "bin" / "tsc"), "--project", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    return compile_


def known_to_the_types(board):
    """The dashboard without what the Prometheus data source adds to an annotation."""
    found = json.loads(json.dumps(board))
    for each in found["annotations"]["list"]:
        del each["expr"], each["step"], each["titleFormat"]
    return found


def test_every_dashboard_is_a_dashboard_of_grafana(compiled):
    body = "".join(
        f"export const {name.replace('-', '_')}: Plain<Dashboard> = {json.dumps(known_to_the_types(board))};\n"
        for name, board in BOARDS.items()
    )
    assert compiled(body) == ""


def test_every_panel_has_options_and_fields_that_its_kind_knows(compiled):
    body = "".join(
        f"import type * as {word} from '@grafana/schema/dist/esm/raw/composable/{kind.replace('-', '')}/panelcfg/x/"
        f"{word}PanelCfg_types.gen';\n"
        for kind, word in KINDS.items()
    )
    for index, (_, panel) in enumerate(PANELS):
        options = json.dumps(panel.get("options") or {})
        body += f"export const o{index}: Plain<Partial<{KINDS[panel['type']]}.Options>> = {options};\n"
    assert compiled(body) == ""


def test_the_compiler_finds_what_grafana_would_not_know(compiled):
    wrong = known_to_the_types(BOARDS["fleet"]) | {"graphTooltip": "crosshair"}
    assert "DashboardCursorSync" in compiled(f"export const fleet: Plain<Dashboard> = {json.dumps(wrong)};\n")
