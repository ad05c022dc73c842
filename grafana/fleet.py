"""The Fleet dashboard: a line for each model that each daemon watches, and the health of the daemons."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.builders import table

from grafana.board import (
    Line,
    Words,
    bad,
    blank,
    column,
    columns,
    event,
    lines,
    number,
    prop,
    refs,
    rows,
    runbooks,
    share_width,
    states,
    verdicts,
)
from grafana.queries import age, status, worst_verdict
from grafana.words import BLUE, BREACH, FAMILIES, LOADED, ORANGE, PLAIN, STATUSES, VERDICT_CELLS, VERDICTS, VERMILLION

NONE_ANSWERS: Final = "No daemon answers: Prometheus scrapes none, or none in this time range"
TO_MODEL: Final = (
    "/d/tocsin-model-${__data.fields.Task}?${datasource:queryparam}&var-model=${__data.fields.Model}"
    "&var-instance=${__data.fields.Daemon}&${__url_time_range}"
)
TO_SAFETY: Final = (
    "/d/tocsin-safety?${datasource:queryparam}&var-model=${__data.fields.Model}"
    "&var-instance=${__data.fields.Daemon}&${__url_time_range}"
)
ERROR_OVER_LIMIT: Final = (
    'tocsin_error_ratio{segment=""} / tocsin_error_limit_ratio{segment=""} '
    'or tocsin_mean_absolute_error{segment=""} / tocsin_mean_absolute_error_limit{segment=""} '
    'or tocsin_ndcg_limit_ratio{segment=""} / tocsin_ndcg_ratio{segment=""}'
)

_EVERY: Final = "count by (instance, model) (tocsin_incidents_open)"
# What each number at the top says, what it counts, and the colour it takes above zero.
_NUMBERS: Final = (
    (
        Words("Watched", "Models watched, counted once for each daemon that watches them.", NONE_ANSWERS),
        f"count({_EVERY})",
        PLAIN,
    ),
    (
        Words(
            "In breach",
            "Models with a rule whose newest reading is past its limit. An alert fires when that holds; see the table.",
            NONE_ANSWERS,
            "TocsinDrift",
        ),
        f"count({worst_verdict()} == {BREACH}) or 0 * count({_EVERY})",
        VERMILLION,
    ),
    (
        Words(
            "Open incidents",
            "Incidents not closed yet. `tocsin incidents show ID` shows each with its evidence.",
            NONE_ANSWERS,
            "TocsinIncidentOpen",
        ),
        "sum(tocsin_incidents_open)",
        VERMILLION,
    ),
    (
        Words(
            "Rollbacks waiting",
            "Rollbacks that wait for a person. Read the evidence, then approve or decline: they expire.",
            NONE_ANSWERS,
            "TocsinRollbackWaiting",
        ),
        "sum(tocsin_rollbacks_waiting)",
        ORANGE,
    ),
    (
        Words(
            "Automation off",
            "Models that nothing rolls back by itself: latched until a person unlatches them, or all models of a "
            "daemon whose kill switch is set. *Safety* says what stands in the way.",
            NONE_ANSWERS,
            "TocsinRollbackLatched",
        ),
        "sum(clamp_max(tocsin_rollback_latched + on (job, instance) group_left () tocsin_kill_switch_set, 1))",
        ORANGE,
    ),
    (
        Words(
            "Not known to the index",
            "Models that serve a checkpoint the release index does not know, or one that was revoked.",
            NONE_ANSWERS,
            "TocsinUnregisteredCheckpoint",
        ),
        'sum(tocsin_serving_status{status=~"unregistered|quarantined|revoked"})',
        VERMILLION,
    ),
)


def dashboard() -> board.Dashboard:
    """Build it."""
    made = blank(
        "tocsin-fleet", "Tocsin / Fleet", "Every model that a Tocsin daemon watches: what it serves and how it does."
    )
    made.with_variable(runbooks())
    for annotation in (
        event("Rollback", 'increase(tocsin_rollbacks_total{step="committed"}[$__rate_interval]) > 0', BLUE),
        event("Incident opened", "increase(tocsin_incidents_total[$__rate_interval]) > 0", ORANGE),
    ):
        made.annotation(annotation)
    _numbers(made)
    made.with_row(board.Row("Models"))
    made.with_panel(_models())
    _over_time(made)
    made.with_row(board.Row("Daemons"))
    made.with_panel(_daemons())
    return made


def _numbers(made: board.Dashboard) -> None:
    for words, expr, color in _NUMBERS:
        made.with_panel(number(words, "none", expr, words.title, 4, color=color))


def _models() -> table.Panel:
    by = "by (instance, model)"
    named = {
        "Task": "max by (instance, model, task) (tocsin_model_info)",
        "Served": 'max by (instance, model, name) (tocsin_bundle_info{role="serving"})',
        "Status": status(),
        "Mode": "max by (instance, model, mode) (tocsin_rollback_mode_info)",
        "Serving for": age("tocsin_serving_since_timestamp_seconds"),
        "Incidents": f"max {by} (tocsin_incidents_open)",
        "Rows/s": f"sum {by} (rate(tocsin_predictions_total[$__rate_interval]))",
        "Error / limit": f"max {by} ({ERROR_OVER_LIMIT})",
        "Last rollback": age("tocsin_last_rollback_timestamp_seconds"),
    } | {family.capitalize(): worst_verdict(family) for family in FAMILIES}
    words = Words(
        "Models",
        "A line for each model. Error over limit is of the newest window that has its labels: share of wrong answers, "
        "distance from the truth, or, of a ranking, the limit over NDCG; past 1 is too much. "
        "The verdict of a family is the worst of its rules' newest readings: breach, broken, unknown, ok. An empty "
        "cell is a family without a rule, a value nobody can tell yet, or, for the last rollback, that there was none. "
        "Times are by the daemon's event clock. A model's name leads to its own dashboard, its mode to *Safety*.",
        NONE_ANSWERS,
    )
    panel = rows(words, list(named.values()), height=6)
    labels = {
        "model": "Model",
        "instance": "Daemon",
        "task": "Task",
        "name": "Served",
        "status": "Status",
        "mode": "Mode",
    }
    hidden = ("Time", "Value #A", "Value #B", "Value #C", "Value #D")
    columns(panel, labels | _values(named, ("Task", "Served", "Status", "Mode")), hidden)
    column(panel, "Model", "string", 95, prop("links", [{"title": "This model", "url": TO_MODEL}]))
    column(panel, "Daemon", "string", 95)
    column(panel, "Task", "string", 108)
    column(panel, "Served", "string", 90)
    column(panel, "Status", "string", 100, *verdicts(STATUSES))
    column(panel, "Mode", "string", 78, prop("links", [{"title": "May it act?", "url": TO_SAFETY}]))
    column(panel, "Serving for", "s", 95, prop("decimals", 0))
    column(panel, "Last rollback", "s", 105, prop("decimals", 0))
    column(panel, "Incidents", "none", 80, *bad())
    column(panel, "Rows/s", "none", 75)
    column(panel, "Error / limit", "none", 95, prop("decimals", 2))
    for family in FAMILIES:
        share_width(panel, family.capitalize(), 70, *verdicts(VERDICT_CELLS))
    return panel


def _over_time(made: board.Dashboard) -> None:
    made.with_panel(
        states(
            Words(
                "Worst verdict of each model",
                "The worst newest reading of each model's rules over time. Grey is unknown: too little to say, "
                "which is "
                "neither good nor bad. Nothing at all means that the daemon was not scraped.",
                NONE_ANSWERS,
            ),
            worst_verdict(),
            "{{model}} {{instance}}",
            VERDICTS,
        )
    )
    made.with_panel(
        lines(
            Words(
                "Rows counted",
                "Predictions counted per second. A line that falls to nothing is silence: look at the tap and "
                "the server.",
                NONE_ANSWERS,
                "TocsinSilence",
            ),
            "rowsps",
            [
                Line(
                    "sum by (instance, model) (rate(tocsin_predictions_total[$__rate_interval]))",
                    "{{model}} {{instance}}",
                )
            ],
        )
    )


def _daemons() -> table.Panel:
    words = Words(
        "Daemons",
        "Health of each daemon. Lag is what is committed and not counted yet: growing lag means that verdicts "
        "are late. "
        "Notices lost were given up after all retries. Settings says whether the settings on disk are the ones in use.",
        NONE_ANSWERS,
        "TocsinDown",
    )
    by = "by (instance)"
    named = {
        "Version": "max by (instance, version) (tocsin_build_info)",
        "Heartbeat": f"max {by} (tocsin_heartbeat_age_seconds)",
        "Render age": f"max {by} (tocsin_render_age_seconds)",
        "Journal lag": f"max {by} (tocsin_journal_lag_rows)",
        "Last fold": f"max {by} (tocsin_fold_last_seconds)",
        "Last look": f"max {by} (tocsin_look_last_seconds)",
        "Rows refused": f"sum {by} (increase(tocsin_rows_rejected_total[$__range]))",
        "Notices lost": f"sum {by} (tocsin_outbox_dead_notices)",
        "Series cut": f"sum {by} (increase(tocsin_series_dropped_total[$__range]))",
        "Failures": f"sum {by} (increase(tocsin_work_failures_total[$__range]))",
        "Settings": f"min {by} (tocsin_config_last_reload_successful)",
        "Disk free": f"min {by} (tocsin_state_free_bytes)",
        "Disk min": f"max {by} (tocsin_state_free_min_bytes)",
        "Memory": f"max {by} (tocsin_resident_memory_bytes)",
    }
    panel = rows(words, list(named.values()), height=4)
    columns(panel, {"instance": "Daemon", "version": "Version"} | _values(named, ("Version",)), ("Time", "Value #A"))
    column(panel, "Version", "string", 75)
    for name in ("Heartbeat", "Render age", "Last fold", "Last look"):
        column(panel, name, "s", 105, prop("decimals", 0))
    for name in ("Disk free", "Disk min", "Memory"):
        column(panel, name, "bytes", 98, prop("decimals", 0))
    for name in ("Journal lag", "Rows refused", "Series cut"):
        column(panel, name, "short", 110, prop("decimals", 0))
    column(panel, "Notices lost", "none", 110, *bad())
    column(panel, "Failures", "none", 80, prop("decimals", 0), *bad(ORANGE))
    column(panel, "Settings", "none", 95, *verdicts(LOADED))
    return panel


def _values(named: dict[str, str], labels: tuple[str, ...]) -> dict[str, str]:
    """What a merged table calls the value of each query, and we call it; of `labels` the name is shown instead."""
    letters = zip(refs(len(named)), named, strict=True)
    return {f"Value #{letter}": name for letter, name in letters if name not in labels}
