"""docker-compose.yml: it resolves, every service is confined, and the sidecar's API crosses no network."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from resolving import resolve

ROOT = Path(__file__).parents[2]
NAMES = ["alertmanager", "deploy", "first-run", "gateway", "grafana", "model", "prometheus", "tocsin"]
SIDECARS = ["deploy", "gateway", "tocsin"]
LASTING = ["alertmanager", "grafana", "model", "prometheus", "tocsin"]

Services = dict[str, dict[str, Any]]


def mounted(service: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Where in the container: (what, rw or ro)."""
    found = {}
    for text in service.get("volumes", []):
        what, where, *mode = text.split(":")
        found[where] = (what, mode[0] if mode else "rw")
    return found


def test_it_resolves_to_these_services(services: Services) -> None:
    assert sorted(services) == NAMES


def test_a_file_that_is_wrong_would_be_refused(tmp_path: Path) -> None:
    broken = (ROOT / "docker-compose.yml").read_text().replace("read_only:", "readonly:")
    (tmp_path / "broken.yml").write_text(broken)
    ended = resolve(COMPOSE_FILE=str(tmp_path / "broken.yml"))
    assert ended.returncode != 0
    assert "readonly" in ended.stderr


@pytest.mark.parametrize("name", NAMES)
def test_every_service_is_confined(services: Services, name: str) -> None:
    service = services[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "cap_add" not in service
    assert "privileged" not in service


@pytest.mark.parametrize("name", NAMES)
def test_every_service_is_bounded(services: Services, name: str) -> None:
    service = services[name]
    assert service["mem_limit"]
    assert service["pids_limit"] <= 256
    assert service["logging"]["options"]["max-size"]


@pytest.mark.parametrize("name", NAMES)
def test_no_service_runs_as_root(services: Services, name: str) -> None:
    assert int(services[name]["user"].split(":")[0]) > 0


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_pinned_and_may_be_pinned_to_a_digest(services: Services, name: str) -> None:
    assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+\.\d+", services[name]["image"])
    raw = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]["image"]
    assert re.match(r"\$\{[A-Z]+_IMAGE:-", raw)


@pytest.mark.parametrize("name", LASTING)
def test_every_service_that_lasts_is_asked_whether_it_is_well(services: Services, name: str) -> None:
    own = services[name].get("healthcheck", {}).get("test")
    assert own is None if name == "tocsin" else own[0] == "CMD"  # the image brings tocsin's


def test_nothing_is_published_beyond_this_machine(services: Services) -> None:
    published = [str(port) for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 4
    assert all(port.startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", SIDECARS)
def test_who_talks_to_the_api_shares_the_model_servers_network_namespace(services: Services, name: str) -> None:
    assert services[name]["network_mode"] == "service:model"


def test_the_settings_keep_the_api_on_loopback_and_show_the_metrics(services: Services) -> None:
    source, mode = mounted(services["tocsin"])["/etc/tocsin/tocsin.yaml"]
    found = yaml.safe_load(Path(source).read_text())
    assert (found["http"]["host"], found["metrics"]["host"], mode) == ("127.0.0.1", "0.0.0.0", "ro")
    assert not any("8470" in str(port) for service in services.values() for port in service.get("ports", []))


def test_only_the_daemon_and_who_deploys_may_write_what_is_served(services: Services) -> None:
    writers = [n for n, s in services.items() if mounted(s).get("/srv/tocsin/models", ("", ""))[1] == "rw"]
    assert sorted(writers) == ["deploy", "first-run", "tocsin"]


def test_secrets_are_files_that_only_those_see_who_need_them(services: Services) -> None:
    seen = {n: [w for w, _ in mounted(s).values() if w in {"secrets", "tokens"}] for n, s in services.items()}
    assert {name: found for name, found in seen.items() if found} == {
        "first-run": ["secrets", "tokens"],
        "gateway": ["tokens"],
        "tocsin": ["secrets"],
    }
    settings = [str(value) for service in services.values() for value in service.get("environment", {}).values()]
    assert not [value for value in settings if re.search(r"tcs_|whsec_|passw", value)]


@pytest.mark.parametrize("name", NAMES)
def test_what_is_mounted_from_the_checkout_is_there_and_read_only(services: Services, name: str) -> None:
    own = {w: m for w, m in mounted(services[name]).values() if w.startswith("/")}
    assert set(own.values()) <= {"ro"}
    assert [w for w in own if not Path(w).exists()] == []


def test_every_volume_is_used_and_declared(compose: dict[str, Any], services: Services) -> None:
    used = {what for service in services.values() for what, _ in mounted(service).values() if "/" not in what}
    assert used == set(compose["volumes"])


def test_grafana_reports_to_nobody(services: Services) -> None:
    environment = services["grafana"]["environment"]
    off = ("REPORTING_ENABLED", "CHECK_FOR_UPDATES", "CHECK_FOR_PLUGIN_UPDATES")
    assert [environment[f"GF_ANALYTICS_{name}"] for name in off] == ["false"] * 3
