"""What the bundle commands share: who signs, whom they believe, and a bar while large files are read.

Defaults make the first steps short: `tocsin key generate` writes release.key and release.pub here, and every other
command takes them where nothing else is said. In earnest the private key lies where only its owner can read it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from monitor.cli.audit import write_down
from monitor.cli.exits import Exit, Stop
from monitor.cli.options import IndexFile, StateDir

if TYPE_CHECKING:
    from monitor.audit.records import Scalar
    from monitor.facts import Bundle
    from monitor.rollback.release.belief import Belief
    from monitor.rollback.release.read import Index
    from monitor.rollback.release.write import Editor
    from monitor.rollback.signing import Signer

INDEX: Final = Path("releases.json")
KEY: Final = Path("release.key")
PUBLIC: Final = "release.pub"
VALID: Final = "90d"

KeyFile: TypeAlias = Annotated[
    Path, typer.Option("--key", envvar="TOCSIN_RELEASE_KEY", metavar="FILE", help="Your private key.")
]
PassphraseFile: TypeAlias = Annotated[
    Path | None, typer.Option("--passphrase-file", metavar="FILE", help="Its passphrase, if it has one.")
]
TrustFiles: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust",
        envvar="TOCSIN_RELEASE_TRUST",
        metavar="FILE",
        help="A public key to believe; release.pub beside the index if not given.",
    ),
]
Signers: TypeAlias = Annotated[
    int,
    typer.Option(
        "--signers",
        envvar="TOCSIN_RELEASE_SIGNERS",
        min=1,
        max=16,
        help="Keys that must sign; thresholds.index of the settings.",
    ),
]
Approvers: TypeAlias = Annotated[
    int,
    typer.Option(
        "--approvers",
        envvar="TOCSIN_RELEASE_APPROVERS",
        min=1,
        max=16,
        help="People who must approve; thresholds.approval.",
    ),
]
Valid: TypeAlias = Annotated[
    str,
    typer.Option(
        "--valid",
        envvar="TOCSIN_RELEASE_VALID",
        metavar="SPAN",
        help="When the index expires without another change: 90d, 12h.",
    ),
]
Shown: TypeAlias = Annotated[bool, typer.Option("--progress", help="Show a bar even where there is no terminal.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Options of whoever reads an index."""

    index: IndexFile = INDEX
    trust: TrustFiles = None

    def read(self, approvers: int = 1) -> "Index":
        """Read the index and remember it."""
        from monitor.rollback.release.memory_file import MemoryFile

        return MemoryFile.beside(self.index).load(believed(self.index, self.trust, approvers=approvers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Options of whoever signs something."""

    index: IndexFile = INDEX
    key: KeyFile = KEY
    passphrase_file: PassphraseFile = None
    trust: TrustFiles = None
    signers: Signers = 1
    state_dir: StateDir = None

    def signer(self) -> "Signer":
        """Read the private key that signs."""
        from monitor.rollback.signing import Signer

        if not self.key.exists():
            hint = "tocsin key generate makes one; --key names another"
            raise Stop(Exit.PROBLEMS, f"there is no key {self.key}", hint)
        return Signer.load(self.key, self.passphrase_file)

    def editor(self, valid: str = VALID, approvers: int = 1) -> "Editor":
        """Somebody at work on the index."""
        from monitor.rollback.release.write import Editor
        from monitor.settings.units import Duration

        signer, belief = self.signer(), believed(self.index, self.trust, self.signers, approvers)
        try:
            valid_s = Duration.parse(valid)
        except ValueError as error:
            raise Stop(Exit.USAGE, str(error), "as in --valid 90d") from error
        if valid_s <= 0:
            raise Stop(Exit.USAGE, "an index is valid for some time", "as in --valid 90d")
        return Editor(self.index, signer, belief, time.time, valid_s)

    def write_down(self, deed: str, signer: "Signer", subject: "Mapping[str, Scalar]") -> None:
        """Write to the daemon's audit log what is about to be done, if there is one. Stop if it cannot be."""
        write_down(self.state_dir, f"bundle.{deed}", {"index": str(self.index), "key": signer.keyid, **subject})


def believed(index: Path, trust: list[Path] | None, signers: int = 1, approvers: int = 1) -> "Belief":
    """Read the public keys that are believed."""
    from monitor.rollback.release.belief import Belief

    keys = trust or [index.parent / PUBLIC]
    if not trust and not keys[0].exists():
        raise Stop(Exit.PROBLEMS, f"there is no public key {keys[0]}", "tocsin key generate, or --trust FILE")
    return Belief.load(keys, index_min=signers, approvers_min=approvers)


def find(index: "Index", which: str) -> "Bundle":
    """Return the one bundle that `which` can mean: an id, the beginning of it, or a name."""
    exact = [bundle for bundle in index.bundles if which in {bundle.id, bundle.name}]
    begun = [bundle for bundle in index.bundles if which and bundle.id.removeprefix("sha256:").startswith(which)]
    found = exact or begun
    if len(found) != 1:
        what = "there is no bundle" if not found else f"{len(found)} bundles are"
        raise Stop(Exit.PROBLEMS, f"{what} {which!r} in {index.path}", "tocsin bundle list shows their ids")
    return found[0]


@contextmanager
def reading(words: str, total: int, *, always: bool) -> Iterator[Callable[[int], None]]:
    """Show how many bytes were read, on stderr; nothing where there is no terminal, unless `always`."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (always or console.is_terminal), transient=not always) as bar:
        task = bar.add_task(words, total=total)
        yield lambda count: bar.advance(task, count)
