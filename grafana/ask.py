"""Asks a Prometheus what a dashboard asks, as Grafana would: variables filled, macros replaced, results by panel.

Grafana's own order is kept: variables from first to last, each seeing those before it; of a query's answers the first
is chosen. `label_values` is the label's values on matching series, `query_result` an instant query whose lines the
variable's regular expression takes apart (groups `value` and `text`).

Source: Grafana's documentation, "Prometheus template variables" and "Global variables".
"""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

Document = dict[str, Any]
ANSWER_S: Final = 30.0
LABEL_VALUES: Final = re.compile(r"label_values\((.+),\s*(\w+)\)", re.DOTALL)
QUERY_RESULT: Final = re.compile(r"query_result\((.+)\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """The time range a dashboard is looked at: Unix seconds, and the seconds between points."""

    start: float
    end: float
    step_s: float = 15.0
    scrape_s: float = 15.0

    @property
    def macros(self) -> dict[str, str]:
        """What Grafana puts in place of its own variables."""
        rate_s = max(self.step_s + self.scrape_s, 4 * self.scrape_s)
        spans = {"__interval": self.step_s, "__rate_interval": rate_s, "__range": self.end - self.start}
        return {name: f"{max(1, round(1000 * seconds))}ms" for name, seconds in spans.items()}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A Prometheus by its URL. Every answer that is not a success is an AssertionError with the query."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of one API call."""
        asked = f"{self.url}/api/v1/{path}"
        body = urllib.parse.urlencode(parameters).encode() if path.startswith("query") else None
        if body is None:
            asked += f"?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(asked, body, timeout=ANSWER_S) as answer:  # noqa: S310  # a URL of our caller
                found = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
        assert found["status"] == "success", found
        return found["data"]

    def at(self, expr: str, time: float) -> list[dict[str, Any]]:
        """The instant vector at a time."""
        result: list[dict[str, Any]] = self.ask("query", query=expr, time=str(time))["result"]
        return result

    def over(self, expr: str, span: Span) -> list[dict[str, Any]]:
        """The matrix over a span."""
        span_ = {"start": str(span.start), "end": str(span.end), "step": str(span.step_s)}
        result: list[dict[str, Any]] = self.ask("query_range", query=expr, **span_)["result"]
        return result


@dataclass(slots=True)
class Look:
    """One look at a dashboard."""

    document: Document
    prometheus: Prometheus
    span: Span
    choices: dict[str, str] = field(default_factory=dict)  # of variables, in place of the first answer
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill the variables."""
        for each in self.document["templating"]["list"]:
            name = each["name"]
            options = self.options(each)
            self.values[name] = self.choices.get(name) or (options[0] if options else "")

    def options(self, each: dict[str, Any]) -> list[str]:
        """The values a variable can have, in Grafana's order."""
        if each["type"] == "query":
            return self._asked(self.fill(each["query"]["query"]), each.get("regex", ""))
        if each["type"] == "custom":
            chosen = each["current"]["value"]
            return [each["allValue"] if chosen == "$__all" else chosen]
        return [each["query"] if each["type"] == "constant" else ""]

    def _asked(self, query: str, regex: str) -> list[str]:
        if found := LABEL_VALUES.fullmatch(query):
            selector, label = found.groups()
            match = {"match[]": selector, "start": str(self.span.start), "end": str(self.span.end)}
            return sorted(self.prometheus.ask(f"label/{label}/values", **match))
        asked = QUERY_RESULT.fullmatch(query)
        assert asked, query
        pattern = re.compile(regex.strip("/").replace("(?<", "(?P<"))
        lines = [_line(series["metric"]) for series in self.prometheus.at(asked[1], self.span.end)]
        parts = [found for line in lines if (found := pattern.search(line))]
        return [found["value"] for found in sorted(parts, key=lambda found: found["text"])]

    def fill(self, expr: str) -> str:
        """The query as it is sent."""

        def value(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            known = self.span.macros | self.values
            assert name in known, f"${name} in {expr}"
            return known[name]

        return re.sub(r"\$(?:\{(\w+)\}|([A-Za-z_]\w*))", value, expr)

    def panels(self) -> Iterator[tuple[dict[str, Any], list[list[dict[str, Any]]]]]:
        """Each panel that asks, with the series that each of its queries is answered."""
        for panel in panels(self.document):
            yield panel, [self.answer(target) for target in panel["targets"]]

    def answer(self, target: dict[str, Any]) -> list[dict[str, Any]]:
        """The series of one query."""
        expr = self.fill(target["expr"])
        return self.prometheus.at(expr, self.span.end) if target["instant"] else self.prometheus.over(expr, self.span)


def panels(document: Document) -> list[dict[str, Any]]:
    """A dashboard's panels in their order, those of rows that are folded too, without the rows."""
    every = [each for panel in document["panels"] for each in (panel, *panel.get("panels", ()))]
    return [panel for panel in every if panel["type"] != "row"]


def _line(metric: dict[str, str]) -> str:
    """A series as Grafana writes it for a variable."""
    labels = ",".join(f"{name}={json.dumps(value)}" for name, value in metric.items() if name != "__name__")
    return f"{metric.get('__name__', '')}{{{labels}}}"
