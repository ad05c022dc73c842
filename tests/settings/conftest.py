"""A directory with everything that the example settings name, so that they load."""

from collections.abc import Callable
from pathlib import Path

import pytest
from laid_out import EXAMPLE, lay_out

from monitor.errors import Problem
from monitor.settings import check


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The example settings as `tocsin.yaml`, with all files they name."""
    return lay_out(tmp_path)


@pytest.fixture
def problems_of(home: Path) -> Callable[..., list[Problem]]:
    """Replace texts in the example settings, then tell what is wrong with them."""

    def problems(*changes: tuple[str, str], **environ: str) -> list[Problem]:
        text = EXAMPLE.read_text()
        for old, new in changes:
            assert old in text, f"the example does not hold {old!r}"
            text = text.replace(old, new, 1)
        (home / "tocsin.yaml").write_text(text)
        return check(home / "tocsin.yaml", environ)

    return problems
