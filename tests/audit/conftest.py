import pytest
from auditworld import Made


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """A key pair: making one costs more than a test."""
    from monitor.rollback.signing import keygen

    folder = tmp_path_factory.mktemp("keys")
    keygen(folder / "audit.key", folder / "audit.pub")
    return folder


@pytest.fixture
def made(tmp_path, keys):
    """A log with its keys and a clock that stands still."""
    return Made(tmp_path / "audit", keys)
