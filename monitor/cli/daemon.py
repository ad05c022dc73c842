"""Commands that run the daemon, show it at work, or check what it would be started with."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.libraries import NO_DAEMON_NEEDS, arrow_from_malloc, do_without
from monitor.cli.options import AsJson
from monitor.cli.output import say, show_json
from monitor.errors import Corrupt

if TYPE_CHECKING:
    from monitor.errors import Problem


def run(
    config: Annotated[Path, typer.Option("--config", metavar="FILE", help="The settings file.")] = Path("tocsin.yaml"),
) -> None:
    """Run the daemon until SIGTERM. SIGHUP reads the settings again."""
    arrow_from_malloc()
    do_without(NO_DAEMON_NEEDS)
    from monitor.daemon import run as run_daemon

    try:
        code = run_daemon(config)
    except Corrupt as error:  # damaged settings, tokens and references are problems of the settings
        raise Stop(Exit.INTERNAL, str(error)) from error
    raise typer.Exit(code)


def demo(
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running at the end; ctrl-C stops it.")] = False,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", metavar="DIRECTORY", help="Work here, and leave the files.")
    ] = None,
) -> None:
    """Show the whole loop on real flights, in under 3 minutes."""
    from monitor.demo import run_demo

    raise typer.Exit(run_demo(keep=keep, state_dir=state_dir))


def check_config(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The settings file.")],
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also try the metrics of Evidently, on rows drawn from the reference.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell every problem of a settings file and of its files. What its owner should know is told, too."""
    from dataclasses import asdict

    from monitor.settings import advise, check, load

    problems = check(file)
    warnings = [] if problems else list(advise(load(file)))
    if deep and not problems:
        problems = _rehearsed(file)
    if as_json:
        told = {"problems": problems, "warnings": warnings}
        show_json({"ok": not problems} | {name: [asdict(each) for each in found] for name, found in told.items()})
    else:
        for warning in warnings:
            say(f"warning: {warning}")
        for problem in problems:
            say(str(problem))
        count = f"{len(problems)} problem{'s' * (len(problems) != 1)}"
        say(f"{file}: {count}; see examples/tocsin.yaml" if problems else f"{file}: ok")
    raise typer.Exit(Exit.PROBLEMS if problems else Exit.OK)


def _rehearsed(file: Path) -> "list[Problem]":
    """Have the evidence worker compute the metrics that the settings ask for, once."""
    import asyncio
    import contextlib
    import sys

    from monitor.clock import WallClock
    from monitor.settings import load
    from monitor.turns.rehearsal import rehearse

    with contextlib.redirect_stdout(sys.stderr):  # what the worker's office logs is no answer
        return asyncio.run(rehearse(load(file), WallClock()))
