"""The bounds of intake in one value: each is a setting or a number with its origin."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may cost. Sizes in bytes, times in seconds.

    JSON grows when it is parsed: honest rows 3 to 4 times, the worst we could write 14 times (an array of two-letter
    strings; measured 2026-11, 16 MiB: 230 MiB; without `containers_per_row` small arrays would take 30 times). Bodies
    above `inline_bytes_max` are parsed one at a time, so the peak is in_flight_bytes_max + 14 * body_bytes_max.
    """

    body_bytes_max: int = 16 << 20
    in_flight_bytes_max: int = 64 << 20
    requests_max: int = 256  # at once; four times the connections of the throughput goal
    body_timeout_s: float = 10.0  # from the first byte waited for to the last; a sidecar's senders are near
    rows_max: int = 100_000  # a request; 16 MiB of honest 20-feature rows are about 50,000
    containers_per_row: int = 6  # objects and arrays that an honest row is made of: itself, features, scores, segment
    row_bytes_max: int = 1 << 20  # one row that had to be cut out of its body; 50,000 features fit
    inline_bytes_max: int = 64 << 10  # parsed on the event loop: about 1 ms; larger bodies in the one parser thread
    control_bytes_max: int = 64 << 10  # bodies of all other routes
    rows_per_second: int | None = None  # of each token that has no rate of its own; None: without a bound
    rejections_max: int = 100  # listed in an answer; the count is never capped
    ahead_max_s: float = 300.0
    behind_max_s: float = 14 * 86_400.0  # at most as long as ids are remembered, or a row sent again counts again
