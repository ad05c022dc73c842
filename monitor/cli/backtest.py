"""Commands that try a configuration on what was: what would have paged, how soon, and what to change."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from monitor.cli.exits import Exit, Stop
from monitor.cli.options import AsJson
from monitor.cli.output import say, show_json, show_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.backtest.replay import History
    from monitor.backtest.report import Delay, Fired, LabelWindows, Planted, Rate, Report
    from monitor.backtest.terms import Terms
    from monitor.backtest.tuning import Advice, Noisy, Rung

LISTED_MAX = 20  # planted shifts that are told one by one, beside those that were not found

Data: TypeAlias = Annotated[
    Path | None, typer.Argument(metavar="[DATA]", help="History: .csv, .csv.gz, .parquet or .ndjson. Else --state.")
]
SchemaFile: TypeAlias = Annotated[
    Path | None, typer.Option("--schema", metavar="FILE", help="As of `tocsin reference build`; needed with DATA.")
]
State: TypeAlias = Annotated[
    Path | None,
    typer.Option("--state", metavar="DIRECTORY", help="Replay the panes that a daemon stored; it may be running."),
]
Config: TypeAlias = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings whose reference, rules and segments judge.")
]
Model: TypeAlias = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Which model of the settings.")]
ReferenceFile: TypeAlias = Annotated[
    Path | None, typer.Option("--reference", metavar="FILE", help="A profile, with --rules, in place of --config.")
]
Rules: TypeAlias = Annotated[Path | None, typer.Option("--rules", metavar="FILE", help="A rule pack.")]
Tolerance: TypeAlias = Annotated[
    float | None, typer.Option("--tolerance", min=0.0, max=0.5, help="Try bands of this tolerance.")
]


def backtest(
    data: Data = None,
    *,
    schema: SchemaFile = None,
    state: State = None,
    config: Config = None,
    model: Model = None,
    reference: ReferenceFile = None,
    rules: Rules = None,
    tolerance: Tolerance = None,
    plant: Annotated[
        list[str] | None,
        typer.Option(
            "--plant", metavar="SHIFT", help="age+0.5sigma@2013-06-01, carrier=UA:20%, label~10%, silence, or all."
        ),
    ] = None,
    within: Annotated[
        str | None, typer.Option("--within", metavar="TIME", help="How long a planted shift is looked for. [1d]")
    ] = None,
    fail_above: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-above",
            metavar="LIMIT",
            help="pages-per-month=1, incidents-per-month, warns-per-month: exit 5 above.",
        ),
    ] = None,
    fail_missed: Annotated[
        list[str] | None,
        typer.Option("--fail-missed", metavar="SIZE", help="0.5sigma: exit 5 where such a planted shift is missed."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a history, or what a daemon stored: what would page. A configuration may be tried that is not in force."""
    from monitor.backtest.answer import read_demands, report
    from monitor.backtest.plants import read_plants
    from monitor.backtest.replay import replay_history
    from monitor.backtest.stored import replay_state

    demands = read_demands(fail_above or (), fail_missed or ())
    terms = _terms(config, model, reference, rules, tolerance)
    plants = read_plants(plant or (), terms.layout)
    source = _source(data, state, terms)
    if data is not None:
        history = _history(data, schema)
        with _progress(data, shown=not as_json) as progress:
            found = replay_history(terms, history, plants, progress, _seconds(within))
    else:
        if plants:
            raise Stop(Exit.USAGE, "--plant changes rows, and a state holds counts of them", "give a history instead")
        with _progress(None, shown=not as_json) as progress:
            found = replay_state(terms, source, progress)
    told = report(terms, str(source), found, demands)
    if as_json:
        show_json(_plain(told))
    else:
        _show(told)
    for limit in told.limits_broken:
        say(f"LIMIT: {limit}")
    raise typer.Exit(Exit.LIMIT if told.limits_broken else Exit.OK)


def tune(
    data: Data = None,
    *,
    schema: SchemaFile = None,
    state: State = None,
    config: Config = None,
    model: Model = None,
    reference: ReferenceFile = None,
    rules: Rules = None,
    as_json: AsJson = False,
) -> None:
    """Replay a quiet history, and propose what keeps it quiet. Nothing is changed: you decide."""
    from monitor.backtest.replay import replay_history
    from monitor.backtest.stored import replay_state
    from monitor.backtest.tuning import advise, rungs_above

    terms = _terms(config, model, reference, rules, None)
    source = _source(data, state, terms)
    if terms.pack.watch is None:
        raise Stop(Exit.PROBLEMS, "the rules set no budget, so there is nothing to tune", "add a section `sequential:`")
    if terms.tolerance is None:
        raise Stop(Exit.PROBLEMS, "the reference has no bands, so there is nothing to tune", "build it again")
    ladder = rungs_above(terms.tolerance)
    with _progress(data, shown=not as_json) as progress:
        if data is not None:
            found = replay_history(terms, _history(data, schema), (), progress, tolerances=ladder)
        else:
            found = replay_state(terms, source, progress, ladder)
    advice = advise(terms, str(source), found)
    if as_json:
        show_json(_plain(advice))
        return
    show_table([_rung(one) for one in advice.rungs], ("tolerance", "pages", "per_month", "95%", "warns"), "")
    if advice.noisy:
        show_table([_plain(one) for one in advice.noisy], ("group", "pages", "warns", "quiet_at"), "")
    for words in advice.words:
        say(words)
    typer.echo(advice.yaml, nl=False)


def _terms(
    config: Path | None, model: str | None, reference: Path | None, rules: Path | None, tolerance: float | None
) -> "Terms":
    """Read whichever way the configuration was given."""
    from monitor.backtest.terms import configured, direct

    if config is not None and (reference is not None or rules is not None):
        raise Stop(Exit.USAGE, "--config names a reference and rules already", "leave --reference and --rules out")
    if config is None and (reference is None or rules is None):
        raise Stop(Exit.USAGE, "there is nothing to judge by", "give --config, or --reference and --rules")
    if config is not None:
        terms = configured(config, model)
    else:
        assert reference is not None, "asked for above"
        assert rules is not None, "asked for above"
        terms = direct(reference, rules)
    return terms if tolerance is None else terms.tolerant(tolerance)


def _source(data: Path | None, state: Path | None, terms: "Terms") -> Path:
    if data is not None and state is not None:
        raise Stop(Exit.USAGE, "DATA and --state are two histories", "give one of them")
    found = data or state or terms.state_dir
    if found is None:
        raise Stop(Exit.USAGE, "there is nothing to replay", "give DATA with --schema, or --state")
    return found


def _history(data: Path, schema: Path | None) -> "History":
    from monitor.backtest.replay import History
    from monitor.errors import SettingsError
    from monitor.panes.schema import parse_schema
    from monitor.settings.document import read_document

    if schema is None:
        raise Stop(Exit.USAGE, "--schema is missing", "it names the columns of DATA, as for tocsin reference build")
    document = read_document(schema)
    if document.problems:
        raise SettingsError(document.problems)
    return History(data, *parse_schema(document.value))


def _seconds(text: str | None) -> float | None:
    from monitor.decisions.entry import seconds

    if text is None:
        return None
    try:
        return seconds(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"--within {text} is no time", "like 12h or 2d") from error


@contextmanager
def _progress(data: Path | None, *, shown: bool) -> "Iterator[Callable[[int], None]]":
    """Show rows read on stderr, the pass over the times included."""
    from monitor.cli.reference import read_progress
    from monitor.ingest.history import history_rows

    rows = None if data is None else history_rows(data)
    with read_progress("backtest", rows, 1 if data is None else 2, shown=shown) as progress:
        yield progress


def _plain(report: "Report | Advice | Noisy") -> Any:
    import msgspec

    return msgspec.to_builtins(report)


# ---------------------------------------------------------------- for people


def _show(report: "Report") -> None:
    from monitor.cli.output import cell

    span = f"{cell(report.start, 'start')} to {cell(report.end, 'end')}"
    say(f"{report.source}: {report.rows} rows, {span}, {report.months:.3g} months of 30 days.")
    if report.rows_left_out or report.rows_late:
        say(f"{report.rows_left_out} rows without a usable time were left out; {report.rows_late} came late.")
    if report.minutes is not None:
        say(f"{report.minutes} minutes were judged by how many rows they had.")
    if report.labels is not None:
        say(_closed(report.labels))
    for words in report.not_read:
        say(f"not read: {words}")
    show_table([_rate(rate) for rate in report.rates], ("tier", "family", "alerts", "per_month", "95%", "budget"), "")
    if report.fired:
        show_table([_fired(one) for one in report.fired], ("start", "end", "rule", "group", "odds", "what"), "")
    if report.fired_left_out:
        say(f"{report.fired_left_out} more alerts are counted and not listed.")
    if report.planted:
        columns = ("plant", "onset", "outcome", "delay", "warned", "rule")
        told = [one for one in report.planted if len(report.planted) <= LISTED_MAX or one.outcome != "found"]
        show_table([_planted(one) for one in told], columns, "Every planted shift was found.")
        show_table([_delay(one) for one in report.delays], ("size", "plants", "missed", "median", "95%"), "")


def _closed(labels: "LabelWindows") -> str:
    """How the windows of labels ended, in words."""
    when = "when their own times say" if labels.timed else "with their rows, which is the best case"
    ends = f"{labels.by_coverage} windows closed by coverage, {labels.by_deadline} at their deadline"
    return f"{labels.labels} labels came {when}: {ends}, {labels.open} were open in the end; {labels.late} came late."


def _rate(rate: "Rate") -> dict[str, Any]:
    known = rate.per_month is not None and rate.low is not None and rate.high is not None
    return {
        "tier": rate.tier,
        "family": rate.family,
        "alerts": rate.count,
        "per_month": None if rate.per_month is None else f"{rate.per_month:.3g}",
        "95%": f"{rate.low:.2g} to {rate.high:.3g}" if known else None,
        "budget": None if rate.budget is None else f"{rate.budget:.3g}",
    }


def _rung(rung: "Rung") -> dict[str, Any]:
    known = rung.pages_per_month is not None and rung.pages_low is not None and rung.pages_high is not None
    return {
        "tolerance": rung.tolerance,
        "pages": rung.pages,
        "per_month": None if rung.pages_per_month is None else f"{rung.pages_per_month:.3g}",
        "95%": f"{rung.pages_low:.2g} to {rung.pages_high:.3g}" if known else None,
        "warns": rung.warns,
    }


def _fired(one: "Fired") -> dict[str, Any]:
    odds = None if one.odds is None else f"{one.odds:.3g}"
    return {
        "start": one.start,
        "end": one.end,
        "rule": one.rule,
        "group": one.group,
        "odds": odds,
        "what": one.words,
    }


def _planted(one: "Planted") -> dict[str, Any]:
    return {
        "plant": one.plant,
        "start": one.onset,
        "onset": _clock(one.onset),
        "outcome": one.outcome,
        "delay": _time(one.delay_s),
        "warned": _time(one.warned_s),
        "rule": one.rule,
    }


def _delay(one: "Delay") -> dict[str, Any]:
    told = one.found + one.missed
    upper = _time(one.high_s) if one.high_s is not None else "missed"
    return {
        "size": one.size,
        "plants": one.plants,
        "missed": f"{one.missed} of {told}",
        "median": _time(one.median_s) if one.median_s is not None else ("missed" if told else None),
        "95%": f"{_time(one.low_s) if one.low_s is not None else 'missed'} to {upper}" if told else None,
    }


def _clock(at: float) -> str:
    from monitor.cli.output import cell

    return cell(at, "start")


def _time(seconds: float | None) -> str:
    """How long, in the largest unit that leaves three digits.

    >>> _time(90), _time(7200), _time(None)
    ('1.5m', '2h', '-')
    """
    if seconds is None:
        return "-"
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.3g}s"
