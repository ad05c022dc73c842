"""Rule packs are part of the settings: read with the same guards, and their problems told with the file's name."""

from pathlib import Path

from monitor.decisions.rules import RulePack, parse_pack
from monitor.errors import Problem, SettingsError
from monitor.facts import ModelName
from monitor.settings.detectors import detectors_for
from monitor.settings.document import read_document
from monitor.settings.sections import Settings
from monitor.settings.structure import located


def read_rules(path: Path) -> RulePack:
    """Read one rule pack; SettingsError with all its problems, filed under `<path>:<place in the file>`."""
    document = read_document(path)
    problems = [problem if problem.path == str(path) else _filed(problem, path) for problem in document.problems]
    try:
        pack = parse_pack(document.value, detectors_for(document.value)) if document.value is not None else None
    except SettingsError as error:
        told = {problem.path for problem in document.problems}
        wrong = [problem for problem in error.problems if problem.path not in told]
        problems += [_filed(located(problem, document), path) for problem in wrong]
        pack = None
    if problems or pack is None:
        raise SettingsError(problems or [Problem(str(path), "is empty", "see rules/ for packs to start from")])
    return pack


def load_rules(settings: Settings) -> dict[ModelName, RulePack]:
    """Read the rule packs of all models; SettingsError with the problems of all of them."""
    packs: dict[ModelName, RulePack] = {}
    problems: list[Problem] = []
    for name, model in settings.models.items():
        try:
            packs[name] = read_rules(model.rules)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))
    return packs


def _filed(problem: Problem, path: Path) -> Problem:
    return Problem(f"{path}:{problem.path}", problem.message, problem.hint)
