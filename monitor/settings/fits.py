"""What must hold between a model's settings, its rules and the reference profiles of its bundles.

Asked by `check-config` and at every start and reload; the release index may change later, while the daemon runs. Then a
bundle of another task or of other classes is refused (`monitor.turns.loading`), and rows counted by a reference that
lacks a segment's column are in no segment of it (`monitor.turns.watched`).
"""

from collections.abc import Iterator, Mapping

from monitor.decisions.epochs import last_known_good
from monitor.decisions.rules import RulePack, misfits
from monitor.errors import Corrupt, Problem, SettingsError
from monitor.evidence.history import check_sample
from monitor.facts import Bundle, Schema
from monitor.panes.layout import Layout
from monitor.panes.segments import Chosen, Segments
from monitor.rollback.release.belief import Belief
from monitor.settings.model_sections import MonitoredModel, Release, SegmentColumn

CLASSES_NAMED = 6  # in a problem: what differs is mostly a class more, or their order


def believed(release: Release) -> Belief:
    """Whom the settings of a release index believe; SettingsError with what is wrong with their keys."""
    people = release.thresholds
    return Belief.load(
        release.trust,
        release.builders,
        index_min=people.index,
        bundle_min=people.bundle,
        approvers_min=people.approval,
        ahead_max=release.fast_forward_max,
    )


def answer_problems(where: str, schemas: Mapping[str, Schema]) -> Iterator[Problem]:
    """Tell that bundles, by name, differ in task or classes: rows, panes and rules of one model are of one kind.

    Rows, receipts and labels keep a class as its place in the schema, so another order would make right labels wrong.
    """
    tasks = {name: schema.task for name, schema in sorted(schemas.items())}
    if len(set(tasks.values())) > 1:
        told = ", ".join(f"{name} is of {task.value}" for name, task in tasks.items())
        yield Problem(where, f"has bundles of several tasks: {told}", "give each task a model of its own")
        return
    names: dict[tuple[str, ...], str] = {}
    for name, schema in sorted(schemas.items()):
        names.setdefault(schema.classes, name)
    if len(names) > 1:
        told = "; ".join(f"{name} has {_begun(classes)}" for classes, name in names.items())
        hint = "a schema of the same classes in the same order; other classes are another model, with a name of its own"
        yield Problem(where, f"has bundles of other classes, or in another order: {told}", hint)


def _begun(classes: tuple[str, ...]) -> str:
    """How many, and the first of them: a model may have hundreds."""
    named = ", ".join(classes[:CLASSES_NAMED])
    return f"{len(classes)}: {named}{', ...' if len(classes) > CLASSES_NAMED else ''}"


def fit_problems(
    path: str, model: MonitoredModel, pack: RulePack | None, judge: Layout, *, known: bool = True
) -> Iterator[Problem]:
    """Yield what of a model's settings does not fit the reference that judges; `known`: its segments are as written."""
    schema = judge.reference.schema
    if pack is not None:
        for problem in misfits(pack, schema.task):
            yield Problem(f"{model.rules}:{problem.path}", problem.message, problem.hint)
    if known:
        try:
            Segments.of(chosen(model.segments), judge)
        except SettingsError as error:
            yield from (Problem(f"{path}.{each.path}", each.message, each.hint) for each in error.problems)
    sample = model.evidence.reference_sample
    if sample is not None:
        try:
            check_sample(sample, schema)
        except Corrupt as error:
            yield Problem(f"{path}.evidence.reference_sample", f"cannot be used: {sample}", error.hint)


def judging(bundles: tuple[Bundle, ...], layouts: Mapping[str, Layout]) -> Layout | None:
    """The layout of the last known-good, in which rows are judged; None if it is not there."""
    good = last_known_good(bundles)
    return None if good is None else layouts.get(good.reference_digest)


def chosen(segments: Mapping[str, SegmentColumn]) -> dict[str, Chosen]:
    """The segments of the settings, in the words of the panes."""
    return {name: Chosen(one.values, one.values_max) for name, one in segments.items()}
