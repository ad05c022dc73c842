"""Options that are said once, in a dataclass, are options like any other."""

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from monitor.cli.spread import spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone:
    """Two options."""

    loud: Annotated[bool, typer.Option("--loud")] = False
    times: Annotated[int, typer.Option("--times", min=1)] = 1


def ran(*arguments: str) -> tuple[int, str]:
    app = typer.Typer()

    @app.command()
    @spread
    def say(word: Annotated[str, typer.Argument()], *, tone: Tone, end: Annotated[str, typer.Option()] = ".") -> None:
        """Say a word."""
        typer.echo((word.upper() if tone.loud else word) * tone.times + end)

    ended = CliRunner().invoke(app, arguments)
    return ended.exit_code, ended.output


def test_its_fields_are_options_with_their_defaults() -> None:
    assert ran("bell") == (0, "bell.\n")
    assert ran("bell", "--loud", "--times", "2", "--end", "!") == (0, "BELLBELL!\n")


def test_its_fields_keep_their_bounds_and_stand_in_the_help() -> None:
    assert ran("bell", "--times", "0")[0] == 2
    code, text = ran("--help")
    assert (code, "Say a word." in text, "--loud" in text, "--tone" in text) == (0, True, True, False)


def test_a_name_that_is_there_twice_is_refused() -> None:
    def say(*, tone: Tone, loud: bool) -> None:
        """Twice."""

    with pytest.raises(ValueError, match="loud"):
        spread(say)
