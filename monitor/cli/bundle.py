"""Commands for bundles and the release index: what there is, and what may be rolled back to. Every change is signed."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli import bundle_shown as shown
from monitor.cli.bundle_made import Said
from monitor.cli.exits import Exit, Stop
from monitor.cli.options import DEFAULT_URL, AsJson, TokenFile, Url
from monitor.cli.output import say
from monitor.cli.signing import INDEX, VALID, Approvers, Desk, Reader, Shown, Valid, find, reading
from monitor.cli.spread import spread

if TYPE_CHECKING:
    from monitor.audit.records import Scalar
    from monitor.facts import BundleStatus
    from monitor.rollback.release.read import Index

app = typer.Typer(help="Sign bundles and the index of those to roll back to.", no_args_is_help=True)

Which = Annotated[str, typer.Argument(metavar="BUNDLE", help="Its id, the beginning of it, or its name.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the index.")]
Files = Annotated[list[Path] | None, typer.Option(metavar="FILE", help="More files of the bundle.")]


@app.command()
@spread
def create(  # noqa: PLR0917 - what a bundle is made of, each an option
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="The monitored model.")],
    checkpoint: Annotated[
        list[Path], typer.Option("--checkpoint", metavar="PATH", help="The model's files, or their directory; opaque.")
    ],
    reference: Annotated[Path, typer.Option("--reference", metavar="FILE", help="Its reference profile.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What people call it, as v1.")] = "",
    rules: Files = None,
    file: Files = None,
    *,
    said: Said,
    security: Annotated[
        int | None, typer.Option(min=0, help="Security version; the index's floor if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where its manifest goes.")] = None,
    add: Annotated[bool, typer.Option(help="Whether it goes into the index at once.")] = True,
    approve: Annotated[bool, typer.Option("--approve", help="It is known-good already.")] = False,
    desk: Desk,
    approvers: Approvers = 1,
    valid: Valid = VALID,
    progress: Shown = False,
    as_json: AsJson = False,
) -> None:
    """Sign what a bundle consists of, and list it as a candidate. It is in the index then, and no target yet."""
    from monitor.cli.bundle_made import check_reference, gather
    from monitor.rollback.manifest import Role
    from monitor.rollback.release.make import Builder

    check_reference(reference, model)
    named = {Role.CHECKPOINT: checkpoint, Role.REFERENCE: [reference], Role.RULES: rules or [], Role.OTHER: file or []}
    made = gather(desk.index, named, name, out)
    editor, about = desk.editor(valid, approvers), said.about(model, name)
    subject: dict[str, Scalar] = {"model": model, "name": name, "manifest": str(made.manifest)}
    desk.write_down("create", editor.signer, subject | {"add": add, "approve": add and approve})
    with reading("reading the bundle", made.size, always=progress) as told:
        Builder(editor.signer, editor.belief, progress=told).make(made.manifest, made.files, about)
    if hint := said.hint():
        say(hint)
    if not add:
        typer.echo(str(made.manifest))
        return
    if not desk.index.exists():
        editor.create()
    bundle = editor.add(made.manifest, security)
    if approve and not editor.waits():
        bundle = editor.approve(bundle.id)
    shown.show(bundle, as_json=as_json)
    _say_next(bundle.status.value, ["approve", bundle.name or bundle.id], desk.index)


@app.command()
@spread
def add(
    manifest: Annotated[Path, typer.Argument(metavar="FILE", help="The signed manifest of a bundle.")],
    security: Annotated[
        int | None, typer.Option(min=0, help="Security version; the index's floor if not given.")
    ] = None,
    *,
    desk: Desk,
    valid: Valid = VALID,
    as_json: AsJson = False,
) -> None:
    """Add a bundle that somebody else has signed, as a candidate."""
    editor = desk.editor(valid)
    desk.write_down("add", editor.signer, {"manifest": str(manifest)})
    if not desk.index.exists():
        editor.create()
    shown.show(editor.add(manifest, security), as_json=as_json)


@app.command()
@spread
def sign(
    manifest: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="A manifest; else the index.")] = None,
    *,
    desk: Desk,
    as_json: AsJson = False,
) -> None:
    """Add your signature to a manifest or to the index. If a change of the index waits for one, to that."""
    from monitor.rollback.release.make import sign_bundle

    if manifest is not None:
        signer = desk.signer()
        desk.write_down("sign", signer, {"manifest": str(manifest)})
        sign_bundle(manifest, signer)
        shown.answer({"signed": str(manifest), "keyid": signer.keyid}, signer.keyid, as_json=as_json)
        return
    editor = desk.editor()
    signer, after = editor.signer, editor.to_sign()
    changes = list(shown.changes(editor.read().document if editor.waits() else None, after))
    for line in changes:
        say(line)
    desk.write_down("sign", signer, {"serial": after.serial, "changes": "; ".join(changes)})
    in_force = editor.sign()
    answer = {"signed": str(desk.index), "keyid": signer.keyid, "in_force": in_force}
    shown.answer(answer, signer.keyid, as_json=as_json)
    say("The change is in force." if in_force else "It waits for another signature.")


@app.command()
@spread
def approve(
    which: Which,
    *,
    desk: Desk,
    approvers: Approvers = 1,
    valid: Valid = VALID,
    progress: Shown = False,
    as_json: AsJson = False,
) -> None:
    """Approve a bundle. With the last person that is needed it is known-good. Its files are read again first."""
    editor = desk.editor(valid, approvers)
    found = editor.read()
    bundle = find(found, which)
    _verify(found, which, progress=progress)
    desk.write_down("approve", editor.signer, shown.subject(found, bundle))
    bundle = editor.approve(bundle.id)
    shown.show(bundle, as_json=as_json)
    shown.say_waits(editor)
    if bundle.status.value == "candidate" and not editor.waits():
        say(f"{len(bundle.approved)} of {approvers} people have approved.")


@app.command()
@spread
def promote(
    which: Which,
    *,
    url: Url = DEFAULT_URL,
    token_file: TokenFile = None,
    desk: Desk,
    approvers: Approvers = 1,
    valid: Valid = VALID,
    progress: Shown = False,
    as_json: AsJson = False,
) -> None:
    """Approve a bundle if the daemon says that it has earned it. Else say what is lacking, and sign nothing."""
    editor = desk.editor(valid, approvers)
    found = editor.read()
    bundle = find(found, which)
    _demand_earned(bundle.model, bundle.id, url, token_file)
    _verify(found, which, progress=progress)
    desk.write_down("promote", editor.signer, shown.subject(found, bundle))
    shown.show(editor.approve(bundle.id), as_json=as_json)
    shown.say_waits(editor)


def _demand_earned(model: str, ident: str, url: str, token_file: Path | None) -> None:
    """Stop unless the daemon serves this bundle and says that it has earned to be known-good."""
    from urllib.parse import quote

    from monitor.cli.api import Api

    told = Api(url, token_file).get(f"/v1/promotion/{quote(model, safe='')}")
    if told["bundle"] != ident:
        raise Stop(Exit.REFUSED, f"the daemon watches {told['name'] or 'another bundle'}, not this one")
    for gate in told["gates"]:
        say(f"{ {True: 'yes', False: 'no', None: 'unknown'}[gate['held']] }: {gate['name']}: {gate['why']}")
    if told["earned"] is not True:
        raise Stop(Exit.REFUSED, "it has not earned to be known-good; tocsin bundle approve does not ask")


@app.command()
@spread
def quarantine(
    which: Which,
    *,
    reason: Reason = "",
    desk: Desk,
    valid: Valid = VALID,
    as_json: AsJson = False,
) -> None:
    """Suspect a bundle. No rollback goes to it until somebody approves it anew."""
    from monitor.facts import BundleStatus

    _set_aside(desk, valid, which, BundleStatus.QUARANTINED, reason, as_json=as_json)


@app.command()
@spread
def revoke(
    which: Which,
    *,
    reason: Reason = "",
    desk: Desk,
    valid: Valid = VALID,
    as_json: AsJson = False,
) -> None:
    """Revoke a bundle for good: no rollback ever goes to it."""
    from monitor.facts import BundleStatus

    _set_aside(desk, valid, which, BundleStatus.REVOKED, reason, as_json=as_json)


@app.command()
@spread
def refresh(
    *,
    floor: Annotated[int | None, typer.Option(min=0, help="Raise the least security version of a target.")] = None,
    desk: Desk,
    valid: Valid = VALID,
    as_json: AsJson = False,
) -> None:
    """Say again that this index is the newest. It gets a new serial, and a new time at which it expires."""
    editor = desk.editor(valid)
    desk.write_down("refresh", editor.signer, {"floor": floor})
    shown.show_index(editor.refresh(floor), as_json=as_json)
    shown.say_waits(editor)


@app.command()
@spread
def verify(
    which: Annotated[str, typer.Argument(metavar="[BUNDLE]", help="One; all of the index if not given.")] = "",
    *,
    reader: Reader,
    progress: Shown = False,
    as_json: AsJson = False,
) -> None:
    """Check every signature, and read every file of a bundle. If none is named, of all that are not revoked."""
    found = reader.read()
    names = [which] if which else [bundle.id for bundle in found.bundles if bundle.status.value != "revoked"]
    for name in names:
        _verify(found, name, progress=progress)
    bundles = [find(found, name).id for name in names]
    shown.answer({"verified": bundles}, "\n".join(bundles), as_json=as_json)
    say(f"{len(names)} of {len(found.bundles)} bundles are what was signed.")


@app.command("show")
@spread
def show_(
    which: Which,
    *,
    reader: Reader,
    approvers: Approvers = 1,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of a bundle. That is its files, where it came from, who approved it."""
    found = reader.read(approvers)
    shown.show_whole(found, find(found, which), as_json=as_json)


@app.command("list")
@spread
def list_(*, reader: Reader, approvers: Approvers = 1, as_json: AsJson = False) -> None:
    """List the bundles, the oldest first."""
    shown.show_all(reader.read(approvers), as_json=as_json)


@app.command()
@spread
def diff(one: Which, other: Which, *, reader: Reader, as_json: AsJson = False) -> None:
    """Show what differs between two bundles."""
    found = reader.read()
    shown.show_diff(found, find(found, one), find(found, other), as_json=as_json)


def _verify(index: "Index", which: str, *, progress: bool) -> None:
    from monitor.rollback.release.verify import size_of, verify

    bundle = find(index, which)
    with reading(f"reading {bundle.name or bundle.id}", size_of(index, bundle.id), always=progress) as told:
        verify(index, bundle.id, progress=told)


def _say_next(status: str, command: list[str], index: Path) -> None:
    if status == "candidate":
        typed = shlex.join(["tocsin", "bundle", *command, *(["--index", str(index)] if index != INDEX else [])])
        say(f"It is a candidate: {typed} makes it a target of rollbacks.")


def _set_aside(desk: Desk, valid: str, which: str, status: "BundleStatus", reason: str, *, as_json: bool) -> None:
    """Take a bundle from what may be rolled back to, and show it."""
    editor = desk.editor(valid)
    found = editor.read()
    bundle = find(found, which)
    deed = "revoke" if status.value == "revoked" else "quarantine"
    desk.write_down(deed, editor.signer, shown.subject(found, bundle) | {"reason": reason})
    shown.show(editor.set_aside(bundle.id, status, reason), as_json=as_json)
    shown.say_waits(editor)
