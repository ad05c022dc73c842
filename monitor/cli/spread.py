"""Options that several commands share are said once, as the fields of a dataclass that a command takes whole.

Typer reads a command's options from its signature. `spread` shows it a signature in which an argument whose type is a
dataclass stands as the fields of that, in its place, and puts the dataclass together when the command is called:

    @app.command()
    @spread
    def revoke(which: Which, *, desk: Desk, as_json: AsJson = False) -> None:   # --index, --key, ... --json

The command line is the same as with every option written out, and so is `--help`.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Any, get_type_hints

Command = Callable[..., None]


def spread(command: Command) -> Command:
    """Return the command with the fields of its dataclasses as arguments; ValueError if two have one name."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, tuple[Any, list[inspect.Parameter]]] = {}
    shown: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        kind = hints[name]
        if is_dataclass(kind):
            groups[name] = kind, _parameters(kind)
            shown += groups[name][1]
        else:
            shown.append(parameter.replace(annotation=kind))

    @wraps(command)
    def called(**given: Any) -> None:
        for name, (kind, parts) in groups.items():
            given[name] = kind(**{part.name: given.pop(part.name) for part in parts})
        command(**given)

    shown = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in shown]
    called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined] # inspect looks for it
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
    return called


def _parameters(kind: Any) -> list[inspect.Parameter]:
    """Return the fields of a dataclass as keyword arguments."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]
