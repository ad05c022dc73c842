"""The shape of the settings file: one frozen class per section, one field per setting, its bounds beside it.

Everything is strict: a number is not text, an unknown key is an error, nothing is converted. Checks here look at one
value, or at one receiver; what needs two sections is in `crosschecks`, what needs the disk in `files`, and what needs
the references in `fits`. `examples/tocsin.yaml` explains every setting to the operator, and a test holds it to these
classes.

Here: the daemon itself. Beside it: `model_sections`, `evidence_sections`, `notice_sections`; single values: `values`.
"""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from monitor.settings.addresses import external_problem, listener_problem
from monitor.settings.evidence_sections import Evidence
from monitor.settings.model_sections import MonitoredModel
from monitor.settings.notice_sections import Alertmanager, Grouping, Receiver
from monitor.settings.units import Duration, Size, between
from monitor.settings.values import FilePath, Host, ModelKey, Name, Port, Section, duration, size, unless


def _divides_the_day(length: Duration) -> Duration:
    """Panes are summed to hours and days, so each must lie in one of them; their starts are whole seconds."""
    if length.is_integer() and (
        (length <= 3600 and 3600 % length == 0) or (length % 3600 == 0 and 86_400 % length == 0)
    ):
        return length
    raise PydanticCustomError("refused", "must divide an hour (1m, 5m, 15m), or be hours that divide a day (1h, 6h)")


class Http(Section):
    """The listener of intake and API. Loopback only, as long as it does not speak TLS (safety S12)."""

    host: Annotated[Host, unless(listener_problem)] = "127.0.0.1"
    port: Port = 8470
    body_bytes_max: Annotated[Size, between("1KiB", "1GiB")] = size("16MiB")
    in_flight_bytes_max: Annotated[Size, between("1KiB", "16GiB")] = size("64MiB")
    requests_max: Annotated[int, Field(ge=1, le=10_000)] = 256
    body_timeout: Annotated[Duration, between("100ms", "10m")] = duration("10s")
    rows_max: Annotated[int, Field(ge=1, le=10_000_000)] = 100_000
    rows_per_second: Annotated[int | None, Field(ge=1, le=10_000_000)] = None
    rejections_max: Annotated[int, Field(ge=0, le=10_000)] = 100


class Metrics(Section):
    """The listener of /metrics, which may bind wider than loopback."""

    host: Host = "127.0.0.1"
    port: Port = 9470
    render_every: Annotated[Duration, between("100ms", "1m")] = duration("5s")
    series_max: Annotated[int, Field(ge=200, le=100_000)] = 2_000
    features_drawn_max: Annotated[int, Field(ge=0, le=10_000)] = 10
    category_names: bool = False


class Fold(Section):
    """How often the journal is counted into panes, and how much at once."""

    every: Annotated[Duration, between("10ms", "1m")] = duration("1s")
    rows_max: Annotated[int, Field(ge=1_000, le=2_000_000)] = 100_000
    lag_rows_max: Annotated[int, Field(ge=10_000, le=100_000_000)] = 500_000
    proof_wait: Annotated[Duration, between("1s", "1h")] = duration("30s")


class Panes(Section):
    """How time is cut, how long late rows are waited for, how long labels may still come, what is kept and held."""

    length: Annotated[Duration, between("1s", "1d"), AfterValidator(_divides_the_day)] = duration("60s")
    grace: Annotated[Duration, between("0s", "1d")] = duration("60s")
    horizon: Annotated[Duration, between("1h", "400d")] = duration("14d")
    age_max: Annotated[Duration, between("1d", "3650d")] = duration("400d")
    sums_bytes_max: Annotated[Size, between("1MiB", "16GiB")] = size("64MiB")
    bands_bytes_max: Annotated[Size, between("64KiB", "16GiB")] = size("32MiB")


class TimeBounds(Section):
    """Which event times of rows are believed, around the time of arrival, and which steps of our own clock."""

    ahead_max: Annotated[Duration, between("0s", "1d")] = duration("5m")
    behind_max: Annotated[Duration, between("1m", "400d")] = duration("14d")
    jump_max: Annotated[Duration, between("100ms", "1h")] = duration("5s")
    jump_pause: Annotated[Duration, between("1m", "30d")] = duration("1h")


class Audit(Section):
    """How large files of the audit log become, how much is kept, and how often its head is signed."""

    file_bytes_max: Annotated[Size, between("64KiB", "1GiB")] = size("16MiB")
    bytes_max: Annotated[Size, between("1MiB", "1TiB")] = size("1GiB")
    head_records: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    head_every: Annotated[Duration, between("10s", "1d")] = duration("10m")


class Settings(Section):
    """The whole file. Durations are seconds, sizes bytes, paths resolved against the file."""

    state_dir: FilePath = Field(default=Path("state"), validate_default=True)
    replica: Name = "0"
    replay: bool = False
    http: Http = Http()
    metrics: Metrics = Metrics()
    external_url: Annotated[str, unless(external_problem)] = ""
    tokens_file: FilePath = Field(default=Path("tokens.json"), validate_default=True)
    fold: Fold = Fold()
    panes: Panes = Panes()
    look_every: Annotated[Duration, between("100ms", "1d")] = duration("60s")
    time: TimeBounds = TimeBounds()
    evidence: Evidence = Evidence()
    audit: Audit = Audit()
    models: Annotated[dict[ModelKey, MonitoredModel], Field(min_length=1, max_length=64)]
    receivers: Annotated[tuple[Receiver, ...], Field(max_length=16)] = ()
    grouping: Grouping = Grouping()
    alertmanagers: Annotated[tuple[Alertmanager, ...], Field(max_length=8)] = ()
