"""Every bound is a setting, or a constant on purpose; whatever drops something for good says so in a metric.

Each constant of the daemon that bounds a queue, a cache, a retry, a wait or a size stands here, with what it is. A new
one fails the test until somebody has judged it.
"""

import ast
import re
from pathlib import Path

import pytest

from monitor.export.metrics import DAEMON, EDGES, LIVE, MODEL
from monitor.settings.structure import sections

MONITOR = Path(__file__).parents[1] / "monitor"
ROOMS = [
    "store",
    "ingest",
    "alerts",
    "rollback",
    "serving",
    "export",
    "audit",
    "evidence",
    "turns",
    "decisions",
    "wire",
]
BOUND = re.compile(r"_?[A-Z][A-Z_]*(_MAX|_MAX_S|_S|_BYTES|_ROWS|_KEPT)|KEPT")
UNITS = {"DAY_S", "HOUR_S", "MINUTE_S", "UNITS_S", "_OF_ROWS", "_PAGE_BYTES"}  # of measure, and no bounds

# Defaults of settings, or bounds of them.
SETTINGS = {
    "alerts.transport.TIMEOUT_S": "alertmanagers.*.timeout",
    "export.series.SERIES_MAX": "metrics.series_max",
    "rollback.release.memory.AHEAD_MAX": "models.*.release.fast_forward_max",
    "rollback.targets.staging.COPIES_MAX": "models.*.target.staged_max",
    "rollback.targets.staging.REHASH_MAX": "models.*.target.rehash_max",
    "rollback.targets.staging.SEALED_FOR_S": "models.*.target.reread_every",
    "serving.probing.CONNECTIONS_MAX": "models.*.probes.connections",
    "turns.look.SUMS_BYTES_MAX": "panes.sums_bytes_max",
    "turns.lookout.BANDS_BYTES_MAX": "panes.bands_bytes_max",
}

# What is over it is dropped, given up or cut off for good, and counted.
COUNTED = {
    "alerts.outbox.WAITING_MAX": "tocsin_notices_dead_total",
    "alerts.retry.GIVE_UP_S": "tocsin_notices_dead_total",
    "alerts.said.ALERTS_MAX": "tocsin_alertmanager_left_out_alerts",
    "decisions.rollback.ATTEMPTS_MAX": "tocsin_rollbacks_total",
    "decisions.rollback.PLAN_VALID_S": "tocsin_rollbacks_total",
    "evidence.frames.ANSWER_BYTES_MAX": "tocsin_evidence_failures_total",
    "evidence.frames.MESSAGE_BYTES_MAX": "tocsin_evidence_failures_total",
    "evidence.office.START_TIMEOUT_S": "tocsin_evidence_failures_total",
    "export.listener.CONNECTIONS_MAX": "tocsin_connections_cut_total",
    "export.page.HEARTBEAT_AGE_MAX_S": "tocsin_heartbeat_age_seconds",
    "export.page.MISSED_RENDERS_MAX": "tocsin_render_stale",
    "export.sequential_lines.LATCHED_MAX": "tocsin_series_dropped_total",
    "ingest.accept.ITEMS_MAX": "tocsin_rows_rejected_total",
    "ingest.accept.SEGMENT_MAX": "tocsin_row_parts_dropped_total",
    "ingest.accept.SEGMENT_TEXT_MAX": "tocsin_row_parts_dropped_total",
    "ingest.accept.TEXT_MAX": "tocsin_rows_rejected_total",
    "ingest.connection.CONNECTIONS_MAX": "tocsin_connections_cut_total",
    "ingest.counters.UNKNOWN_NAMES_MAX": "tocsin_unknown_features",
    "rollback.targets.symlink.GIVE_BACK_MAX": "tocsin_rollbacks_total",
    "store.runs.HALVINGS_MAX": "tocsin_receipts_dropped_rows",
    "turns.auditing.WAITING_MAX": "tocsin_audit_lost_records_total",
    "turns.outbox.DEAD_MAX": "tocsin_notices_dead_total",
}

# Sizes of formats, and what a person may ask: what is larger is refused by name to whoever sent or configured it.
REFUSED = """
    alerts.alertmanager: SILENCE_BYTES_MAX
    alerts.transport: ANSWER_BYTES_MAX
    audit.heads: HEAD_BYTES_MAX
    audit.records: LINE_BYTES_MAX
    decisions.budget: CALM_MAX_S SEGMENTS_MAX SEGMENTS_SHARE_MAX
    decisions.rules: SLOTS_MAX
    decisions.taint: SUSPICIONS_MAX
    ingest.connection: HEAD_BYTES_MAX HEAD_S
    ingest.gate: QUERY_MAX TEXT_MAX
    ingest.history: BLOCK_BYTES
    ingest.history_lines: LINE_BYTES_MAX
    ingest.intake: KEY_MAX
    ingest.stream: ARRAYS_MAX COLUMNS_MAX MESSAGES_MAX
    ingest.tokens: FILE_BYTES_MAX ROWS_MAX
    rollback.digest: SIZE_MAX
    rollback.keys: KEY_BYTES_MAX PASSPHRASE_BYTES_MAX
    rollback.manifest: BATCHES_MAX MANIFEST_BYTES_MAX
    rollback.openssf: FILES_MAX
    rollback.release.document: BUNDLES_MAX SERIAL_MAX
    rollback.release.memory: ASIDE_MAX
    rollback.signing: ENVELOPE_BYTES_MAX SIGNATURES_MAX
    rollback.targets.calls: ANSWER_BYTES_MAX
    rollback.targets.cluster: TOKEN_BYTES_MAX
    rollback.tree: DEPTH_MAX FILES_MAX
    serving.open_inference: ANSWER_BYTES_MAX WORD_BYTES_MAX
    serving.probe_set: CHECKPOINTS_MAX ROWS_MAX
    store.runs: HEADER_BYTES_MAX
    turns.audit_start: FILE_BYTES_MAX
    turns.control: LATEST_S STEP_MAX_S
    turns.deploying: CREDENTIAL_BYTES_MAX
    turns.kill_switch: READ_MAX
    turns.loading: REFERENCE_BYTES_MAX
    turns.noticing: INDEX_BYTES_MAX
    wire.webhooks: FILE_BYTES_MAX
"""

# How much of a list or text people are told; all of it can be asked for, or is in the audit log.
TOLD = """
    alerts.alertmanager: IDS_MAX SILENCES_MAX
    alerts.silences: IDS_MAX
    alerts.webhook: ALERTS_MAX TEXT_MAX
    audit.records: MEMBERS_MAX NAME_MAX TEXT_MAX
    audit.verify: FAULTS_MAX
    decisions.choosing: SKIPPED_MAX
    decisions.clearance: WORDS_MAX
    decisions.incidents: ALERTS_MAX NOTICES_MAX SUMMARY_MAX TIMELINE_MAX
    decisions.telling: GATHERED_MAX NAMED_MAX
    evidence.archive: SAID_MAX
    evidence.history: ROWS_MAX
    evidence.plans: COLUMNS_MAX
    export.model_lines: CELLS_MAX
    turns.gathering: LABELLED_ROWS_MAX
    turns.noticing: NAMED_MAX
    turns.pictures: NAME_LENGTH_MAX
    turns.reading: WORST_MAX
    turns.supervisor: CALLS_MAX
    turns.ticking: ACCOUNTS_MAX
"""

# How much is held or done at once: what is over it is made, read or looked for again, and nothing is lost.
PIECES = """
    audit.files: SPARE_BYTES
    evidence.archive: _HEAD_BYTES
    evidence.links: KEY_BYTES
    ingest.arrow.values: _NARROW_MAX
    ingest.decode: TYPED_FEATURES_MAX
    ingest.history: BATCH_ROWS
    ingest.history_lines: BATCH_ROWS BATCH_BYTES
    ingest.rates: BUCKETS_MAX
    rollback.digest: CHUNK_BYTES
    rollback.targets.copies: PIECE_BYTES
    rollback.targets.seals: SEALS_MAX
    store.journal: FILES_MAX
    store.receipts: ROWS_MAX
    store.records: SPARES_MAX SPARE_BYTES_MAX
    store.runs: RELEASED_BYTES
    store.samples: FILE_BYTES_MAX
    turns.fold: CELLS_MAX
    turns.gathering: FIND_ROWS
    turns.joining: RECEIPTS_BYTES
    turns.lookout: BAND_BYTES HOURS_MAX
    turns.process: DESCRIPTORS_MAX
    wire.connect: ADDRESSES_MAX
"""

# How much of the past is remembered: nothing asks for what is older, or the audit log still says it.
PAST = """
    audit.heads: HEADS_BYTES_MAX
    audit.keeping: TORN_MAX
    decisions.epochs: EPOCHS_MAX
    decisions.state: HISTORY_MAX
    decisions.steadiness: FLIPS_MAX PROOFS_MAX
    turns.closing: SETTLED_MAX
    turns.look: TICKS_KEPT
    turns.refusals: KEPT
    turns.wheel: INCIDENTS_MAX
"""

# How often something is looked at or tried again, and how long one step may take: set by protocols and promises.
PACE = """
    alerts.alertmanager: RESOLVED_S RETRY_FIRST_S
    alerts.outbox: LOOK_S STORE_RETRY_S
    alerts.retry: FIRST_S FLOOR_S LONGEST_S
    alerts.silences: ASK_S
    audit.files: LOCK_PAUSE_S
    audit.log: RETRY_S
    daemon: AUDIT_EVERY_S EVIDENCE_EVERY_S HEARTBEAT_S KILL_SWITCH_EVERY_S PROBES_EVERY_S UPKEEP_EVERY_S
    decisions.clocks: AWAY_MAX_S
    decisions.served: CALM_S
    evidence.archive: PART_AGE_MAX_S
    evidence.links: STAT_EVERY_S
    evidence.office: WATCH_EVERY_S
    evidence.plans: LEAD_S WINDOW_S_MAX
    export.listener: CONNECTION_S STOP_S SWEEP_EVERY_S
    ingest.admission: RETRY_S
    ingest.intake: JOURNAL_RETRY_S
    ingest.rates: BURST_S
    ingest.server: STOP_WITHIN_S
    ingest.tokens: STAT_EVERY_S
    rollback.execute: LONGEST_PAUSE_S POLL_S
    rollback.release.write: VALID_S
    rollback.targets.ahead: RETRY_S
    rollback.targets.seals: SETTLE_S
    store.faults: RETRY_S
    store.labels: WALK_EVERY_S
    store.samples: RETIRED_S
    turns.contact: PROGRESS_EVERY_S WRITE_EVERY_S
    turns.control: ANSWER_WITHIN_S
    turns.couriers: RESTART_S
    turns.pushers: RESTART_S
    turns.staging: EVERY_S
    turns.wheel: BAKE_EVERY_S PROOF_PAUSE_S
"""


def names(text):
    """The constants of a table."""
    found = []
    for line in re.sub(r"\n {6}", " ", text).strip().splitlines():
        module, _, constants = line.strip().partition(": ")
        found += [f"{module}.{name}" for name in constants.split()]
    return found


JUDGED = [*SETTINGS, *COUNTED, *(name for text in (REFUSED, TOLD, PIECES, PAST, PACE) for name in names(text))]


def constants():
    """All bounds that the daemon's modules hold."""
    files = [MONITOR / "daemon.py", *(path for room in ROOMS for path in sorted((MONITOR / room).rglob("*.py")))]
    for path in files:
        place = path.relative_to(MONITOR).with_suffix("")
        if "worker" in place.parts:
            continue  # a process of its own, bounded as a whole by the settings of `evidence`
        for node in ast.parse(path.read_text()).body:
            target = getattr(node, "target", None) or next(iter(getattr(node, "targets", ())), None)
            name = getattr(target, "id", "")
            if BOUND.fullmatch(name) and name not in UNITS:
                yield ".".join((*place.parts, name))


def test_every_bound_was_judged():
    assert sorted(set(constants()) - set(JUDGED)) == [], "a new bound: a setting, a metric, or a reason, in the tables"


def test_every_bound_that_was_judged_is_there_and_stands_once():
    assert sorted(set(JUDGED) - set(constants())) == []
    assert len(JUDGED) == len(set(JUDGED))


@pytest.mark.parametrize("constant", COUNTED)
def test_what_drops_something_has_a_metric(constant):
    assert COUNTED[constant] in {metric.name for metric in (*LIVE, *DAEMON, *EDGES, *MODEL)}


@pytest.mark.parametrize("constant", SETTINGS)
def test_what_operators_may_change_is_a_setting(constant):
    assert SETTINGS[constant] in {path for path, _ in sections()}
