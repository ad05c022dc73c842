"""What the container files say, read the way the tools that use them do."""

import json
from typing import Any

import pytest
import yaml
from resolving import resolve


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml as docker-compose resolves it: anchors, defaults and relative paths filled in."""
    ended = resolve()
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = yaml.safe_load(ended.stdout)
    return found


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(json.dumps(compose["services"]))
    return found
