import pytest
from loopworld import Loop


@pytest.fixture
def make_loop(tmp_path):
    """Makes loops of real processes, and ends these whatever became of the test."""
    made = []

    def make(**options):
        directory = tmp_path / f"loop-{len(made)}"
        directory.mkdir()
        made.append(Loop(directory, **options))
        return made[-1]

    yield make
    for loop in made:
        loop.close()
