"""What the bundle commands print."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from monitor.cli.output import cell, say, show_facts, show_json, show_table

if TYPE_CHECKING:
    from monitor.audit.records import Scalar
    from monitor.facts import Bundle
    from monitor.rollback.release.document import Document
    from monitor.rollback.release.read import Index
    from monitor.rollback.release.write import Editor

COLUMNS = ("name", "model", "status", "order", "registered", "checkpoint", "reference", "id")


def show(bundle: "Bundle", *, as_json: bool) -> None:
    """Print one bundle after it was changed: its id for scripts, its status for people."""
    if as_json:
        show_json(plain(bundle))
    else:
        typer.echo(bundle.id)
        say(f"{bundle.name or bundle.checkpoint} of {bundle.model} is {bundle.status.value}.")


def answer(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print what a command has to say to a script."""
    if as_json:
        show_json(found)
    else:
        typer.echo(text)


def show_all(index: "Index", *, as_json: bool) -> None:
    """Print the bundles of an index, and how long it is valid."""
    rows = [plain(bundle) for bundle in index.bundles]
    if as_json:
        show_json(rows)
        return
    show_table(rows, COLUMNS, "There are no bundles: tocsin bundle create adds one.")
    _say_expiry(index)


def show_index(index: "Index", *, as_json: bool) -> None:
    """Print the index itself."""
    found = _told(index)
    if as_json:
        show_json(found)
    else:
        show_facts(found)


def show_whole(index: "Index", bundle: "Bundle", *, as_json: bool) -> None:
    """Print all of a bundle, and why it is no target if it is none."""
    found = _whole(index, bundle)
    if as_json:
        show_json(found)
    else:
        show_facts(found)
        _say_expiry(index)


def show_diff(index: "Index", one: "Bundle", other: "Bundle", *, as_json: bool) -> None:
    """Print what two bundles do not share."""
    before, after = _flat(_whole(index, one)), _flat(_whole(index, other))
    rows = [
        {"what": key, "one": before.get(key), "other": after.get(key)}
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    if as_json:
        show_json(rows)
    else:
        named = [
            {"what": r["what"], **{side: cell(r[side], str(r["what"])) for side in ("one", "other")}} for r in rows
        ]
        show_table(named, ("what", "one", "other"), "They are the same.")


def changes(before: "Document | None", after: "Document") -> Iterator[str]:
    """Tell in words what an index changes, or says if there was none; for somebody who is about to sign it."""
    from monitor.rollback.release.document import Document

    before = before or Document(0, 0.0, 0.0)
    if before.floor != after.floor:
        yield f"security floor: {before.floor} -> {after.floor}"
    for entry in after.bundles:
        was = before.find(entry.id)
        if was is None:
            yield f"{entry.path}: added as {entry.status.value}"
        elif was != entry:
            why = f" ({cell(entry.reason)})" if entry.reason else ""
            yield f"{entry.path}: {was.status.value} -> {entry.status.value}{why}"
    for entry in before.bundles:
        if after.find(entry.id) is None:
            yield f"{entry.path}: taken out"


def plain(bundle: "Bundle") -> dict[str, Any]:
    """The bundle as JSON has it."""
    import msgspec

    found: dict[str, Any] = msgspec.to_builtins(bundle)
    return found


def subject(index: "Index", bundle: "Bundle") -> "dict[str, Scalar]":
    """What the audit log is told of a bundle that is about to be changed."""
    return {
        "model": bundle.model,
        "bundle": bundle.id,
        "name": bundle.name,
        "status": bundle.status.value,
        "serial": index.document.serial,
    }


def say_waits(editor: "Editor") -> None:
    """Say that a change is not in force yet, if it is not."""
    if editor.waits():
        say("The change waits for another signature: tocsin bundle sign. Until then all is as before.")


def _whole(index: "Index", bundle: "Bundle") -> dict[str, Any]:
    import msgspec

    manifest = index.manifests[bundle.id]
    entry = index.document.find(bundle.id)
    said: dict[str, Any] = msgspec.to_builtins(manifest)
    files = {file.path: f"{file.role.value}, {file.size} bytes, {file.digest}" for file in manifest.files}
    return plain(bundle) | {
        "files": files,
        "evaluation": said["evaluation"],
        "reason": entry.reason if entry else "",
        "no_target": index.no_target(bundle.id, time.time()),
    }


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {name: each for key, inner in value.items() for name, each in _flat(inner, f"{prefix}{key} ").items()}
    return {prefix.rstrip(): value}


def _told(index: "Index") -> dict[str, Any]:
    document = index.document
    return {
        "serial": document.serial,
        "created": document.issued,
        "expires": document.expires,
        "floor": document.floor,
        "signed": list(index.signed),
    }


def _say_expiry(index: "Index") -> None:
    if index.expired(time.time()):
        say("The index has expired, so nothing in it is a target: tocsin bundle refresh.")
