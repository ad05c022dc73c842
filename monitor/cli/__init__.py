"""The command line: what a person or a script types, and how each command ends.

A command asks and shows; what it asks for is done elsewhere, and is imported only when it is asked for.
"""

import sys
import traceback
from typing import Annotated

import typer

from monitor.cli import (
    audit,
    backtest,
    bands,
    bundle,
    checkpoint,
    daemon,
    evidence,
    gate,
    key,
    probe,
    probes,
    reference,
    rollback,
    suspicions,
    token,
    top,
    watch,
)
from monitor.cli.exits import MEANS, Exit, exit_code, explain
from monitor.cli.libraries import NO_COMMAND_NEEDS, blas_of_one_thread, do_without
from monitor.cli.output import say
from monitor.errors import TocsinError

# Markup and pretty tracebacks would import rich for every --help.
app = typer.Typer(
    name="tocsin",
    help="Monitor a model in production: drift, accuracy, poisoning, alerts, and rollback to a known-good.",
    epilog="Exit codes: " + "; ".join(f"{code:d} {words.partition(';')[0]}" for code, words in MEANS.items()) + ".",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(daemon.run)
app.command()(daemon.demo)
app.command("check-config")(daemon.check_config)
app.command()(watch.status)
app.command()(top.top)
app.command()(probe.healthy)
app.command()(gate.gate)
app.command()(bands.bands)
app.command()(backtest.backtest)
app.command()(backtest.tune)
app.add_typer(suspicions.incidents, name="incidents")
app.add_typer(evidence.app, name="evidence")
app.add_typer(rollback.app, name="rollback")
app.add_typer(reference.app, name="reference")
app.add_typer(bundle.app, name="bundle")
app.add_typer(checkpoint.app, name="checkpoint")
app.add_typer(key.app, name="key")
app.add_typer(probes.app, name="probes")
app.add_typer(token.app, name="token")
app.add_typer(audit.app, name="audit")


def main() -> None:
    """Run the command that the process was started with, and exit as `Exit` says."""
    do_without(NO_COMMAND_NEEDS)
    blas_of_one_thread()
    try:
        app(prog_name="tocsin")
    except TocsinError as error:
        for line in explain(error):
            say(line)
        sys.exit(exit_code(error))
    except BrokenPipeError:  # `tocsin incidents list | head`
        sys.stderr.close()
        sys.exit(Exit.OK)
    except Exception:  # noqa: BLE001 - the last place: a bug ends with its traceback and its own exit code
        traceback.print_exc()
        say("This is a bug in tocsin. Please report it with the lines above.")
        sys.exit(Exit.INTERNAL)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - the shape typer calls
    if asked:
        from importlib.metadata import version

        typer.echo(version("tocsin"))
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Take the options that stand before any command."""
