"""The form every panel of ours has, and what the SDK's dashboards lack.

A panel is refused here without a description and a word for "no data": whoever looks at an empty panel must read why.
The least interval is the scrape interval the provisioned data source has; rates are over `$__rate_interval`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from grafana_foundation_sdk.builders import common as shape
from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.words import GREY, ORANGE, PLAIN, SKY, VERMILLION, mapping

MIN_INTERVAL: Final = "15s"
SOURCE: Final = dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOKS: Final = "/public/tocsin/runbooks"
"""Where the pages of docs/runbooks are reached: docker-compose mounts them below Grafana's public files. A constant of
each dashboard, so that a company that keeps them elsewhere changes one value."""

Panel = timeseries.Panel | stat.Panel | table.Panel | heatmap.Panel | statetimeline.Panel


class Role(Enum):
    """What a line is, hence how it is drawn."""

    VALUE = "value"
    LIMIT = "limit"  # dashed, from the metric that exports it
    LOW = "low"
    HIGH = "high"  # filled down to LOW
    REFERENCE = "reference"  # dotted: what it was in the reference profile
    PLAIN = "plain"  # one of many, in the palette's next colour


@dataclass(frozen=True, slots=True)
class Line:
    """One query. Legends of LOW and HIGH begin alike: `own low`, `own high`. `unit`: where it is not the panel's."""

    expr: str
    legend: str
    role: Role = Role.PLAIN
    color: str = SKY
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """What a panel says about itself."""

    title: str
    what: str  # it means, and what to do about it
    absent: str  # why there may be no data
    runbook: str = ""  # the alert whose page tells more


def form(panel: Any, words: Words, unit: str, width: int, height: int) -> Any:
    """What all kinds of panel have in common."""
    if not (words.title and words.what and words.absent):
        raise ValueError(f"a panel without its words: {words}")
    panel.title(words.title).description(words.what).no_value(words.absent).unit(unit)
    panel.datasource(SOURCE).interval(MIN_INTERVAL).span(width).height(height)
    if words.runbook:
        panel.links([link(f"Runbook: {words.runbook}", f"${{runbooks}}/{words.runbook}.md")])
    return panel


def link(title: str, url: str) -> board.DashboardLink:
    """Build a link that opens beside the dashboard."""
    return board.DashboardLink(title).type(dashboard.DashboardLinkType.LINK).url(url).target_blank(True)


def target(expr: str, legend: str, ref_id: str) -> prometheus.Dataquery:
    """Build a query over the dashboard's time range."""
    query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id(ref_id).range()
    return query.format(PromQueryFormat.TIME_SERIES).datasource(SOURCE)


def now(expr: str, ref_id: str) -> prometheus.Dataquery:
    """Build a query of this moment, as rows of a table."""
    query = prometheus.Dataquery().expr(expr).legend_format("__auto").ref_id(ref_id).instant()
    return query.format(PromQueryFormat.TABLE).datasource(SOURCE)


def refs(count: int) -> list[str]:
    """A, B, C ..."""
    return [chr(ord("A") + index) for index in range(count)]


def prop(name: str, value: Any) -> dashboard.DynamicConfigValue:
    """One property of an override."""
    return dashboard.DynamicConfigValue(id_val=name, value=value)


EMPTY: Final = prop("noValue", "")


def fixed(color: str) -> dashboard.DynamicConfigValue:
    """Always this colour."""
    return prop("color", {"mode": "fixed", "fixedColor": color})


def above_zero(color: str) -> board.ThresholdsConfig:
    """Plain at 0, coloured from 1 on: for counts of what should not be."""
    steps = [dashboard.Threshold(value=None, color=PLAIN), dashboard.Threshold(value=1, color=color)]
    return board.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def neutral(color: str = PLAIN) -> board.ThresholdsConfig:
    """No threshold: limits are drawn as lines, from their metrics."""
    steps = [dashboard.Threshold(value=None, color=color)]
    return board.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)


def lines(words: Words, unit: str, drawn: list[Line], width: int = 12, height: int = 8) -> timeseries.Panel:
    """Lines over time: values, dashed limits, intervals as bands."""
    panel: timeseries.Panel = form(timeseries.Panel(), words, unit, width, height)
    panel.color_scheme(board.FieldColor().mode(dashboard.FieldColorModeId.PALETTE_CLASSIC))
    panel.line_width(2).fill_opacity(0).show_points(common.VisibilityMode.NEVER).thresholds(neutral())
    legend = shape.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(True)
    panel.legend(legend.placement(common.LegendPlacement.BOTTOM))
    panel.tooltip(shape.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
    for ref_id, line in zip(refs(len(drawn)), drawn, strict=True):
        panel.with_target(target(line.expr, line.legend, ref_id))
        properties = [*_drawn(line), *([prop("unit", line.unit)] if line.unit else [])]
        if properties:
            panel.override_by_query(ref_id, properties)
    for high in dict.fromkeys(line.legend for line in drawn if line.role is Role.HIGH):
        _fill(panel, high)
    return panel


def _drawn(line: Line) -> list[dashboard.DynamicConfigValue]:
    """How a line of this role is drawn."""
    if line.role is Role.VALUE:
        return [fixed(line.color), prop("custom.lineWidth", 2)]
    if line.role is Role.LIMIT:
        return [fixed(ORANGE), prop("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}), prop("custom.lineWidth", 2)]
    if line.role is Role.REFERENCE:
        return [fixed(line.color), prop("custom.lineStyle", {"fill": "dot", "dash": [2, 5]})]
    if line.role in (Role.LOW, Role.HIGH):
        hidden = {"legend": True, "tooltip": False, "viz": False}
        return [fixed(line.color), prop("custom.lineWidth", 0), prop("custom.hideFrom", hidden)]
    return []


def _fill(panel: timeseries.Panel, legend: str) -> None:
    """Fill a band for each profile a reading may rest on; the names are what the legends come to."""
    for high in dict.fromkeys(legend.replace("{{reference}}", reference) for reference in ("own", "judge")):
        low = high.removesuffix("high") + "low"
        panel.override_by_name(high, [prop("custom.fillBelowTo", low), prop("custom.fillOpacity", 18)])


def number(  # a table of arguments, as its callers read
    words: Words, unit: str, expr: str, legend: str = "__auto", width: int = 3, *, color: str = PLAIN
) -> stat.Panel:
    """One number, now. A count of what should not be is coloured from 1 on."""
    panel: stat.Panel = form(stat.Panel(), words, unit, width, 4)
    panel.with_target(now_number(expr, legend)).graph_mode(common.BigValueGraphMode.NONE)
    panel.color_mode(common.BigValueColorMode.VALUE)
    panel.thresholds(neutral() if color == PLAIN else above_zero(color))
    return panel.reduce_options(shape.ReduceDataOptions().calcs(["lastNotNull"]))


def word(words: Words, expr: str, legend: str, width: int = 3) -> stat.Panel:
    """A label of the series that is there, now."""
    panel: stat.Panel = form(stat.Panel(), words, "none", width, 4)
    panel.with_target(now_number(expr, legend)).graph_mode(common.BigValueGraphMode.NONE)
    panel.text_mode(common.BigValueTextMode.NAME).color_mode(common.BigValueColorMode.VALUE).thresholds(neutral())
    return panel.reduce_options(shape.ReduceDataOptions().calcs(["lastNotNull"]))


def now_number(expr: str, legend: str) -> prometheus.Dataquery:
    """Build a query of this moment, as numbers."""
    query = prometheus.Dataquery().expr(expr).legend_format(legend).ref_id("A").instant()
    return query.format(PromQueryFormat.TIME_SERIES).datasource(SOURCE)


def states(  # noqa: PLR0917
    words: Words, expr: str, legend: str, meaning: dict[int, tuple[str, str]], width: int = 12, height: int = 8
) -> statetimeline.Panel:
    """A line for each series, in the colour and word of its state."""
    panel: statetimeline.Panel = form(statetimeline.Panel(), words, "none", width, height)
    panel.with_target(target(expr, legend, "A")).mappings(mapping(meaning)).thresholds(neutral(GREY))
    panel.merge_values(True).show_value(common.VisibilityMode.AUTO).row_height(0.85).fill_opacity(90).line_width(0)
    legend_ = shape.VizLegendOptions().display_mode(common.LegendDisplayMode.LIST).show_legend(True)
    return panel.legend(legend_.placement(common.LegendPlacement.BOTTOM))


def heat_map(  # noqa: PLR0917
    words: Words, unit: str, expr: str, legend: str, width: int, height: int = 8, *, diverging: bool = False
) -> heatmap.Panel:
    """Rows of cells over time. Diverging: white where nothing moved, orange for less, purple for more."""
    panel: heatmap.Panel = form(heatmap.Panel(), words, unit, width, height)
    color = heatmap.HeatmapColorOptions().mode(heat.HeatmapColorMode.SCHEME).steps(64)
    color.scheme("PuOr" if diverging else "Cividis").scale(heat.HeatmapColorScale.LINEAR)
    if diverging:
        color.min(-0.3).max(0.3)
    panel.with_target(target(expr, legend, "A")).calculate(False).color(color).cell_gap(0)
    panel.cell_values(heatmap.CellValues().unit(unit)).y_axis(heatmap.YAxisConfig()).show_legend()
    return panel.rows_frame(heatmap.RowsHeatmapOptions().layout(common.HeatmapCellLayout.UNKNOWN))


def rows(words: Words, queries: list[str], width: int = 24, height: int = 8) -> table.Panel:
    """Build a table: the queries' rows of equal labels are one row."""
    panel: table.Panel = form(table.Panel(), words, "none", width, height)
    panel.thresholds(neutral()).cell_height(common.TableCellHeight.SM)
    for ref_id, expr in zip(refs(len(queries)), queries, strict=True):
        panel.with_target(now(expr, ref_id))
    return panel.with_transformation(dashboard.DataTransformerConfig(id_val="merge", options={}))


def columns(panel: table.Panel, names: dict[str, str], hidden: Iterable[str] = ("Time",)) -> table.Panel:
    """Order and name a table's columns; what is not named is hidden with `hidden`."""
    options = {
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": names,
        "excludeByName": dict.fromkeys(hidden, True),
    }
    return panel.with_transformation(dashboard.DataTransformerConfig(id_val="organize", options=options))


def column(panel: table.Panel, name: str, unit: str, width: int, *more: dashboard.DynamicConfigValue) -> None:
    """Say what a column is: its unit, its width in pixels, and whatever else. A cell without a value is empty."""
    panel.override_by_name(name, [prop("unit", unit), prop("custom.width", width), EMPTY, *more])


def coloured() -> dashboard.DynamicConfigValue:
    """A cell filled with the colour of its value."""
    return prop("custom.cellOptions", {"type": "color-background", "mode": "basic"})


def verdicts(words: dict[str, tuple[str, str]]) -> list[dashboard.DynamicConfigValue]:
    """A cell filled with the colour of its word; of an empty one nothing is filled."""
    clear = {"mode": "absolute", "steps": [{"value": None, "color": "transparent"}]}
    return [coloured(), cells(words), prop("thresholds", clear)]


def share_width(panel: table.Panel, name: str, width_min: int, *more: dashboard.DynamicConfigValue) -> None:
    """Let a column have its part of the width that the others leave."""
    panel.override_by_name(name, [prop("custom.minWidth", width_min), EMPTY, *more])


def cells(words: dict[str, tuple[str, str]]) -> dashboard.DynamicConfigValue:
    """Values of a column as words, each in its colour."""
    options = {
        value: {"text": word, "color": color, "index": index}
        for index, (value, (word, color)) in enumerate(words.items())
    }
    return prop("mappings", [{"type": "value", "options": options}])


def bad(color: str = VERMILLION) -> list[dashboard.DynamicConfigValue]:
    """A count of what should not be: coloured from 1 on."""
    steps = [{"value": None, "color": "transparent"}, {"value": 1, "color": color}]
    return [coloured(), prop("thresholds", {"mode": "absolute", "steps": steps})]


def variable(name: str, label: str, query: str, **more: Any) -> board.QueryVariable:
    """Build a variable that Prometheus fills, anew whenever the time range changes."""
    variable = board.QueryVariable(name).label(label).datasource(SOURCE)
    variable.query({"query": query, "refId": name}).refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
    variable.sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    for method, value in more.items():
        getattr(variable, method)(value)
    return variable


def event(name: str, expr: str, color: str) -> board.AnnotationQuery:
    """Mark the times at which the query has a value above 0."""
    query = board.AnnotationQuery().name(name).expr(expr).icon_color(color).enable(True)
    return query.datasource(SOURCE)


def blank(uid: str, title: str, about: str) -> board.Dashboard:
    """Build an empty dashboard with what all of ours have: source, links, no editing of a provisioned file."""
    made = board.Dashboard(title).uid(uid).description(about).tags(["tocsin"]).readonly().time("now-6h", "now")
    made.refresh("30s").tooltip(dashboard.DashboardCursorSync.CROSSHAIR).timezone("browser").version(1)
    made.with_variable(board.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    others = board.DashboardLink("Tocsin").type(dashboard.DashboardLinkType.DASHBOARDS).tags(["tocsin"])
    return made.link(others.keep_time(True).icon("external link"))


def runbooks() -> board.ConstantVariable:
    """Build the constant that links to runbooks begin with."""
    return board.ConstantVariable("runbooks").label("Where the runbooks are").value(RUNBOOKS)


def document(made: board.Dashboard) -> dict[str, Any]:
    """Encode a dashboard as Grafana reads it, with what the SDK has no field for.

    Panels are numbered; an annotation has a title and a step; a constant is not shown as a choice.
    """
    found: dict[str, Any] = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    _close_up(found["panels"])
    every = [each for panel in found["panels"] for each in (panel, *panel.get("panels", ()))]
    for index, panel in enumerate(every, 1):
        panel["id"] = index
        panel.get("options", {}).pop("footer", None)  # of tables: the SDK's default, which Grafana 13 does not know
    for annotation in found.get("annotations", {}).get("list", []):
        annotation |= {"titleFormat": annotation["name"], "step": MIN_INTERVAL}
    for each in found["templating"]["list"]:
        for key in ("auto", "auto_min", "auto_count", "autoMin", "autoCount"):  # of interval variables only
            each.pop(key, None)
        if each["type"] == "constant":
            each["hide"] = 2
    return found


def _close_up(drawn: list[dict[str, Any]]) -> None:
    """Let what follows a folded row begin just below it; the SDK leaves the room of the row's panels."""
    saved = 0
    for panel in drawn:
        inside = panel.get("panels") or []
        for each in (panel, *inside):
            each["gridPos"]["y"] -= saved
        if inside:
            end = max(each["gridPos"]["y"] + each["gridPos"]["h"] for each in inside)
            saved += end - panel["gridPos"]["y"] - 1
