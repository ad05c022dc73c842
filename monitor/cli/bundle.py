"""Commands for the release index: which bundles exist, and which of them may be rolled back to."""

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.options import AsJson, IndexFile
from monitor.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from monitor.facts import Bundle

app = typer.Typer(help="Register, approve, revoke and list the bundles of a release index.", no_args_is_help=True)

_INDEX = Path("releases.json")

Which = Annotated[str, typer.Argument(metavar="BUNDLE", help="Its id, the beginning of it, or its name.")]


@app.command()
def register(
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The monitored model.")],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", metavar="FILE", help="The model's file; opaque bytes.")],
    reference: Annotated[Path, typer.Option("--reference", metavar="FILE", help="Its reference profile.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What people call it, as v1.")] = "",
    *,
    approve: Annotated[bool, typer.Option("--approve", help="It is known-good already.")] = False,
    index: IndexFile = _INDEX,
    as_json: AsJson = False,
) -> None:
    """Add a bundle by the digests of its files, which lie beside or below the release index."""
    from monitor.facts import BundleStatus, ModelName
    from monitor.rollback import release_index

    _check_reference(reference, model)
    if not index.exists():
        release_index.create(index)
    status = BundleStatus.KNOWN_GOOD if approve else BundleStatus.CANDIDATE
    files = (_beneath(index, checkpoint), _beneath(index, reference))
    made = release_index.register(index, ModelName(model), *files, wall=time.time(), status=status, name=name)
    _show(made, as_json=as_json)
    if made.status is BundleStatus.CANDIDATE:
        command = [
            "tocsin",
            "bundle",
            "approve",
            made.name or made.id,
            *(["--index", str(index)] if index != _INDEX else []),
        ]
        say(f"It is a candidate: {shlex.join(command)} makes it a target of rollbacks.")


@app.command()
def approve(which: Which, *, index: IndexFile = _INDEX, as_json: AsJson = False) -> None:
    """Make a bundle known-good: a rollback may switch to it. Its files are read again first."""
    from monitor.facts import BundleStatus
    from monitor.rollback import release_index

    bundle = _find(index, which)
    release_index.verify(index, bundle)
    _show(release_index.set_status(index, bundle.id, BundleStatus.KNOWN_GOOD), as_json=as_json)


@app.command()
def revoke(which: Which, *, index: IndexFile = _INDEX, as_json: AsJson = False) -> None:
    """Take back that a bundle is known-good: no rollback ever switches to it."""
    from monitor.facts import BundleStatus
    from monitor.rollback import release_index

    bundle = _find(index, which)
    _show(release_index.set_status(index, bundle.id, BundleStatus.REVOKED), as_json=as_json)


@app.command("list")
def list_(*, index: IndexFile = _INDEX, as_json: AsJson = False) -> None:
    """List the bundles in order of registration."""
    from monitor.rollback import release_index

    rows = [_shown(bundle) for bundle in release_index.load(index)]
    if as_json:
        show_json(rows)
    else:
        columns = ("name", "model", "status", "registered", "checkpoint", "reference", "id")
        show_table(rows, columns, "There are no bundles: tocsin bundle register adds one.")


def _find(index: Path, which: str) -> "Bundle":
    """Return the one bundle that `which` can mean."""
    from monitor.rollback import release_index

    bundles = release_index.load(index)
    exact = [bundle for bundle in bundles if which in {bundle.id, bundle.name}]
    begun = [bundle for bundle in bundles if which and bundle.id.removeprefix("sha256:").startswith(which)]
    found = exact or begun
    if len(found) != 1:
        what = "there is no bundle" if not found else f"{len(found)} bundles are"
        raise Stop(Exit.PROBLEMS, f"{what} {which!r} in {index}", "tocsin bundle list shows their ids")
    return found[0]


def _beneath(index: Path, file: Path) -> str:
    """Name `file` relative to the index's directory, as the index does."""
    relative = os.path.relpath(file.absolute(), index.absolute().parent)
    if relative.startswith(".."):
        raise Stop(Exit.USAGE, f"{file} lies outside of {index.absolute().parent}", "keep it beside or below the index")
    return relative


def _check_reference(file: Path, model: str) -> None:
    """Refuse a profile that is damaged, or another model's, before it is in the index."""
    from monitor.panes.reference import decode_reference

    try:
        reference = decode_reference(file.read_bytes())
    except OSError as error:
        hint = "tocsin reference build makes one"
        raise Stop(Exit.PROBLEMS, f"{file} cannot be read: {error.strerror}", hint) from error
    if reference.schema.model != model:
        raise Stop(Exit.PROBLEMS, f"{file} is a profile of {reference.schema.model}, not of {model}", "see its schema")


def _show(bundle: "Bundle", *, as_json: bool) -> None:
    if as_json:
        show_json(_shown(bundle))
    else:
        typer.echo(bundle.id)
        say(f"{bundle.name or bundle.checkpoint} of {bundle.model} is {bundle.status.value}.")


def _shown(bundle: "Bundle") -> dict[str, Any]:
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(bundle)
    return found
