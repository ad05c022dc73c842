"""What a deployer asks of a gate, from the query of its URL; nothing of it is ever repeated in an answer."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from monitor.decisions.clearance import Asked
from monitor.facts import Family, Severity
from monitor.ingest.problems import Refused

QUERY_MAX: Final = 2_000  # bytes
TEXT_MAX: Final = 300  # characters of a name
SEVERITIES: Final = {each.value: each for each in (Severity.WARNING, Severity.CRITICAL)}
FAMILIES: Final = {each.value: each for each in Family}
PARAMETERS: Final[Mapping[str, str]] = {
    "bundle": "id or name of the bundle that is asked about; absent: the one that is served",
    "digest": "of its checkpoint, as the model server proves it",
    "severity": "the least that counts: critical (default) or warning",
    "needs": "families that must be known for an ok, by commas; absent: all that the rules watch",
}


def read_asked(query: bytes) -> Asked:
    """Read the query; Refused with 422 for what is no question of ours, as a slip must not ask for less."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), max_num_fields=4)
    except ValueError:
        raise _invalid() from None
    found = dict(pairs)
    if len(found) < len(pairs) or len(query) > QUERY_MAX or not found.keys() <= PARAMETERS.keys():
        raise _invalid()
    if any(not 0 < len(value) <= TEXT_MAX for value in found.values()):
        raise _invalid()
    severity = SEVERITIES.get(found.get("severity", Severity.CRITICAL.value))
    named = found["needs"].split(",") if "needs" in found else None
    if severity is None or (named is not None and not set(named) <= FAMILIES.keys()):
        raise _invalid()
    needs = None if named is None else frozenset(FAMILIES[name] for name in named)
    return Asked(found.get("bundle", ""), found.get("digest", ""), severity, needs)


def _invalid() -> Refused:
    detail = f"a gate is asked by {', '.join(PARAMETERS)}, each once, as /openapi.json describes"
    return Refused(422, "query_invalid", detail)
