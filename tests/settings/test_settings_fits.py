"""Rules, segments and samples are held against the references of the model's bundles, before anything starts."""

from collections.abc import Callable
from pathlib import Path

import pytest
import released

from monitor.errors import Problem
from monitor.facts import BundleStatus, ModelName, Schema, Task
from monitor.ingest.history import open_history
from monitor.panes.build import build_reference
from monitor.panes.reference import encode_reference
from monitor.panes.schema import parse_schema
from monitor.settings.fits import answer_problems

Problems = Callable[..., list[Problem]]
PRICES = {
    "model": "delays",
    "task": "regression",
    "features": {"hour": "numeric"},
    "columns": {"prediction": "answer", "label": "truth"},
}
SEGMENTS = """      carrier:
        values: []            # of a key in `segment`: [ios, android]; empty for a feature
        values_max: 8         # of a feature: how many categories have a segment of their own
"""


def regression(home: Path, status: BundleStatus = BundleStatus.CANDIDATE) -> None:
    """Register a bundle that predicts numbers."""
    history = home / "prices.csv"
    history.write_text("hour,answer,truth\n" + "".join(f"{i},{i / 2},{i / 3}\n" for i in range(200)))
    schema, names = parse_schema(PRICES)
    reference = build_reference(open_history(history, schema, names), schema, lambda _: None)
    (home / "prices.json").write_bytes(encode_reference(reference))
    (home / "models" / "v2").write_text("v2")
    index = home / "releases.json"
    released.register(index, schema.model, "models/v2", "prices.json", wall=2.0, status=status, name="v2")


def segments(text: str) -> tuple[str, str]:
    return SEGMENTS, text


def test_nothing_is_told_of_what_fits(problems_of: Problems) -> None:
    assert problems_of() == []


def test_a_segment_that_is_a_number_is_told(problems_of: Problems) -> None:
    [problem] = problems_of(segments("      hour: {}\n"))
    assert (problem.path, problem.message) == ("models.delays.segments.hour", "is a number")


def test_a_segment_that_is_no_feature_needs_its_values(problems_of: Problems) -> None:
    [problem] = problems_of(segments("      device: {}\n"))
    assert (problem.path, problem.message) == ("models.delays.segments.device.values", "are missing")
    assert problems_of(segments("      device: {values: [ios, android]}\n")) == []


def test_a_rule_for_another_task_is_told_by_its_name(home: Path, problems_of: Problems) -> None:
    rule = "{name: rank, subject: outcomes, detector: ndcg, window: 1h, severity: warning, limit_under_reference: 0.1}"
    (home / "rules.yaml").write_text(f"version: 1\nrules:\n  - {rule}\n")
    [problem] = problems_of()
    assert (problem.path, problem.message) == (f"{home}/rules.yaml:rank", "does not fit a classification model")


def test_bundles_of_one_model_are_of_one_task(home: Path, problems_of: Problems) -> None:
    regression(home)
    [problem] = problems_of()
    assert problem.path == "models.delays.release"
    assert problem.message == "has bundles of several tasks: v1 is of classification, v2 is of regression"


def test_a_revoked_bundle_may_be_of_any_task(home: Path, problems_of: Problems) -> None:
    regression(home, BundleStatus.REVOKED)
    assert problems_of() == []


def answering(*classes: str) -> Schema:
    return Schema(ModelName("delays"), (), classes, "yes")


def test_bundles_that_answer_alike_are_no_problem() -> None:
    numbers = Schema(ModelName("delays"), (), task=Task.RANKING)
    assert list(answer_problems("r", {"v1": numbers, "v2": numbers})) == []
    assert list(answer_problems("r", {"v1": answering("no", "yes"), "v2": answering("no", "yes")})) == []


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (("maybe", "no", "yes"), "v1 has 2: no, yes; v2 has 3: maybe, no, yes"),
        (("yes", "no"), "v1 has 2: no, yes; v2 has 2: yes, no"),
        (("yes", *"abcdefgh"), "v1 has 2: no, yes; v2 has 9: yes, a, b, c, d, e, ..."),
    ],
    ids=["one more", "another order", "many"],
)
def test_a_class_is_kept_by_its_place_so_bundles_have_the_same_in_the_same_order(
    classes: tuple[str, ...], told: str
) -> None:
    [problem] = answer_problems("r", {"v2": answering(*classes), "v1": answering("no", "yes")})
    assert problem.message == f"has bundles of other classes, or in another order: {told}"


def test_a_sample_of_another_history_is_told(home: Path, problems_of: Problems) -> None:
    (home / "reference-sample.parquet").write_bytes(b"no parquet")
    [problem] = problems_of()
    assert problem.path == "models.delays.evidence.reference_sample"
    assert "tocsin reference build --sample" in problem.hint
