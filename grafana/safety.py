"""The Safety dashboard: whether a rollback may happen by itself, what was done, and whether the record can be trusted.

It is read top down by whoever asks at night "will it act, and may I believe it?": what stands in the way of automation,
what is served and whether golden probes say the same, what rollbacks and the release index did, what a deployer and a
candidate are told, and the audit log with its anchors. One for every task: none of it knows what the model answers.
"""

from typing import Final

from grafana_foundation_sdk.builders import dashboard as board

from grafana import safety_record
from grafana.board import Line, Role, Words, blank, event, lines, number, runbooks, states, variable, word
from grafana.queries import DAEMON, SCOPE, age
from grafana.words import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION

ABSENT: Final = "No daemon answers for this model in this time range"
NO_PROBES: Final = "The settings name no golden probes for this model, or none is recorded for what is served"
NO_CANDIDATE: Final = "No candidate was served in this time range"
NO_ROLLBACK: Final = "There was no rollback in this time range"
NOTHING_STAGED: Final = "Nothing is copied ahead: the target is no link, or time is replayed"
NO_INDEX: Final = "The release index has no expiry, or the daemon was not scraped"
BLOCKS: Final = {0: ("free", SKY), 1: ("blocks", ORANGE)}
TOLD: Final = {1: ("ok", GREEN), 2: ("unknown", GREY), 3: ("bad", VERMILLION)}
PROBED: Final = {1: ("ok", GREEN), 2: ("unknown", GREY), 3: ("breach", VERMILLION)}
HELD: Final = {0: ("speaks against it", ORANGE), 1: ("held", SKY)}
SERVED: Final = {1: ("served", BLUE)}
IN_FORCE: Final = {1: ("in force", SKY)}


def dashboard() -> board.Dashboard:
    """Build it."""
    made = blank(
        "tocsin-safety",
        "Tocsin / Safety",
        "One model: whether a rollback may happen by itself, what was done, and whether the record can be trusted.",
    )
    made.with_variable(variable("model", "Model", "label_values(tocsin_model_info, model)"))
    made.with_variable(variable("instance", "Daemon", 'label_values(tocsin_incidents_open{model="$model"}, instance)'))
    made.with_variable(runbooks())
    for annotation in (
        event("Rollback committed", _reached("committed"), BLUE),
        event("Rollback refused or failed", _reached("refused|failed"), VERMILLION),
        event(
            "Another release index", f"changes(tocsin_release_index_serial{{{SCOPE}}}[$__rate_interval]) > 0", PURPLE
        ),
    ):
        made.annotation(annotation)
    _at_a_glance(made)
    _automation(made)
    _served(made)
    _releases(made)
    safety_record.add(made)
    return made


def _reached(step: str) -> str:
    return f'sum by (step) (increase(tocsin_rollbacks_total{{{SCOPE}, step=~"{step}"}}[$__rate_interval])) > 0'


def _at_a_glance(made: board.Dashboard) -> None:
    mode = Words(
        "Mode",
        "How far a rollback may go without a person: observe, propose, approve, auto. Auto is shown as what it has "
        "become while something degrades it.",
        ABSENT,
        "TocsinRollbackLatched",
    )
    made.with_panel(word(mode, f"tocsin_rollback_mode_info{{{SCOPE}}}", "{{mode}}"))
    switch = Words(
        "Kill switch",
        "1 when it is set: nothing is rolled back by itself. `tocsin rollback go` unsets it.",
        ABSENT,
        "TocsinKillSwitchSet",
    )
    made.with_panel(number(switch, "none", f"max(tocsin_kill_switch_set{{{DAEMON}}})", color=ORANGE))
    latched = Words(
        "Latched",
        "1 when automation is off until a person says `tocsin rollback unlatch`: something went wrong before.",
        ABSENT,
        "TocsinRollbackLatched",
    )
    made.with_panel(number(latched, "none", f"max(tocsin_rollback_latched{{{SCOPE}}})", color=ORANGE))
    waiting = Words(
        "Waiting for a person",
        "Rollbacks that are proposed. Read the evidence, then approve or decline: they expire.",
        ABSENT,
        "TocsinRollbackWaiting",
    )
    made.with_panel(number(waiting, "none", f"sum(tocsin_rollbacks_waiting{{{SCOPE}}})", color=ORANGE))
    expires = Words(
        "Index expires in",
        "Wall time until the release index gives no targets, so nothing is rolled back: have it signed anew.",
        NO_INDEX,
        "TocsinReleaseIndexExpires",
    )
    made.with_panel(number(expires, "s", _index_left()).decimals(1))
    probes = Words(
        "Golden probes",
        "What the last round said: whether what is served answers as the approved checkpoint did.",
        NO_PROBES,
        "TocsinProbeMismatch",
    )
    made.with_panel(word(probes, f"tocsin_probe_verdict{{{SCOPE}}} == 1", "{{verdict}}"))
    asked = Words("Probed", "Event time since golden probes were last asked.", NO_PROBES, "TocsinProbesUnknown")
    made.with_panel(number(asked, "s", age("tocsin_probe_asked_timestamp_seconds", SCOPE)).decimals(1))
    signed = Words(
        "Records not signed",
        "Audit records after the last signed head: they are chained, but nobody has vouched for them yet.",
        ABSENT,
        "TocsinAuditUnverified",
    )
    made.with_panel(number(signed, "short", _unsigned()).decimals(0))


def _automation(made: board.Dashboard) -> None:
    made.with_row(board.Row("Can it act?"))
    ways = Words(
        "What stands in the way",
        "Whatever keeps a rollback from happening by itself in the modes approve and auto, however clear the evidence "
        "is. `no contact`: no operator called for `rollback.contact_within`, so auto only proposes.",
        ABSENT,
        "TocsinRollbackLatched",
    )
    made.with_panel(states(ways, _ways(), "{{what}}", BLOCKS))
    contact = Words(
        "Until it only proposes",
        "How long mode auto still acts without hearing from an operator: any call with the scope `operate` winds it "
        "up again. Below 0 it has degraded to proposals. The dashed line is where it begins.",
        "The mode is not auto, or it acts without contact",
        "TocsinOperatorAway",
    )
    drawn = [
        Line(f"tocsin_rollback_degrades_in_seconds{{{SCOPE}}}", "left", Role.VALUE),
        Line(f"tocsin_rollback_contact_within_seconds{{{SCOPE}}}", "after a call", Role.LIMIT),
    ]
    made.with_panel(lines(contact, "s", drawn).axis_soft_min(0))
    modes = Words(
        "Mode over time",
        "The mode that is in force. Auto that turned into propose while nobody changed the settings was degraded: no "
        "operator was in touch.",
        ABSENT,
        "TocsinOperatorAway",
    )
    expr = f"max by (mode) (tocsin_rollback_mode_info{{{SCOPE}}})"
    made.with_panel(states(modes, expr, "{{mode}}", IN_FORCE, 12, 6))
    would = Words(
        "Incidents and proposals",
        "What there is to act on: incidents that are open, and rollbacks that wait for a person. An incident without "
        "a proposal was ruled inconclusive or denied, or the mode is observe: `tocsin incidents show` says why.",
        ABSENT,
        "TocsinRollbackWaiting",
    )
    drawn = [
        Line(f"sum(tocsin_incidents_open{{{SCOPE}}})", "open incidents", Role.VALUE, VERMILLION),
        Line(f"sum(tocsin_rollbacks_waiting{{{SCOPE}}})", "wait for a person", Role.VALUE, ORANGE),
    ]
    made.with_panel(lines(would, "short", drawn, 12, 6).decimals(0))


def _served(made: board.Dashboard) -> None:
    made.with_row(board.Row("What is served, and is it that?"))
    status = Words(
        "Status of what is served",
        "What the release index says of it. `transition` while a switch is under way.",
        ABSENT,
        "TocsinUnregisteredCheckpoint",
    )
    expr = f"max by (status) (tocsin_serving_status{{{SCOPE}}}) == 1"
    made.with_panel(states(status, expr, "{{status}}", SERVED, 8, 7))
    rounds = Words(
        "Rounds of golden probes",
        "Unknown: the server could not be asked, or no answers are recorded for this checkpoint.",
        NO_PROBES,
        "TocsinProbesUnknown",
    )
    made.with_panel(states(rounds, _numbered("tocsin_probe_verdict", "verdict", PROBED), "probes", PROBED, 8, 7))
    wrong = Words(
        "Probes answered otherwise",
        "Of the worst answer, rows with another class, and rows that differ by more than is tolerated; of the rows of "
        "the set.",
        NO_PROBES,
        "TocsinProbeMismatch",
    )
    drawn = [
        Line(f"tocsin_probe_mismatches{{{SCOPE}}}", "mismatches", Role.VALUE, VERMILLION),
        Line(f"tocsin_probe_flips{{{SCOPE}}}", "flips", Role.VALUE, ORANGE),
        Line(f"tocsin_probe_rows{{{SCOPE}}}", "rows of the set", Role.REFERENCE, GREY),
    ]
    made.with_panel(lines(wrong, "short", drawn, 8, 7).decimals(0))
    far = Words(
        "How far golden probes are off",
        "Of the worst answer: share of rows that are the same to the last bit, and the mean divergence (KL) of the "
        "scores given from those recorded, in nats. Another kernel or processor moves the share alone; another "
        "checkpoint moves both.",
        NO_PROBES,
        "TocsinProbeMismatch",
    )
    drawn = [
        Line(f"tocsin_probe_exact_ratio{{{SCOPE}}}", "the same to the last bit", Role.VALUE, SKY, "percentunit"),
        Line(f"tocsin_probe_divergence_nats{{{SCOPE}}}", "divergence, nats", Role.VALUE, VERMILLION),
    ]
    made.with_panel(lines(far, "none", drawn, 24, 6))


def _releases(made: board.Dashboard) -> None:
    made.with_row(board.Row("Rollbacks and releases"))
    steps = Words(
        "Rollbacks by step",
        "How many reached each step. A rollback that was switched is committed after its bake time; one that was "
        "refused has changed nothing.",
        NO_ROLLBACK,
        "TocsinRollbackFailed",
    )
    total = f"tocsin_rollbacks_total{{{SCOPE}}}"
    happened = f"sum by (step) (increase({total}[$__range])) > 0"
    expr = f"sum by (step) (increase({total}[$__rate_interval])) and on (step) {happened}"
    made.with_panel(lines(steps, "short", [Line(expr, "{{step}}")], 8, 7).decimals(0))
    told = Words(
        "What a deployer is told",
        "The answer of `GET /v1/gate/MODEL` to a canary: bad stops it, unknown lets it wait.",
        ABSENT,
    )
    made.with_panel(states(told, _numbered("tocsin_gate_state", "state", TOLD), "gate", TOLD, 8, 7))
    earned = Words(
        "What a candidate has earned",
        "The conditions of a promotion while a candidate is served; what cannot be told yet is empty. All of them held "
        "is a proposal to a person, who signs.",
        NO_CANDIDATE,
    )
    expr = f"max by (condition) (tocsin_promotion_held{{{SCOPE}}})"
    made.with_panel(states(earned, expr, "{{condition}}", HELD, 8, 7))
    serial = Words(
        "Release index",
        "Serial of the newest one that was believed: it never falls. `usable` is 0 while the file cannot be believed "
        "and the last good one is in force.",
        ABSENT,
        "TocsinReleaseIndexUnusable",
    )
    drawn = [
        Line(f"tocsin_release_index_serial{{{SCOPE}}}", "serial", Role.VALUE, BLUE),
        Line(f"tocsin_release_index_usable{{{SCOPE}}}", "usable", Role.VALUE, GREY),
    ]
    made.with_panel(lines(serial, "short", drawn, 12, 6).decimals(0))
    copies = Words(
        "Copy at hand",
        "1 while what a rollback would go to lies beside the link, verified and untouched: switching to it is then a "
        "matter of milliseconds, whatever its size. Failures of copying ahead, by reason.",
        NOTHING_STAGED,
        "TocsinNotStaged",
    )
    failed = f"sum by (reason) (increase(tocsin_staging_failures_total{{{SCOPE}}}[$__rate_interval]))"
    drawn = [
        Line(f"tocsin_staged_ready{{{SCOPE}}}", "at hand", Role.VALUE, BLUE),
        Line(f"tocsin_staged_copies{{{SCOPE}}}", "copies", Role.VALUE, GREY),
        Line(failed, "failed: {{reason}}"),
    ]
    made.with_panel(lines(copies, "short", drawn, 12, 6).decimals(0))


def _index_left() -> str:
    """Seconds by the daemon's own wall clock."""
    left = f"tocsin_release_index_expires_timestamp_seconds{{{SCOPE}}}"
    return f"max({left} - on (job, instance) group_left () tocsin_render_timestamp_seconds{{{DAEMON}}})"


def _unsigned() -> str:
    return f"max(tocsin_audit_head_sequence{{{DAEMON}}} - tocsin_audit_signed_sequence{{{DAEMON}}})"


def _numbered(metric: str, label: str, words: dict[int, tuple[str, str]]) -> str:
    """The state that is 1, as its number in `words`."""
    parts = [f'max({metric}{{{SCOPE}, {label}="{said}"}}) * {number}' for number, (said, _) in words.items()]
    return " + ".join(parts)


def _ways() -> str:
    """One series for each obstacle: 1 while it is one."""
    ways = {
        "kill switch": f"max(tocsin_kill_switch_set{{{DAEMON}}})",
        "latch": f"max(tocsin_rollback_latched{{{SCOPE}}})",
        "no contact": f"max(tocsin_rollback_degrades_in_seconds{{{SCOPE}}} < bool 0)",
        "release index refused": f"1 - min(tocsin_release_index_usable{{{SCOPE}}})",
        "release index expired": f"({_index_left()}) < bool 0",
        "serving not steady": f"max(tocsin_serving_unsteady{{{SCOPE}}})",
        "clock jumped": f"max(tocsin_clock_paused{{{DAEMON}}})",
        "audit log waits": f"max(tocsin_audit_waiting_records{{{DAEMON}}} > bool 0)",
    }
    return " or ".join(f'label_replace({expr}, "what", "{what}", "", "")' for what, expr in ways.items())
