"""From the options of `tocsin bundle create` to what is signed: which files, and what is said of them."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from monitor.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from monitor.rollback.manifest import About, Lineage, Role

Named: TypeAlias = Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE")]


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle to be: where its manifest goes, and its files as seen from there."""

    manifest: Path
    files: "Mapping[str, Role]"
    size: int  # bytes


def gather(index: Path, named: "Mapping[Role, Sequence[Path]]", name: str, out: Path | None) -> Made:
    """Find the files that were named, those of directories included, and the directory that holds them all."""
    from monitor.rollback.tree import files_in

    found: dict[Path, Role] = {}
    for role, paths in named.items():
        for path in paths:
            place = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow a link, which is refused later
            inside = (
                [place / each for each in files_in(place)] if place.is_dir() and not place.is_symlink() else [place]
            )
            found |= dict.fromkeys(inside, role)
    top = Path(os.path.abspath(index)).parent  # noqa: PTH100 - as above
    outside = [path for path in (*found, *([out.absolute()] if out else [])) if not path.is_relative_to(top)]
    if outside:
        raise Stop(Exit.USAGE, f"{outside[0]} lies outside of {top}", "keep it beside or below the index")
    folder = Path(os.path.commonpath([path.parent for path in found]))
    checkpoints = [path for path in named_first(named) if path.is_dir()]
    if checkpoints and folder == Path(os.path.abspath(checkpoints[0])):  # noqa: PTH100 - as above
        folder = folder.parent
    if out is not None:
        manifest = Path(os.path.abspath(out))  # noqa: PTH100 - as above
        folder = manifest.parent
    else:
        called = name or next(iter(found)).stem
        manifest = folder / (f"{called}.bundle.json" if folder == top else "bundle.json")
    files = {str(path.relative_to(folder)): role for path, role in found.items() if path.is_relative_to(folder)}
    if len(files) < len(found):
        raise Stop(Exit.USAGE, f"{manifest} does not lie above all files of the bundle", "choose another --out")
    return Made(manifest, files, sum(path.stat().st_size for path in found if path.is_file()))


def named_first(named: "Mapping[Role, Sequence[Path]]") -> Sequence[Path]:
    """The files of the first role."""
    return next(iter(named.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Options of `tocsin bundle create`: what a builder says of a bundle, beside its files."""

    lineage: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON: the batches it was trained on, and their cutoff.")
    ] = None
    cutoff: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the newest of its training data came in; RFC 3339.")
    ] = None
    evaluation: Named = None
    parent: Annotated[list[str] | None, typer.Option(metavar="BUNDLE", help="What it was trained from.")] = None
    locator: Named = None

    def about(self, model: str, name: str) -> "About":
        """As it is signed. Stop if it cannot be read."""
        from monitor.rollback.manifest import About

        return About(
            model=model,
            name=name,
            created=time.time(),
            lineage=self._lineage(),
            evaluation=self._figures(),
            parents=tuple(self.parent or ()),
            locators=_pairs("--locator", self.locator or ()),
        )

    def hint(self) -> str:
        """What is lacking for a bundle to stay a target; "" if it says how far its data reach."""
        if self.lineage is not None or self.cutoff is not None:
            return ""
        return (
            "It says neither what it was trained on nor up to when: it is passed over as a target of rollbacks as soon "
            "as an incident or a suspicion is older than it. Name --lineage or --cutoff."
        )

    def _lineage(self) -> "Lineage":
        from msgspec.structs import replace

        from monitor.ingest.times import parse_time
        from monitor.rollback.manifest import Lineage

        found = _lineage(self.lineage) if self.lineage else Lineage()
        if self.cutoff is None:
            return found
        moment = parse_time(self.cutoff)
        if moment is None:
            raise Stop(Exit.USAGE, f"--cutoff {self.cutoff} is no time", "as in 2026-11-01T00:00:00Z")
        return replace(found, cutoff=moment)

    def _figures(self) -> dict[str, float]:
        figures = {}
        for key, text in _pairs("--evaluation", self.evaluation or ()).items():
            try:
                figures[key] = float(text)
            except ValueError:
                raise Stop(Exit.USAGE, f"--evaluation {key}={text} is no number", "as in accuracy=0.91") from None
        return figures


def check_reference(file: Path, model: str) -> None:
    """Refuse a profile that is damaged, or another model's, before it is signed."""
    from monitor.panes.reference import decode_reference

    try:
        reference = decode_reference(file.read_bytes())
    except OSError as error:
        hint = "tocsin reference build makes one"
        raise Stop(Exit.PROBLEMS, f"{file} cannot be read: {error.strerror}", hint) from error
    if reference.schema.model != model:
        raise Stop(Exit.PROBLEMS, f"{file} is a profile of {reference.schema.model}, not of {model}", "see its schema")


def _lineage(file: Path) -> "Lineage":
    import msgspec

    from monitor.rollback.manifest import Lineage

    try:
        document: Any = json.loads(file.read_text())
        return msgspec.convert(document, Lineage)
    except OSError as error:
        raise Stop(Exit.PROBLEMS, f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, msgspec.ValidationError) as error:
        hint = '{"batches": [{"digest": "sha256:...", "source", "rows", "start", "end"}], "cutoff": seconds}'
        raise Stop(Exit.PROBLEMS, f"{file} is no lineage: {error}", hint) from None


def _pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    found = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals and value):
            raise Stop(Exit.USAGE, f"{option} {text} is no name=value", f"as in {option} name=value")
        found[key] = value
    return found
