from collections.abc import Callable

import pytest
from ingest_service import DELAYS, DIGITS, Service


@pytest.fixture
def open_service(tmp_path) -> Callable[..., Service]:
    return lambda **more: Service(tmp_path, **more)


@pytest.fixture
def service(open_service) -> Service:
    return open_service()


@pytest.fixture
def two_models(open_service) -> Service:
    return open_service(schemas=(DELAYS, DIGITS))


@pytest.fixture(scope="module")
def lasting(tmp_path_factory) -> Service:
    """One service for many requests: for properties, which may not ask for a fresh one."""
    return Service(tmp_path_factory.mktemp("lasting"), schemas=(DELAYS,))
