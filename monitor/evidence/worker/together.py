"""All columns at once: the metrics `multivariate_mmd` and `domain_classifier`, and what a report says of them.

Features alone are compared: an answer is made of them, and a label comes later. Both need rows of the history. A
reference that was drawn from counts relates no column to another, so against it every live sample differs. With fewer
than ROWS_MIN rows on a side there is no value: a fifth of them is what a fold asks about.
"""

from collections.abc import Callable, Iterable
from typing import Final

from monitor.evidence import catalogue
from monitor.evidence.history import schema_digest
from monitor.evidence.jobs import Ask, Failure, Job
from monitor.evidence.worker.classifier import Told, classify
from monitor.evidence.worker.clean import Cleaned, tidy
from monitor.evidence.worker.encoding import Rows, encode
from monitor.evidence.worker.findings import Findings, Refused, attempt
from monitor.evidence.worker.mmd import FREQUENCIES, Discrepancy, discrepancy

ROWS_MIN: Final = 100
METHODS: Final = {
    "domain_classifier": "AUC of rows not learned from",
    "multivariate_mmd": f"MMD squared, {FREQUENCIES} frequencies",
}


class Together:
    """Both sides of a job, compared in some columns at once; what was computed is not computed again."""

    def __init__(self, job: Job, cleaned: Cleaned, *, synthetic: bool) -> None:
        """`synthetic`: the reference was drawn from counts."""
        self._job, self._cleaned, self._synthetic = job, cleaned, synthetic
        self._seed = int(schema_digest(job.schema)[:16], 16)
        self._rows: dict[tuple[str, ...], Rows] = {}
        self._told: dict[tuple[str, ...], Told] = {}
        self._apart: dict[tuple[str, ...], Discrepancy] = {}

    def numbers(self, ask: Ask) -> Iterable[tuple[str, float]]:
        """Name the numbers of a metric of ours; Refused where there is none to tell."""
        for place, message, hint in catalogue.problems(ask):
            raise Refused(Failure.METRIC_INVALID, f"{place} {message} ({hint})")
        columns = tuple(map(tidy, catalogue.columns_of(ask)))
        for name in columns:
            if name not in self._cleaned.live:
                raise Refused(Failure.COLUMN_MISSING, f"{name}: {self._cleaned.left_out.get(name, 'no such column')}")
        if ask.metric == "domain_classifier":
            told = self.told(columns)
            found, n, m = {"": told.auc, ".low": told.low, ".high": told.high}, told.n, told.m
        else:
            apart = self.apart(columns)
            found, n, m = {"": apart.value, ".shuffled_95": apart.ordinary, ".p_value": apart.p}, apart.n, apart.m
        found |= {".rows": float(n), ".reference_rows": float(m)}
        return [(ask.name + part, value) for part, value in found.items()]

    def rows(self, columns: tuple[str, ...] = ()) -> Rows:
        """Both sides in these columns, or in all that are worth it; Refused where nothing can be said of them."""
        if columns not in self._rows:
            if self._synthetic:
                raise Refused(Failure.REFERENCE_SYNTHETIC, "keep rows with `tocsin reference build --sample`")
            every = [*self._job.columns, *(feature.name for feature in self._job.schema.features)]
            chosen = columns or tuple(map(tidy, every))
            self._rows[columns] = encode(self._cleaned, chosen, named=bool(columns), seed=self._seed)
        rows = self._rows[columns]
        if not rows.names:
            raise Refused(Failure.COLUMN_MISSING, "no feature that both sides have and that differs between rows")
        if min(rows.n, rows.m) < ROWS_MIN:
            raise Refused(Failure.ROWS_TOO_FEW, f"{rows.n} and {rows.m} of {ROWS_MIN}")
        return rows

    def told(self, columns: tuple[str, ...] = ()) -> Told:
        """How well a classifier tells the sides apart; Refused."""
        if columns not in self._told:
            self._told[columns] = classify(self.rows(columns), self._seed)
        return self._told[columns]

    def apart(self, columns: tuple[str, ...] = ()) -> Discrepancy:
        """How far the sides lie apart; Refused."""
        if columns not in self._apart:
            found = discrepancy(self.rows(columns), self._seed)
            if found is None:
                raise Refused(Failure.METRIC_FAILED, "the reference's rows are all alike: there is no unit of distance")
            self._apart[columns] = found
        return self._apart[columns]

    def tell(self, findings: Findings) -> None:
        """Add what a report says; that nothing can be said is said and no fault: nobody asked for it by name."""
        try:
            findings.overlooked |= self.rows().left_out
        except Refused as refused:
            findings.said.append(f"Nothing can be said of the columns together: {_why(refused)}.")
            return
        told = attempt(findings, "Domain classifier", Failure.SECTION_FAILED, self.told)
        if told is not None:
            findings.said.append(in_words(told))
            findings.telling = told.telling if told.tells else ()
        apart = attempt(findings, "Multivariate MMD", Failure.SECTION_FAILED, self.apart)
        if apart is not None:
            findings.said.append(distance_in_words(apart))


def in_words(told: Told) -> str:
    """Say how well rows are told apart, and by what."""
    verb = "can" if told.tells else "cannot"
    figures = f"AUC {told.auc:.2f} [{told.low:.2f}, {told.high:.2f}] on {told.n:,} rows and {told.m:,} of the reference"
    first = f"A classifier {verb} tell these rows from the reference's: {figures} (0.5: by chance, 1: always)."
    looks_at = ", ".join(each.column for each in told.telling)
    return f"{first} It looks at: {looks_at}." if told.tells and looks_at else first


def distance_in_words(apart: Discrepancy) -> str:
    """Say how far the sides lie apart, beside what sampling alone gives."""
    beyond = apart.value > apart.ordinary
    said = "further apart than" if beyond else "no further apart than in"
    return (
        f"In all columns at once the two lie {said} 95 of 100 shuffles of their rows: squared MMD {apart.value:.2g}, "
        f"shuffles up to {apart.ordinary:.2g}."
    )


_WORDS: Final[dict[Failure, Callable[[str], str]]] = {
    Failure.REFERENCE_SYNTHETIC: lambda why: f"no rows of the history are kept; {why}",
    Failure.ROWS_TOO_FEW: lambda why: f"too few rows on a side ({why})",
}


def _why(refused: Refused) -> str:
    return _WORDS.get(refused.reason, str)(refused.why)
