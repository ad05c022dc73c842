"""One worker that most tests share: it takes seconds to start."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from evidenceworld import Desk, sample

from monitor.clock import WallClock
from monitor.evidence.office import Evidence, Limits


@pytest.fixture(scope="session")
def desk() -> Iterator[Desk]:
    with asyncio.Runner() as runner:
        # Never replaced by its age, idleness or number of jobs: which test would meet that is a matter of their order.
        office = Evidence(Limits(jobs_max=1 << 20, idle_s=86_400.0, age_max_s=86_400.0), WallClock())
        yield Desk(runner, office)
        runner.run(office.aclose())


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return sample(tmp_path / "live.parquet", shift=150)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return sample(tmp_path / "reference.parquet")
