"""The dashboards as they are committed, and what tests ask of each."""

import json
import re
from pathlib import Path

from grafana.ask import panels

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
NAMES = ("fleet", "model-classification", "model-regression", "model-ranking", "safety")
NAME = re.compile(r"\btocsin_[a-z0-9_]+")
ANY_OF = re.compile(r'__name__=~"(\w+?)\(([\w|]+)\)(\w*)"')


def committed(name):
    """A dashboard as Grafana is given it."""
    return json.loads((FOLDER / f"{name}.json").read_text())


BOARDS = {name: committed(name) for name in NAMES}
PANELS = [(name, panel) for name, board in BOARDS.items() for panel in panels(board)]
TARGETS = [(panel, target) for _, panel in PANELS for target in panel["targets"]]


def named(expr):
    """Every metric that a query names, one by one where it names several by an expression."""
    several = [f"{start}{word}{end}" for start, words, end in ANY_OF.findall(expr) for word in words.split("|")]
    return {*several, *NAME.findall(ANY_OF.sub("", expr))}


def exprs():
    """(who, query) of every panel, variable and annotation."""
    for panel, target in TARGETS:
        yield f"{panel['title']} {target['refId']}", target["expr"]
    for board in BOARDS.values():
        for each in board["annotations"]["list"]:
            yield each["name"], each["expr"]
        for each in board["templating"]["list"]:
            if each["type"] == "query":
                yield each["name"], each["query"]["query"]
