"""Planted shifts: what is added to rows that really came, from an onset on, to see how long it stays unseen.

    age+0.5sigma@2013-06-01           numbers move by half a standard deviation of the reference; - moves them down
    carrier=UA:20%@2013-06-01T12:00   one row in five gets this category
    age=missing:5%@2013-06-01         one row in twenty has none
    label~10%@2013-06-01              one label in ten is another class: the error rises by about as much
    rows-50%@2013-06-01               every other row does not come; rows+100%: each comes twice
    silence@2013-06-01                no row comes: rows-100%
    age+0.5sigma                      no onset: several, spread over the history
    all                               .2, .5 and 1 sigma in a sample of the columns, up to `COLUMNS_MAX`

A share of sigma of a category is the change of its share in units of sqrt(p (1 - p)): .5 sigma of p = .3 is 23 %. So
`all` asks of every column the same question. Which rows change is a hash of their place in the file: it depends on
nothing else, and no random number is drawn.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.errors import Problem, SettingsError
from monitor.facts import Task
from monitor.panes.layout import Layout
from monitor.panes.reference import CategoryBins, NumericBins

ALL: Final = "all"
LABEL: Final = "label"
ROWS: Final = "rows"
SILENCE: Final = "silence"
ABSENT: Final = "missing"
SIZES: Final = (0.2, 0.5, 1.0)  # sigma
COLUMNS_MAX: Final = 8  # of `all`
ONSETS: Final = 5  # of a plant that names none
PLANTS_MAX: Final = 500  # COLUMNS_MAX * len(SIZES) * ONSETS is 120; each may cost a step a tick until it is found

_NUMBER = r"(?P<size>\d+(?:\.\d+)?|\.\d+)"
_SHIFT = re.compile(rf"(?P<column>.+?)(?P<sign>[+-]){_NUMBER}sigma")
_SHARE = re.compile(rf"(?P<column>.+?)=(?P<value>.+):{_NUMBER}%")
_FLIP = re.compile(rf"{LABEL}~{_NUMBER}%")
_COUNT = re.compile(rf"{ROWS}(?P<sign>[+-]){_NUMBER}%")


class Change(Enum):
    """What a plant does to the rows it touches."""

    MOVE = "move"  # adds `size` standard deviations
    PUT = "put"  # puts `value` in a share `size` of the rows
    DROP = "drop"  # leaves a share `size` of the rows without a value
    FLIP = "flip"  # another class for a share `size` of the labels
    COUNT = "count"  # a share `size` of the rows comes twice or, below 0, not at all


@dataclass(frozen=True, slots=True)
class Plant:
    """One planted shift; `onset` None: several are to be chosen."""

    text: str  # without its onset
    column: str
    change: Change
    size: float
    told: str  # the size, in words: "0.5sigma", "10%"
    value: str = ""
    onset: float | None = None


def read_plants(texts: Sequence[str], layout: Layout) -> tuple[Plant, ...]:
    """Read what was asked for; SettingsError with every one that cannot be planted in these columns."""
    plants: list[Plant] = []
    problems: list[Problem] = []
    for text in texts:
        if text == ALL:
            plants += battery(layout)
            continue
        try:
            plants.append(_demand(_read(text), layout))
        except ValueError as error:
            problems.append(
                Problem(f"--plant {text}", str(error), "like age+0.5sigma@2013-06-01; see docs/backtest.md")
            )
    if problems:
        raise SettingsError(problems)
    return tuple(plants)


def place(plants: Sequence[Plant], start: float, end: float, within_s: float, every_s: float) -> tuple[Plant, ...]:
    """Give each plant its onset, at the beginning of a tick; SettingsError for one outside the history, or too many.

    Onsets of one that names none are spread so that each leaves `within_s` to be found, where there is so much.
    """
    placed: list[Plant] = []
    for plant in plants:
        if plant.onset is not None:
            if not start <= plant.onset < end:
                what = f"begins outside of the history, which is from {_date(start)} to {_date(end)}"
                raise SettingsError([Problem(f"--plant {plant.text}", what)])
            placed.append(replace(plant, onset=_tick(plant.onset, every_s)))
            continue
        room = max(end - within_s - start, (end - start) / 2)
        onsets = [start + (i + 0.5) / ONSETS * room for i in range(ONSETS)]
        placed += [replace(plant, onset=_tick(onset, every_s)) for onset in onsets]
    if len(placed) > PLANTS_MAX:
        raise SettingsError([Problem("--plant", f"asks for {len(placed)} shifts; at most {PLANTS_MAX} are planted")])
    return tuple(placed)


def battery(layout: Layout) -> Iterator[Plant]:
    """Every size in a sample of the columns, spread over the schema: both kinds, those that a reference has bins of."""
    usable = [bins for bins in layout.reference.columns if _sigma(layout, bins.name) or _common(layout, bins)]
    step = max(1.0, len(usable) / COLUMNS_MAX)
    for bins in [usable[int(i * step)] for i in range(min(COLUMNS_MAX, len(usable)))]:
        for size in SIZES:
            told = f"{size:g}sigma"
            if isinstance(bins, NumericBins):
                yield Plant(f"{bins.name}+{told}", bins.name, Change.MOVE, size, told)
            elif found := _common(layout, bins):
                value, share = found
                moved = min(1.0, size * math.sqrt(share / (1 - share)))
                yield Plant(f"{bins.name}={value}:{100 * moved:.3g}%", bins.name, Change.PUT, moved, told, value)


def sigma(layout: Layout, column: str) -> float:
    """Standard deviation of a numeric column of the reference; ValueError where it has none."""
    found = _sigma(layout, column)
    if not found:
        msg = f"{column} does not vary in the reference, so there is no sigma to move it by"
        raise ValueError(msg)
    return found


def touched(places: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Which rows, by place in the file, are among this share: those of a smaller share among those of a larger."""
    mixed = places.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):  # splitmix64: Steele, Lea & Flood 2014
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) < share * 2.0**53


def _read(text: str) -> Plant:
    body, at, onset = text.rpartition("@")
    body, when = (body, _time(onset)) if at else (text, None)
    if found := _FLIP.fullmatch(body):
        return Plant(body, LABEL, Change.FLIP, _share(found), f"{found['size']}%", onset=when)
    if body == SILENCE:
        return Plant(body, ROWS, Change.COUNT, -1.0, "100%", onset=when)
    if found := _COUNT.fullmatch(body):
        share = _share(found) if found["sign"] == "+" else -_share(found)
        return Plant(body, ROWS, Change.COUNT, share, f"{found['size']}%", onset=when)
    if found := _SHIFT.fullmatch(body):
        size = float(found["size"])
        told = f"{size:g}sigma"
        return Plant(body, found["column"], Change.MOVE, size if found["sign"] == "+" else -size, told, onset=when)
    if found := _SHARE.fullmatch(body):
        change = Change.DROP if found["value"] == ABSENT else Change.PUT
        return Plant(body, found["column"], change, _share(found), f"{found['size']}%", found["value"], when)
    msg = "is no shift"
    raise ValueError(msg)


def _demand(plant: Plant, layout: Layout) -> Plant:
    """The plant, known to fit the columns; ValueError if it does not."""
    if plant.change is Change.FLIP:
        if layout.task is not Task.CLASSIFICATION:
            msg = "labels that are no classes cannot be another one"
            raise ValueError(msg)
        return plant
    if plant.change is Change.COUNT:
        return plant
    bins = next((each for each in layout.reference.columns if each.name == plant.column), None)
    if bins is None:
        msg = f"{plant.column} is no feature of the reference"
        raise ValueError(msg)
    if plant.change is Change.MOVE:
        if isinstance(bins, CategoryBins):
            msg = f"{plant.column} is a category: write {plant.column}={next(iter(bins.top), 'VALUE')}:20%"
            raise ValueError(msg)
        sigma(layout, plant.column)
    if plant.change is Change.PUT and isinstance(bins, NumericBins):
        msg = f"{plant.column} is a number: write {plant.column}+0.5sigma, or {plant.column}={ABSENT}:20%"
        raise ValueError(msg)
    return plant


def _share(found: "re.Match[str]") -> float:
    share = float(found["size"]) / 100
    if not 0 < share <= 1:
        msg = "is a share above 0 and up to 100 %"
        raise ValueError(msg)
    return share


def _time(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        msg = f"begins at no time that can be read: {text}"
        raise ValueError(msg) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _tick(time: float, every_s: float) -> float:
    return math.floor(time / every_s) * every_s


def _date(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sigma(layout: Layout, column: str) -> float:
    found = next(each for each in layout.features(layout.reference_pane()) if each.column == column)
    return found.std or 0.0


def _common(layout: Layout, bins: object) -> tuple[str, float] | None:
    """The category whose share is nearest to .3, where a shift has room; None: there are not two."""
    if not isinstance(bins, CategoryBins) or len(bins.top) < 2:
        return None
    found = next(each for each in layout.features(layout.reference_pane()) if each.column == bins.name)
    shares = np.array(found.bins[: len(bins.top)]) / max(found.n, 1)
    best = int(np.abs(shares - 0.3).argmin())
    return (bins.top[best], float(shares[best])) if 0 < shares[best] < 1 else None
