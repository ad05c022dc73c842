"""The Model dashboard: one model as one daemon sees it, from its verdicts down to a feature and the daemon itself.

It is read top down by whoever was woken: what do the rules say and what is served, is it right, does it answer as it
did, which feature moved, for whom is it wrong, is the daemon well. There is one for each task, because what is right
differs: share of wrong answers, distance from a number in the number's own unit, quality of a list. So no panel is
empty because it asks of another task, and Fleet leads to the one that fits. (One dashboard with rows for each task was
rejected: a row cannot be hidden by a variable, and its empty panels were what one saw first.)
"""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board
from grafana_foundation_sdk.models.dashboard import VariableOption

from grafana import model_answers, model_daemon, model_features, model_outcomes, model_segments, model_sequential
from grafana.board import Words, blank, event, number, runbooks, states, variable, word
from grafana.queries import SCOPE, age, rule_verdicts, status
from grafana.words import ALERTS, BLUE, ORANGE, PURPLE, VERDICTS, VERMILLION
from monitor.facts import Task

ABSENT: Final = "No daemon answers for this model in this time range"
NO_ROWS: Final = "No rows in this time range, or the daemon was not scraped"
SEGMENTS: Final = (
    "query_result(label_replace(label_replace(label_replace(label_replace("
    f"count by (segment) (tocsin_reading_rows{{{SCOPE}}}), "
    '"pattern", "$1", "segment", "(.+)"), "text", "$1", "segment", "(.+)"), '
    '"pattern", "^$", "segment", ""), "text", "(whole model)", "segment", ""))'
)
SEGMENT_PARTS: Final = '/pattern="(?<value>[^"]*)".*text="(?<text>[^"]*)"/'
"""A choice that reads "(whole model)" and matches only readings without a segment. It is the first, hence the one that
is taken: the parenthesis sorts before every name."""


def dashboard(task: Task) -> board.Dashboard:
    """Build the one for models of this task."""
    made = blank(
        f"tocsin-model-{task.value}",
        f"Tocsin / Model, {task.value}",
        f"One model, a {task.value}: what it serves, what moved, whether it is right, what was done.",
    )
    _variables(made, task)
    for annotation in (
        event("Incident open", f"tocsin_incidents_open{{{SCOPE}}} > 0", ORANGE),
        event("Rollback committed", _step("committed"), BLUE),
        event("Rollback refused or failed", _step("refused|failed"), VERMILLION),
        event("Switch of what is served", f"changes(tocsin_serving_epoch{{{SCOPE}}}[$__rate_interval]) > 0", PURPLE),
    ):
        made.annotation(annotation)
    _at_a_glance(made)
    model_sequential.add(made)
    model_outcomes.add(made, task)
    model_answers.add(made, task)
    model_features.add(made)
    model_segments.add(made, task)
    model_daemon.add(made)
    return made


def _step(step: str) -> str:
    return f'sum by (step) (increase(tocsin_rollbacks_total{{{SCOPE}, step=~"{step}"}}[$__rate_interval])) > 0'


def _variables(made: board.Dashboard, task: Task) -> None:
    models = f'label_values(tocsin_model_info{{task="{task.value}"}}, model)'
    made.with_variable(variable("model", "Model", models))
    made.with_variable(variable("instance", "Daemon", 'label_values(tocsin_incidents_open{model="$model"}, instance)'))
    made.with_variable(variable("segment", "Segment", SEGMENTS, regex=SEGMENT_PARTS))
    every = VariableOption(selected=True, text="All", value="$__all")
    reference = board.CustomVariable("reference").label("Reference").values("own,judge").include_all(True)
    made.with_variable(reference.all_value(".*").current(every))
    named = f'{SCOPE}, feature!="", feature!="__other__"'  # not the pool of those beyond the cap on series
    features = f"label_values(tocsin_reading_rows{{{named}}}, feature)"
    made.with_variable(variable("feature", "Feature", features))
    ten = VariableOption(selected=True, text="10", value="10")
    made.with_variable(board.CustomVariable("top").label("Features shown").values("5,10,20").current(ten))
    made.with_variable(runbooks())


def _at_a_glance(made: board.Dashboard) -> None:
    served = Words(
        "Served",
        "Name of the bundle that is served, as the release index has it.",
        ABSENT,
        "TocsinUnregisteredCheckpoint",
    )
    made.with_panel(word(served, f'tocsin_bundle_info{{{SCOPE}, role="serving"}}', "{{name}}"))
    its_status = Words(
        "Its status",
        "What the release index says of it: known_good, candidate, revoked, unregistered; transition while a "
        "switch is under way, unsteady while the server takes turns between bundles.",
        ABSENT,
        "TocsinRevokedCheckpoint",
    )
    made.with_panel(word(its_status, status(SCOPE), "{{status}}"))
    since = Words("Serving for", "Event time since this activation began.", ABSENT)
    made.with_panel(number(since, "s", age("tocsin_serving_since_timestamp_seconds", SCOPE)).decimals(1))
    mode = Words("Rollback", "How far a rollback may go without a person.", ABSENT, "TocsinRollbackLatched")
    made.with_panel(word(mode, f"tocsin_rollback_mode_info{{{SCOPE}}}", "{{mode}}"))
    incidents = Words(
        "Open incidents",
        "Incidents not closed yet: read them with `tocsin incidents list`.",
        ABSENT,
        "TocsinIncidentOpen",
    )
    made.with_panel(number(incidents, "none", f"sum(tocsin_incidents_open{{{SCOPE}}})", color=VERMILLION))
    last = Words(
        "Last rollback", "Event time since the last committed rollback.", "There was no rollback", "TocsinRolledBack"
    )
    made.with_panel(number(last, "s", age("tocsin_last_rollback_timestamp_seconds", SCOPE)).decimals(1))
    rate = Words("Rows", "Predictions counted per second.", NO_ROWS, "TocsinSilence")
    made.with_panel(number(rate, "rowsps", f"sum(rate(tocsin_predictions_total{{{SCOPE}}}[$__rate_interval]))"))
    latched = Words(
        "Automation off",
        "1 when no rollback is automatic until a person says `tocsin rollback unlatch`.",
        ABSENT,
        "TocsinRollbackLatched",
    )
    made.with_panel(number(latched, "none", f"sum(tocsin_rollback_latched{{{SCOPE}}})", color=ORANGE))
    verdicts = Words(
        "Verdict of each rule",
        "The newest reading of each rule: its worst feature, where it reads features. Grey is unknown: too few rows or "
        "labels to say. An alert fires when a breach holds.",
        ABSENT,
        "TocsinRuleBlind",
    )
    expr = f"max by (rule) ({rule_verdicts(f'{SCOPE}, ')})"
    made.with_panel(states(verdicts, expr, "{{rule}}", VERDICTS, height=10))
    alerts = Words(
        "Alerts",
        "State of each rule's alert on the chosen segment: pending while a breach has not held yet.",
        "No rule of this model alerts, or the daemon was not scraped",
        "TocsinDrift",
    )
    made.with_panel(states(alerts, _alert_states(), "{{rule}}", ALERTS, height=10))


def _alert_states() -> str:
    labels = f'{SCOPE}, segment=~"$segment"'
    parts = [
        f'max by (rule, segment) (tocsin_alert_state{{{labels}, state="{word}"}}) * 0 + {value}'
        for value, (word, _) in sorted(ALERTS.items(), key=lambda item: -item[0] if item[0] != 3 else -1.5)
    ]
    return " or ".join(parts)
