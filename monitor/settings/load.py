"""Reading the settings file: every problem, or settings that can be used."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from monitor.decisions.rules import RulePack
from monitor.errors import Problem, SettingsError
from monitor.facts import ModelName
from monitor.settings.crosschecks import crosschecks
from monitor.settings.document import Document, read_document
from monitor.settings.files import file_checks
from monitor.settings.rules import read_rules
from monitor.settings.sections import Settings
from monitor.settings.structure import draft, located

# Secrets' files are all that the environment may say: where a secret is mounted differs between machines, and nothing
# else should. Relative paths are relative to the working directory, as everything in an environment is.
TOKENS_FILE_VARIABLE = "TOCSIN_TOKENS_FILE"
SECRET_FILE_PREFIX = "TOCSIN_SECRET_FILE_"  # noqa: S105 - the name of a variable that names a file


def load(path: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings file at `path`; SettingsError with every problem it has.

    `environ` (default: the process's) may name secrets' files: TOCSIN_TOKENS_FILE, and TOCSIN_SECRET_FILE_<NAME> for
    the receiver of that name, upper case, dashes as underscores.
    """
    settings, problems = _read(path, os.environ if environ is None else environ)
    if problems or settings is None:
        raise SettingsError(problems)
    return settings


def check(path: Path, environ: Mapping[str, str] | None = None) -> list[Problem]:
    """List every problem of the settings file at `path`, in the order of the file; empty if `load` would take it."""
    return _read(path, os.environ if environ is None else environ)[1]


def _read(path: Path, environ: Mapping[str, str]) -> tuple[Settings | None, list[Problem]]:
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the link a pod mounts its settings as
    document = read_document(path)
    if document.value is None:
        return None, document.problems
    problems = list(_override(document, environ))
    result = draft(document, path.parent)
    problems += result.problems
    if result.settings is not None:
        packs: dict[ModelName, RulePack] = {}
        problems += _read_packs(result.settings, packs)
        found = (*crosschecks(result, result.settings, packs), *file_checks(result, result.settings, packs))
        problems += (located(problem, document) for problem in found)
    return result.settings, sorted(dict.fromkeys(problems), key=lambda problem: _order(problem, document))


def _read_packs(settings: Settings, packs: dict[ModelName, RulePack]) -> Iterator[Problem]:
    for name, model in settings.models.items():
        try:
            packs[name] = read_rules(model.rules)
        except SettingsError as error:
            yield from error.problems


def _override(document: Document, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Put the secrets' files that the environment names in the place of those in the file."""
    value = document.value
    if not isinstance(value, dict):
        return
    if TOKENS_FILE_VARIABLE in environ:
        value["tokens_file"] = str(Path(environ[TOKENS_FILE_VARIABLE]).absolute())
    receivers = value.get("receivers")
    by_variable = {
        f"{SECRET_FILE_PREFIX}{str(receiver.get('name')).upper().replace('-', '_')}": receiver
        for receiver in (receivers if isinstance(receivers, list) else [])
        if isinstance(receiver, dict)
    }
    for name in sorted(environ):
        if name in by_variable:
            by_variable[name]["secret_file"] = str(Path(environ[name]).absolute())
        elif name.startswith(SECRET_FILE_PREFIX):
            hint = f"expected one of {', '.join(sorted(by_variable)) or 'none: there are no receivers'}"
            yield Problem(name, "is in the environment, but no receiver has this name", hint)


def _order(problem: Problem, document: Document) -> tuple[int, str]:
    return document.line(problem.path) or 0, problem.path
