"""What the settings name on disk: it is there, it can be read, and only those can read it who should.

Every check says what is wrong now. Nothing is created, and no file's content is quoted.
"""

import os
import ssl
import stat
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import partial
from pathlib import Path

from monitor.alerts.alertmanager import basic, bearer
from monitor.decisions.epochs import last_known_good
from monitor.decisions.rules import RulePack
from monitor.errors import Corrupt, Permanent, Problem, SettingsError, TocsinError
from monitor.facts import Bundle, BundleStatus, ModelName
from monitor.ingest.tokens import read_tokens
from monitor.panes.layout import Layout
from monitor.panes.reference import decode_reference, digest
from monitor.rollback.release.read import load
from monitor.rollback.targets.cluster import service_account, trusting
from monitor.rollback.targets.command import program_problem
from monitor.settings.fits import answer_problems, believed, fit_problems, judging
from monitor.settings.model_sections import MonitoredModel, Probes, Release
from monitor.settings.probe_files import opened_probes
from monitor.settings.sections import Settings
from monitor.settings.structure import Draft
from monitor.settings.target_sections import ClusterObject, Command, DeploymentHook, Symlink, Target
from monitor.wire.webhooks import load_keys

CREDENTIALS = {"bearer_file": "one line: the token", "basic_file": "one line: user:password"}
_PRIVATE = "chmod 600; in a pod, defaultMode: 0440"


def file_checks(draft: Draft, settings: Settings, packs: Mapping[ModelName, RulePack]) -> Iterator[Problem]:
    """Yield every problem with a file that `settings` name, and what in `packs` does not fit what they hold.

    `packs` are the rule packs that could be read (`monitor.settings.rules`).
    """
    if draft.kept("state_dir"):
        yield from _state_dir(settings.state_dir)
    if draft.kept("tokens_file"):
        yield from _secret("tokens_file", settings.tokens_file, "tocsin token create writes one", read_tokens)
    for place, receiver in zip(draft.receivers, settings.receivers, strict=True):
        hint = "one line: whsec_ and the base64 of 24 to 64 random bytes"
        yield from _secret(f"receivers.{place}.secret_file", receiver.secret_file, hint, load_keys)
    for place, each in zip(draft.alertmanagers, settings.alertmanagers, strict=True):
        for key, path, read in (("bearer_file", each.bearer_file, bearer), ("basic_file", each.basic_file, basic)):
            if path is not None:
                where = f"alertmanagers.{place}.{key}"
                yield from _secret(where, path, CREDENTIALS[key], partial(_credentials, read, key))
    for name, model in settings.models.items():
        where = f"models.{name}.release"
        bundles: tuple[Bundle, ...] = ()
        if draft.kept(where):
            bundles = yield from _bundles(where, model.release, name)
        layouts: dict[str, Layout] = {}
        for bundle in bundles:
            if bundle.status is not BundleStatus.REVOKED:
                path = model.release.index.parent / bundle.reference
                yield from _readable(where, path, partial(_profile, bundle, layouts))
        yield from _fit(draft, f"models.{name}", model, packs.get(name), (bundles, layouts))
        if model.probes is not None and draft.kept(f"models.{name}.probes"):
            yield from _probes(f"models.{name}.probes.file", name, model.probes)
        if model.target is not None:
            yield from _target(f"models.{name}.target", model.target)


def _probes(where: str, model: ModelName, probes: Probes) -> Iterator[Problem]:
    """Check that the set can be believed, is of this model, and that not everybody may read it."""
    yield from _secret(where, probes.file, "tocsin probes record makes one", lambda _: opened_probes(probes, model))


def _credentials(read: Callable[[str], object], key: str, path: Path) -> None:
    """Read a file of credentials; Permanent if it holds none. Its content is not quoted."""
    try:
        read(path.read_text("ascii"))
    except ValueError:
        raise Permanent(f"{path} does not hold {CREDENTIALS[key]}") from None


def _state_dir(path: Path) -> Iterator[Problem]:
    nearest = next(parent for parent in (path, *path.parents) if parent.exists() or parent == parent.parent)
    if not nearest.is_dir():
        yield Problem("state_dir", f"cannot be made: {nearest} is not a directory", "")
    elif not os.access(nearest, os.W_OK | os.X_OK):
        yield Problem("state_dir", f"cannot be written: no permission in {nearest}", "")


def _bundles(where: str, release: Release, model: ModelName) -> Generator[Problem, None, tuple[Bundle, ...]]:
    """A model is judged against a known-good's reference profile: there is one, and all profiles are as registered.

    Checkpoints are large, and are verified before each switch.
    """
    try:
        found = load(release.index, believed(release))
    except SettingsError as error:
        yield from (Problem(where, f"{each.path}: {each.message}", each.hint) for each in error.problems)
        return ()
    bundles = tuple(bundle for bundle in found.bundles if bundle.model == model)
    if last_known_good(bundles) is None:
        hint = "tocsin bundle create, then tocsin bundle approve"
        yield Problem(where, f"has no known-good bundle of {model}: {release.index}", hint)
    return bundles


def _fit(
    draft: Draft,
    path: str,
    model: MonitoredModel,
    pack: RulePack | None,
    found: tuple[tuple[Bundle, ...], Mapping[str, Layout]],
) -> Iterator[Problem]:
    """Hold the settings of a model against the profiles of its bundles that could be read."""
    bundles, layouts = found
    read = [bundle for bundle in bundles if bundle.reference_digest in layouts]
    schemas = {bundle.name or bundle.id: layouts[bundle.reference_digest].reference.schema for bundle in read}
    yield from answer_problems(f"{path}.release", schemas)
    judge = judging(bundles, layouts)
    if judge is not None:
        yield from fit_problems(path, model, pack, judge, known=draft.kept(f"{path}.segments"))


def _profile(bundle: Bundle, layouts: dict[str, Layout], path: Path) -> None:
    """Read a profile into `layouts`; Permanent if it is not what was registered, Corrupt if it never was one."""
    body = path.read_bytes()
    if digest(body) != bundle.reference_digest:
        raise Permanent(f"{path} has other bytes than were signed")
    reference = decode_reference(body)
    if reference.schema.model != bundle.model:
        raise Permanent(f"{path} is the profile of another model")
    layouts[bundle.reference_digest] = Layout.of(reference)


def _secret(where: str, path: Path, missing: str, read: Callable[[Path], object]) -> Iterator[Problem]:
    """Check a file that only its owner and group may read, and that `read` takes."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield Problem(where, f"cannot be read: {error.strerror}: {path}", missing)
        return
    if not stat.S_ISREG(mode):
        yield Problem(where, f"is not a file: {path}", "")
    elif mode & (stat.S_IROTH | stat.S_IWOTH):
        yield Problem(where, f"can be read or written by every user: {path}", _PRIVATE)
    else:
        yield from _readable(where, path, read)


def _readable(where: str, path: Path, read: Callable[[Path], object]) -> Iterator[Problem]:
    try:
        read(path)
    except SettingsError as error:
        for problem in error.problems:
            place = problem.path if problem.path.startswith(str(path)) else f"{path}:{problem.path}"
            yield Problem(where, f"{place}: {problem.message}", problem.hint)
    except Corrupt as error:
        yield Problem(where, f"is damaged at byte {error.offset}: {path}", error.hint)
    except TocsinError as error:
        yield Problem(where, str(error), "")
    except OSError as error:
        yield Problem(where, f"cannot be read: {error.strerror}: {path}", "")


def _target(where: str, target: Target) -> Iterator[Problem]:
    """What a target names on disk. A service account's token is mounted for every user of the pod to read."""
    if isinstance(target, Symlink):
        yield from _link(f"{where}.link", target.link)
    if isinstance(target, Command):
        program = Path(target.argv[0])
        why = program_problem(program) if program.is_absolute() else "is not an absolute path: nothing is looked up"
        if why:
            yield Problem(f"{where}.argv", f"{why}: {program}", "")
    if isinstance(target, DeploymentHook):
        hint = "one line: whsec_ and the base64 of 24 to 64 random bytes"
        yield from _secret(f"{where}.secret_file", target.secret_file, hint, load_keys)
    if isinstance(target, ClusterObject):
        yield from _readable(f"{where}.token_file", target.token_file, partial(_proved, service_account))
    for key, read in (("bearer_file", bearer), ("basic_file", basic)):
        path = getattr(target, key, None)
        if path is not None:
            yield from _secret(f"{where}.{key}", path, CREDENTIALS[key], partial(_credentials, read, key))
    if (path := getattr(target, "ca_file", None)) is not None:
        yield from _readable(f"{where}.ca_file", path, partial(_proved, trusting))


def _proved(make: Callable[[Path], Callable[[], object]], path: Path) -> None:
    """Read a token or a certificate once; OSError, Permanent if it is none."""
    try:
        make(path)()
    except ssl.SSLError:
        raise Permanent(f"{path} holds no certificate") from None
    except ValueError:
        raise Permanent(f"{path} holds no token") from None


def _link(where: str, link: Path) -> Iterator[Problem]:
    """A rollback swaps the link beside itself: what is there must be a link, in a directory that can be written."""
    if os.path.lexists(link) and not link.is_symlink():
        yield Problem(where, f"is not a symbolic link: {link}", "let the model server read its model through a link")
    elif not link.parent.is_dir():
        yield Problem(where, f"is in no directory: {link.parent}", "")
    elif not os.access(link.parent, os.W_OK | os.X_OK):
        yield Problem(where, f"cannot be switched: no permission to write in {link.parent}", "")
