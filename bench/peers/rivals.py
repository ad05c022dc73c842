"""Who is compared: the library, what its venv is pinned to, how many rows it gets, and in how many rounds at most.

Every one has a file in `work/` of the same name, that says what it does with the rows. Their dependencies contradict
each other, so that one extra of ours could not hold them. statsmodels is imported by NannyML, but not required by it;
pandas 3 is refused, or silently mistaken, by all but Evidently.
"""

from dataclasses import dataclass, replace

ROWS, ROWS_SLOW, ROWS_REFERENCE = 1_000_000, 100_000, 100_000
COLUMNS = 20
ROUNDS, ROUNDS_SLOW = 7, 2  # of what takes minutes a round, two


@dataclass(frozen=True, slots=True)
class Rival:
    """`name` is the distribution's; `requirements` are those of pip, none for ourselves."""

    name: str
    version: str
    shown: str
    rows: int
    requirements: tuple[str, ...] = ()
    rounds: int = ROUNDS


def _rival(name: str, version: str, shown: str, rows: int, *others: str, extra: str = "") -> Rival:
    return Rival(name, version, shown, rows, (f"{name}{extra}=={version}", *others))


US = Rival("tocsin", "", "Tocsin", ROWS)
EVIDENTLY = _rival("evidently", "0.7.23", "Evidently", ROWS_SLOW, "pandas==3.0.6", "numpy==2.4.6", "scipy==1.17.1")
EVIDENTLY_LARGE = replace(EVIDENTLY, rows=ROWS, rounds=ROUNDS_SLOW)  # a look costs what it costs at any size
RIVALS = (
    EVIDENTLY,
    EVIDENTLY_LARGE,
    _rival(
        *("nannyml", "0.13.1", "NannyML", ROWS),
        *("pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1", "statsmodels==0.15.0"),
    ),
    _rival("menelaus", "0.2.0", "menelaus", ROWS, "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1"),
    _rival("frouros", "0.9.0", "frouros", ROWS, "numpy==2.1.3", "scipy==1.14.1"),
    _rival("whylogs", "1.6.4", "whylogs", ROWS_SLOW, "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1", extra="[viz]"),
    _rival(
        *("popmon", "1.4.12", "popmon", ROWS),
        *("pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1", "histogrammar==1.1.2", "plotly==5.24.1"),
    ),
)
