"""The formulas behind `domain_classifier` and `multivariate_mmd`, against their definitions and against chance."""

from collections.abc import Iterator

import numpy as np
import pytest
from evidenceworld import SCHEMA, ask, job
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from monitor.evidence.jobs import Failure
from monitor.evidence.worker import encoding
from monitor.evidence.worker.classifier import ROWS_ASKED, Told, area, classify
from monitor.evidence.worker.clean import Cleaned, clean
from monitor.evidence.worker.encoding import TOP, Rows, coded, encode, scaled
from monitor.evidence.worker.findings import Findings, Refused
from monitor.evidence.worker.mmd import FREQUENCIES, SHUFFLES, discrepancy, laid_out
from monitor.evidence.worker.samples import Side
from monitor.evidence.worker.together import Together

SEED = 3
RUNS = 40


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As the worker has it: more of them wait for each other where the cores are busy."""
    with threadpool_limits(1):
        yield


def sides(live: dict[str, np.ndarray], reference: dict[str, np.ndarray]) -> Cleaned:
    length = {name: len(next(iter(side.values()))) for name, side in (("live", live), ("reference", reference))}
    return clean(Side(length["live"], live, ""), Side(length["reference"], reference, ""), "label")


def encoded(live: dict[str, np.ndarray], reference: dict[str, np.ndarray], *, named: bool = False) -> Rows:
    cleaned = sides(live, reference)
    return encode(cleaned, cleaned.columns, named=named, seed=SEED)


def alike(seed: int, rows: int = 300) -> Rows:
    """Two samples of one source: numbers, gaps, words."""
    draw = np.random.default_rng(seed)

    def side() -> dict[str, np.ndarray]:
        gaps = np.where(draw.random(rows) < 0.2, np.nan, draw.exponential(size=rows))
        words = draw.choice(np.array(["a", "b", "c", None], object), rows)
        return {"x": draw.normal(size=rows), "gaps": gaps, "words": words}

    return encoded(side(), side())


# ---------------------------------------------------------------- chance


@pytest.fixture(scope="module")
def by_chance() -> list[Told]:
    return [classify(alike(seed), SEED) for seed in range(RUNS)]


def test_the_interval_holds_one_half_where_nothing_changed(by_chance: list[Told]) -> None:
    """Missed by 5 % of the runs: of 40 more than 4, a tenth, come with a chance of 4.8 % (binomial)."""
    assert sum(not each.low <= 0.5 <= each.high for each in by_chance) <= RUNS // 10


def test_folds_that_learn_from_each_other_are_not_taken_for_independent(by_chance: list[Told]) -> None:
    """The sd of 40 AUCs is that of the intervals within 3 of its own sd (1 / sqrt(2 * 39) = 11 %), or less."""
    claimed = np.mean([each.high - each.low for each in by_chance]) / (2 * 1.96)
    found = np.std([each.auc for each in by_chance], ddof=1)
    assert claimed / np.sqrt(2) < found < 1.34 * claimed


def test_mmd_is_zero_on_average_where_nothing_changed_and_a_twentieth_is_beyond_the_shuffles() -> None:
    found = [discrepancy(alike(seed), SEED) for seed in range(RUNS)]
    values = np.array([each.value for each in found])
    assert abs(values.mean()) < 4 * values.std(ddof=1) / np.sqrt(RUNS)
    assert (values < 0).any()
    assert (
        sum(each.value > each.ordinary for each in found) <= 6
    )  # binomial of 40 and .05: more come in 1.4 %... of seeds
    assert all(1 / (1 + SHUFFLES) <= each.p <= 1 for each in found)


# ---------------------------------------------------------------- definitions


def test_random_features_agree_with_the_kernel_they_stand_for() -> None:
    """The unbiased MMD^2 by all pairs; the features are off by about 1 / sqrt(D) of it."""
    draw = np.random.default_rng(1)
    rows = encoded({"x": draw.normal(1, 1, 300)}, {"x": draw.normal(0, 1, 300)})
    points = laid_out(rows, slice(None)).astype(float)
    squares = ((points[:, None] - points) ** 2).sum(axis=2)
    width = np.median(squares[300:, 300:][np.triu_indices(300, 1)])
    kernel = np.exp(-squares / (2 * width))
    within = [(kernel[part, part].sum() - 300) / (300 * 299) for part in (slice(300), slice(300, None))]
    exact = sum(within) - 2 * kernel[:300, 300:].mean()
    assert discrepancy(rows, SEED).value == pytest.approx(exact, rel=4 / np.sqrt(FREQUENCIES))


@given(arrays(float, st.integers(2, 30), elements=st.integers(0, 5)), arrays(float, 20, elements=st.integers(0, 5)))
def test_the_area_is_that_of_scikit_learn_with_ties(live: np.ndarray, reference: np.ndarray) -> None:
    sides_ = np.concatenate([np.ones(len(live)), np.zeros(20)])
    assert area(live, reference)[0] == pytest.approx(roc_auc_score(sides_, np.concatenate([live, reference])))


def test_the_variance_of_an_area_is_that_of_its_repetitions() -> None:
    draw = np.random.default_rng(5)
    areas = np.array([area(draw.normal(0.5, 1, 80), draw.normal(0, 1, 120)) for _ in range(400)])
    assert np.sqrt(areas[:, 1].mean()) == pytest.approx(areas[:, 0].std(ddof=1), rel=0.14)  # 4 of 1 / sqrt(800)


def test_rows_that_never_mix_leave_a_little_room_for_chance() -> None:
    rows = encoded({"x": np.linspace(5, 6, 120)}, {"x": np.linspace(0, 1, 120)})
    told = classify(rows, SEED)
    assert (told.auc, told.low, told.high) == (1.0, 1 - 3 / 120, 1.0)
    assert told.tells
    assert [each.column for each in told.telling] == ["x"]


def test_the_columns_that_tell_are_named_first() -> None:
    draw = np.random.default_rng(2)
    live = {"still": draw.normal(size=2 * ROWS_ASKED), "moved": draw.normal(1, 1, 2 * ROWS_ASKED)}
    reference = {name: draw.normal(size=2 * ROWS_ASKED) for name in live}
    told = classify(encoded(live, reference), SEED)
    assert told.telling[0].column == "moved"
    assert told.telling[0].fall > 0.2
    assert sum(each.fall for each in told.telling[1:]) < 0.02


# ---------------------------------------------------------------- what is looked at

FINITE = st.floats(allow_nan=True, allow_infinity=False)


@settings(max_examples=200)
@given(arrays(float, st.integers(1, 20), elements=FINITE), arrays(float, st.integers(1, 20), elements=FINITE))
def test_any_numbers_are_scaled_to_a_few_sd_and_gaps_stay(live: np.ndarray, reference: np.ndarray) -> None:
    both = scaled(live, reference)
    assert (np.isnan(both) == np.isnan(np.concatenate([live, reference]))).all()
    assert (np.abs(both[~np.isnan(both)]) <= 10).all()


def test_one_wild_value_is_not_the_scale() -> None:
    draw = np.random.default_rng(6)
    plain, wild = draw.normal(size=1_000), draw.normal(size=1_000)
    wild[0] = 1e300
    assert np.std(scaled(plain, wild)[:1_000]) == pytest.approx(1, abs=0.15)


def test_the_most_frequent_words_have_codes_and_all_others_one() -> None:
    words = np.array([*["b", "b", "a", "a"], None, *(f"w{n:02}" for n in range(TOP))], object)
    assert coded(words).tolist() == [1, 1, 0, 0, -1, *range(2, TOP), TOP, TOP]


LOOKS = {
    "a time in seconds": (1.7e9 + np.arange(200.0), "looks like a time"),
    "a time in nanoseconds": (1.7e18 + 1e9 * np.arange(200.0), "looks like a time"),
    "a number that counts up": (5_000 + np.arange(200.0), "counts up, like an identifier"),
    "names": (np.array([f"u{n}" for n in range(200)], object), "words that hardly come twice, like an identifier"),
    "a constant": (np.full(200, 7.0), "the same for all rows"),
    "a word": (np.full(200, "on", object), "the same for all rows"),
}


@pytest.mark.parametrize(("live", "why"), LOOKS.values(), ids=LOOKS)
def test_what_would_tell_without_saying_anything_is_left_out(live: np.ndarray, why: str) -> None:
    before = live if why.startswith("the same") else live - 1_000 if live.dtype != object else live[::-1]
    rows = encoded({"id": live, "x": np.arange(200.0) % 7}, {"id": before, "x": np.arange(200.0) % 7})
    assert (rows.names, rows.left_out) == (("x",), {"id": why})


def test_a_column_that_the_settings_name_is_looked_at_whatever_it_looks_like() -> None:
    times = 1.7e9 + np.arange(200.0)
    assert encoded({"at": times}, {"at": times - 1e6}, named=True).names == ("at",)


def test_prices_that_rose_altogether_are_no_identifier() -> None:
    draw = np.random.default_rng(4)
    rows = encoded({"price": draw.normal(900, 9, 200)}, {"price": draw.normal(100, 9, 200)})
    assert rows.names == ("price",)


def test_cells_are_bounded_by_leaving_rows_out_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "CELLS_MAX", 300)
    rows = encoded({"x": np.arange(400.0), "y": np.arange(400.0)}, {"x": np.arange(200.0), "y": np.arange(200.0)})
    assert (rows.n, rows.m, len(rows.numbers)) == (100, 50, 150)


def test_columns_are_bounded_and_the_first_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "COLUMNS_MAX", 1)
    rows = encoded({"x": np.arange(9.0), "y": np.arange(9.0)}, {"x": np.arange(9.0), "y": np.arange(9.0)})
    assert (rows.names, rows.left_out) == (("x",), {"y": "beyond the first 1"})


def test_a_reference_that_is_one_row_again_and_again_has_no_unit_of_distance() -> None:
    rows = encoded({"x": np.arange(200.0)}, {"x": np.ones(200)})
    assert discrepancy(rows, SEED) is None


# ---------------------------------------------------------------- where nothing can be told


def test_a_reference_drawn_from_counts_relates_no_columns() -> None:
    cleaned = sides({"delay": np.arange(200.0)}, {"delay": np.arange(200.0)})
    together = Together(job("live.parquet", schema=SCHEMA), cleaned, synthetic=True)
    with pytest.raises(Refused) as refused:
        together.numbers(ask("told", "domain_classifier"))
    assert refused.value.reason is Failure.REFERENCE_SYNTHETIC


def test_a_report_without_rows_of_the_history_says_so_and_is_no_failure() -> None:
    cleaned = sides({"delay": np.arange(200.0)}, {"delay": np.arange(200.0)})
    findings = Findings()
    Together(job("live.parquet", schema=SCHEMA), cleaned, synthetic=True).tell(findings)
    assert findings.faults == []
    assert findings.said[0].startswith("Nothing can be said of the columns together: no rows of the history are kept")


def test_answers_and_labels_are_not_looked_at() -> None:
    live = {name: np.arange(200.0) % 5 for name in ("delay", "score", "label", "prediction")}
    reference = live | {"score": np.arange(200.0), "prediction": np.arange(200.0)}
    together = Together(job("live.parquet", schema=SCHEMA), sides(live, reference), synthetic=False)
    assert together.rows().names == ("delay",)
