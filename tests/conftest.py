"""What all tests share: hypothesis profiles, the soak switch, a clean environment. Nothing else belongs here."""

import os
import signal
import threading

# A shell that starts tests in the background has them ignore interrupts, and so would every process that a test starts
# in order to interrupt it.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports numpy, and for every process that a test starts: our matrices are small, and the threads of a
# solver wait for each other by spinning. On two cores that are busy `tocsin reference build` took five times the work.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import pytest  # noqa: E402  # threads first
from hypothesis import HealthCheck, settings  # noqa: E402  # threads first

# No example database: a run depends on nothing that an earlier run left. CI repeats itself exactly; a failure found
# elsewhere is repeated with the blob that is printed.
settings.register_profile("default", database=None, deadline=None, print_blob=True)
settings.register_profile(
    "ci",
    settings.get_profile("default"),
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],  # CI machines stall
)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="also run the long forms of tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak"):
        return
    skip = pytest.mark.skip(reason="a long form: make soak")
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def _no_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's TOCSIN_ variables and proxies must not reach the tests."""
    for name in list(os.environ):
        if name.startswith("TOCSIN_") or name.lower() in {"http_proxy", "https_proxy", "all_proxy"}:
            monkeypatch.delenv(name)
