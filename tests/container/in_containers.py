"""docker-compose.yml, started: the example from its first start to a rollback, in containers that are confined.

Run by .ci/image. docker-compose talks to podman, which has Docker's API and needs no daemon of its own. Two things are
stood in for: Prometheus and Alertmanager are Debian's; health checks, which podman leaves to systemd, are made here.
Grafana cannot be had. The story takes about three minutes, as its windows are a minute long.
"""

import json
import os
import shlex
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import query, wait_for

ROOT = Path(__file__).parents[2]
WORK = Path(os.environ.get("IMAGE_WORK", "/nonexistent"))
PODMAN = shlex.split(os.environ.get("PODMAN", "podman"))
PROJECT = "tocsin-test"
PROMETHEUS = "http://127.0.0.1:9090"
SERVICES = ["gateway", "prometheus", "alertmanager"]
LASTING = ["model", "tocsin", "gateway", "prometheus", "alertmanager"]
STORY_S = 420.0
PATIENT_S = 180.0  # of what takes seconds on an idle machine


def podman(*arguments: str) -> str:
    return subprocess.run([*PODMAN, *arguments], capture_output=True, text=True, check=True).stdout


def compose(*arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "DOCKER_HOST": f"unix://{WORK}/podman.sock",
        "COMPOSE_HTTP_TIMEOUT": "300",
        "TOCSIN_IMAGE": "localhost/tocsin:test",
        "PROMETHEUS_IMAGE": "localhost/prometheus:test",
        "ALERTMANAGER_IMAGE": "localhost/alertmanager:test",
    }
    command = ["docker-compose", "--project-name", PROJECT, *arguments]
    ended = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert not ok or ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def tocsin(*arguments: str) -> Any:
    return json.loads(compose("exec", "-T", "tocsin", "tocsin", *arguments, "--json").stdout)


def container(service: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(podman("inspect", f"{PROJECT}_{service}_1"))[0]
    return found


def check_health(ended: threading.Event) -> None:
    """Do what systemd would do for podman."""
    while not ended.wait(1.0):
        # A container that goes while it is listed or asked is no fault of anybody's.
        listed = subprocess.run([*PODMAN, "ps", "--format", "{{.Names}}"], capture_output=True, text=True, check=False)
        for name in listed.stdout.split():
            subprocess.run([*PODMAN, "healthcheck", "run", name], capture_output=True, check=False)


def listens() -> bool:
    """Whether podman's API takes connections; its socket is there a moment before."""
    with socket.socket(socket.AF_UNIX) as wire:
        return wire.connect_ex(str(WORK / "podman.sock")) == 0


@pytest.fixture(scope="module", autouse=True)
def started() -> Iterator[None]:
    """Everything that is to be had, as `docker compose up` starts it."""
    ended = threading.Event()
    api = subprocess.Popen([*PODMAN, "system", "service", "--time", "0", f"unix://{WORK}/podman.sock"])
    checks = threading.Thread(target=check_health, args=(ended,))
    try:
        wait_for(listens, "podman's API")
        checks.start()
        compose("up", "--detach", "--no-build", *SERVICES)
        yield
    finally:
        compose("down", "--volumes", "--timeout", "20", ok=False)
        ended.set()
        checks.join()
        api.terminate()
        api.wait()


@pytest.mark.parametrize("service", LASTING)
def test_every_service_runs_confined(service: str) -> None:
    process = Path(f"/proc/{container(service)['State']['Pid']}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in process.splitlines() if ":\t" in line)
    assert [int(uid) > 0 for uid in fields["Uid"].split()] == [True] * 4
    assert {int(fields[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"
    assert container(service)["HostConfig"]["ReadonlyRootfs"]
    assert container(service)["HostConfig"]["Memory"] > 0


@pytest.mark.parametrize("service", ["model", "tocsin", "gateway"])
@pytest.mark.parametrize("place", ["/", "/etc/tocsin", "/opt/tocsin"])  # on /tmp podman puts a tmpfs by itself
def test_nobody_writes_into_the_image(service: str, place: str) -> None:
    program = f"import os, tempfile; os.path.isdir('{place}') and tempfile.mkstemp(dir='{place}')"
    ended = compose("exec", "-T", service, "/opt/tocsin/bin/python", "-c", program, ok=False)
    assert (ended.returncode == 0) == (place == "/etc/tocsin" and service != "tocsin")
    assert ended.returncode == 0 or "Read-only file system" in ended.stdout + ended.stderr


def test_the_images_own_health_check_passes() -> None:
    wait_for(lambda: health("tocsin") == "healthy", "a healthy daemon", PATIENT_S)


def health(service: str) -> str:
    state = container(service)["State"]
    return str((state.get("Health") or state.get("Healthcheck"))["Status"])


def test_the_api_is_on_no_network() -> None:
    address = next(iter(container("model")["NetworkSettings"]["Networks"].values()))["IPAddress"]
    with urllib.request.urlopen(f"http://{address}:9470/-/healthy", timeout=PATIENT_S) as answer:
        assert answer.status == 200
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{address}:8470/-/healthy", timeout=PATIENT_S)


def test_rows_and_labels_are_counted() -> None:
    def counted() -> bool:
        totals = tocsin("status")["models"]["delays"]["totals"]
        return bool(totals["rows"] > 100 and totals["labels"] > 100 and totals["pairs"] > 50)

    wait_for(counted, "rows, labels and pairs", PATIENT_S)


def test_prometheus_scrapes_it_and_has_its_rules_and_its_alertmanager() -> None:
    wait_for(lambda: health("prometheus") == "healthy", "a healthy Prometheus", PATIENT_S)
    wait_for(lambda: [each["value"][1] for each in asked('up{job="tocsin"}')] == ["1"], "a scrape", PATIENT_S)
    wait_for(lambda: len(asked("up == 1")) == 3, "every job", PATIENT_S)
    with urllib.request.urlopen(f"{PROMETHEUS}/api/v1/rules", timeout=PATIENT_S) as answer:
        assert len(json.load(answer)["data"]["groups"]) > 0
    wait_for(lambda: asked("prometheus_notifications_alertmanagers_discovered == 1"), "Alertmanager", PATIENT_S)


def asked(promql: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it does not listen or reads its files."""
    try:
        return query(PROMETHEUS, promql)
    except OSError:
        return []


def test_the_first_run_may_run_again() -> None:
    before = tocsin("bundle", "list", "--index", "/srv/tocsin/models/releases.json")
    assert "everything is there" in compose("run", "--rm", "first-run").stdout
    assert tocsin("bundle", "list", "--index", "/srv/tocsin/models/releases.json") == before


def test_a_bad_retrain_is_found_and_a_person_puts_the_known_good_back() -> None:
    compose("run", "--rm", "deploy", "bad")
    wait_for(lambda: served() == "v2", "the retrain to be served", PATIENT_S)

    def proposed() -> list[dict[str, Any]]:
        return [each for each in tocsin("rollback", "list") if each["step"] == "proposed"]

    try:
        (rollback,) = wait_for(proposed, "a proposal", STORY_S)
    except AssertionError as error:
        shown = [tocsin("incidents", "show", each["id"]) for each in tocsin("incidents", "list")]
        raise AssertionError(json.dumps(shown, indent=1)) from error
    assert tocsin("rollback", "approve", rollback["id"])["approved_by"] == "person"
    wait_for(lambda: served() == "v1", "the known-good to be served", PATIENT_S)
    assert {each["cause"] for each in tocsin("incidents", "list")} == {"paired_error"}


def served() -> Any:
    return tocsin("status")["models"]["delays"]["served"]["name"]


def test_it_starts_again_with_what_it_knew() -> None:
    rows = tocsin("status")["models"]["delays"]["totals"]["rows"]
    compose("restart", "--timeout", "20", "tocsin")
    again = ("exec", "-T", "tocsin", "tocsin", "status")
    wait_for(lambda: compose(*again, ok=False).returncode == 0, "its answers", PATIENT_S)
    assert tocsin("status")["models"]["delays"]["totals"]["rows"] >= rows
    assert tocsin("rollback", "list")[0]["step"] in {"baking", "committed"}  # bakes ten minutes, over a restart
