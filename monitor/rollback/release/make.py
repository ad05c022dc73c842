"""Making a bundle: measure its files, and sign what was found as a manifest in or above their directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from monitor.errors import Permanent, Problem, SettingsError, Transient
from monitor.rollback.digest import SIZE_MAX, Progress, nobody
from monitor.rollback.manifest import About, Manifest, Role, decode, encode, measure
from monitor.rollback.release.belief import Belief
from monitor.rollback.release.files import write
from monitor.rollback.release.read import open_manifest
from monitor.rollback.release.verify import strangers
from monitor.rollback.signing import Purpose, Signer, read_envelope


@dataclass(frozen=True, slots=True)
class Builder:
    """Somebody who may sign bundles, and how the files are read, which may be large."""

    signer: Signer
    belief: Belief  # by which a manifest is believed that is there already
    size_max: int = SIZE_MAX  # bytes of one file
    progress: Progress = nobody

    def make(self, manifest: Path, files: Mapping[str, Role], about: About) -> Manifest:
        """Write the signed manifest of `files`, relative to its directory; SettingsError with all that is wrong.

        The same bundle again, whenever it was made, leaves the file as it is; another one in its place is refused.
        """
        folder = manifest.parent
        made = measure(folder, files, about, size_max=self.size_max, progress=self.progress)
        if others := strangers(folder, made):
            message = f"lies in {made.checkpoint!r}, which a model server would load as a whole"
            raise SettingsError([Problem(others[0], message, "name it as well, or move it away")])
        if manifest.exists():
            return self._present(manifest, made)
        try:
            write(manifest, self.signer.sign(Purpose.BUNDLE, encode(made)))
        except OSError as error:
            raise SettingsError([Problem(str(manifest), f"cannot be written: {error.strerror}")]) from error
        return made

    def _present(self, manifest: Path, made: Manifest) -> Manifest:
        present = decode(open_manifest(manifest, self.belief)[0], str(manifest))
        if replace(present, created=made.created) == made:
            return present
        raise SettingsError([Problem(str(manifest), "is there already, and is another bundle", "give it another name")])


def sign_bundle(manifest: Path, signer: Signer) -> None:
    """Add a signature to a manifest that is written; SettingsError."""
    try:
        write(manifest, signer.add(Purpose.BUNDLE, read_envelope(manifest)))
    except (Permanent, Transient) as error:
        raise SettingsError([Problem(str(manifest), str(error))]) from error
    except OSError as error:
        raise SettingsError([Problem(str(manifest), f"cannot be written: {error.strerror}")]) from error
