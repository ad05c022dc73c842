"""The page of a report: our header, then what Evidently drew; it loads nothing and can tell nobody.

Evidently's page holds its scripts and styles itself (4 MB, most of it plotly). The policy in our head makes sure: no
request of any kind leaves the page, whatever an update of Evidently or a hostile value brings (`default-src 'none'`).
Texts of ours are escaped; names and categories inside Evidently's JSON were made harmless before (`clean.tidy`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

from monitor.evidence.archive import said_in_head
from monitor.evidence.jobs import Fault, Job
from monitor.evidence.worker.clean import Cleaned, Note, Quality
from monitor.evidence.worker.findings import Findings
from monitor.evidence.worker.samples import Side
from monitor.facts import Task

POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"
)
_NOTES_MAX: Final = 200

_STYLE: Final = """
<style>
.tocsin { font: 15px/1.5 system-ui, sans-serif; color: #1c2733; background: #fff; max-width: 1180px;
  margin: 24px auto 8px;
  padding: 0 24px; }
.tocsin h1 { font-size: 24px; margin: 0 0 4px; font-weight: 650; } .tocsin h2 { font-size: 16px; margin: 20px 0 6px; }
.tocsin .lead { color: #51606f; margin: 0 0 16px; }
.tocsin dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; }
.tocsin dt { color: #51606f; } .tocsin dd { margin: 0; overflow-wrap: anywhere; }
.tocsin .warn { border-left: 4px solid #b45309; background: #fff7ed; padding: 8px 12px; margin: 12px 0; }
.tocsin table { border-collapse: collapse; width: 100%; font-size: 14px; }
.tocsin th { text-align: left; font-weight: 600; color: #51606f; border-bottom: 1px solid #cbd5e1;
  padding: 4px 12px 4px 0; }
.tocsin td { border-bottom: 1px solid #e8edf2; padding: 4px 12px 4px 0; vertical-align: top; }
.tocsin td.n, .tocsin th.n { text-align: right; font-variant-numeric: tabular-nums; }
.tocsin nav { margin: 14px 0 0; } .tocsin code { font-size: 13px; }
.tocsin footer { color: #51606f; font-size: 13px; margin: 16px 0 8px; border-bottom: 1px solid #cbd5e1;
  padding-bottom: 12px; }
@media print { .tocsin { margin: 0; } }
</style>
"""


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What a report compares: both sides as read, and as cleaned."""

    live: Side
    reference: Side
    cleaned: Cleaned


def draw(sections: list[tuple[str, list[Any]]]) -> str:
    """Let Evidently draw the widgets of all sections on one page."""
    from evidently.core.metric_types import render_widgets
    from evidently.legacy.renderers.html_widgets import group_widget

    return str(render_widgets([group_widget(title=title, widgets=widgets) for title, widgets in sections]))


def assemble(drawn: str, header: str, job: Job, said: Sequence[str] = ()) -> str:
    """Put our head and header into Evidently's page; ValueError if its page has another form than it used to.

    What was `said` in sentences stands in the head, too: the daemon reads it there (`monitor.evidence.archive`).
    """
    head, found, rest = drawn.partition("<head>")
    before, body, after = rest.partition("<body>")
    if not (found and body):
        msg = "Evidently's page has no head or no body"
        raise ValueError(msg)
    ours = (
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}"><meta name="referrer" content="no-referrer">'
        f"{said_in_head(said)}"
        f"<title>{escape(job.model)} · {escape(job.id)} · Tocsin</title>"
    )
    return f"{head}<head>{ours}{before}{_STYLE}<body>{header}{after}"


def header(job: Job, compared: Compared, findings: Findings, version: str) -> str:
    """Say what is compared with what, and what the drawings below do not show."""
    live, reference, cleaned = compared.live, compared.reference, compared.cleaned
    facts = [
        ("Model", job.model),
        ("Bundle", job.bundle or "not known"),
        ("Incident" if job.purpose.value == "incident" else "Report", job.id),
        ("Window", f"{_time(job.start)} to {_time(job.end)} ({_length(job.end - job.start)})"),
        *([("Epoch", str(job.epoch))] if job.epoch is not None else []),
        ("Live rows", live.how),
        ("Reference rows", reference.how),
    ]
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    title = job.title or ("What changed, against the reference" if not job.asks else "Scheduled report")
    synthetic = (
        ""
        if not reference.synthetic
        else _warn(
            "No rows of the history were at hand, so the reference side is synthetic: it has the history's marginal "
            "distribution of each column and nothing else. Keep rows with tocsin reference build --sample."
        )
    )
    lists = (
        ""
        if job.schema.task is not Task.RANKING
        else _warn(
            "How good the order of the lists was is not in here: Evidently needs the items of every list, and a sample "
            "holds its length. NDCG, hit rates and reciprocal ranks are readings, from the labels."
        )
    )
    return (
        f'<div class="tocsin"><h1>{escape(job.model)}: evidence</h1><p class="lead">{escape(title)}</p>'
        f"<dl>{lines}</dl>{synthetic}{lists}{_together(findings)}"
        f"{_failures(findings.faults)}{_left_out(cleaned.left_out)}{_notes(cleaned.notes)}"
        f"<footer>Drawn by Evidently {escape(version)} from a sample, for people to look at. Its own marks of what has "
        "drifted are not Tocsin's rules: nothing was alerted or rolled back because of them.</footer></div>"
    )


def _together(findings: Findings) -> str:
    """Say what all columns at once tell, which columns tell most, and which were not looked at."""
    if not findings.said:
        return ""
    said = "".join(f"<p>{escape(sentence)}</p>" for sentence in findings.said)
    rows = "".join(
        f'<tr><td><code>{escape(each.column)}</code></td><td class="n">{each.fall:.3f}</td></tr>'
        for each in findings.telling
    )
    table = (
        ""
        if not rows
        else f'<table><tr><th>It looks at</th><th class="n">AUC falls by, with this column shuffled</th></tr>{rows}'
        "</table><p>A difference is no fault: rows of one hour differ from those of a year. Columns that say the same "
        "cover for each other.</p>"
    )
    why: dict[str, list[str]] = {}
    for name, reason in findings.overlooked.items():
        why.setdefault(reason, []).append(name)
    lines = "".join(f"<dt>Not looked at: {escape(reason)}</dt><dd>{_few(names)}</dd>" for reason, names in why.items())
    title = "Could a classifier tell these rows from the reference's?"
    return f"<h2>{escape(title)}</h2>{said}{table}<dl>{lines}</dl>"


def _few(names: list[str]) -> str:
    return escape(", ".join(names[:_NOTES_MAX]))


def _failures(faults: list[Fault]) -> str:
    if not faults:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(fault.name)}</code></td><td>{escape(fault.reason.value.replace('_', ' '))}</td>"
        f"<td>{escape(fault.why)}</td></tr>"
        for fault in faults[:_NOTES_MAX]
    )
    return (
        f"<h2>What could not be made ({len(faults)})</h2>"
        f"<table><tr><th>What</th><th>Why</th><th></th></tr>{rows}</table>"
    )


def _left_out(left_out: dict[str, str]) -> str:
    if not left_out:
        return ""
    by_reason: dict[str, list[str]] = {}
    for name, why in left_out.items():
        by_reason.setdefault(why, []).append(name)
    lines = "".join(f"<dt>{escape(why)}</dt><dd>{_few(names)}</dd>" for why, names in by_reason.items())
    return f"<h2>Columns left out ({len(left_out)})</h2><dl>{lines}</dl>"


def _notes(notes: list[Note]) -> str:
    if not notes:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(note.column)}</code></td>{_cells(note.live)}{_cells(note.reference)}"
        f"<td>{escape(note.done)}</td></tr>"
        for note in notes[:_NOTES_MAX]
    )
    more = f"<p>and {len(notes) - _NOTES_MAX} more columns</p>" if len(notes) > _NOTES_MAX else ""
    return (
        "<h2>What Evidently does not show</h2><table><tr><th>Column</th>"
        '<th class="n">missing</th><th class="n">not finite</th><th class="n">from 2<sup>53</sup></th>'
        '<th class="n">missing, reference</th><th class="n">not finite</th><th class="n">from 2<sup>53</sup></th>'
        f"<th></th></tr>{rows}</table>{more}"
    )


def _cells(quality: Quality) -> str:
    counts = (quality.missing, quality.non_finite, quality.inexact)
    return "".join(f'<td class="n">{count:,}</td>' if count else '<td class="n">·</td>' for count in counts)


def _warn(text: str) -> str:
    return f'<div class="warn">{escape(text)}</div>'


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _length(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
