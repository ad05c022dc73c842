"""What was recorded from a real MLflow 3.17.2 and a real KServe 0.21.0: the fakes answer so, and they still do."""

import json

import pytest
from fakes import Mlflow, Repository
from realtargets import call

ALIAS = "/api/2.0/mlflow/registered-models/alias"
HELD = f"{ALIAS}?name=delays&alias=fresh"
MISSING, INVALID = "RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"


def _set(version, name="delays"):
    return {"name": name, "alias": "fresh", "version": version}


# method, path, body; status, and what the answer holds at least
MLFLOW = [
    ("GET", HELD, None, 400, {"error_code": INVALID, "message": "Registered model alias fresh not found."}),
    ("POST", ALIAS, _set("2"), 200, {}),
    ("GET", HELD, None, 200, {"model_version": {"name": "delays", "version": "2", "aliases": ["fresh"]}}),
    ("POST", ALIAS, _set("2"), 200, {}),
    ("POST", ALIAS, _set("1"), 200, {}),
    ("GET", HELD, None, 200, {"model_version": {"name": "delays", "version": "1", "aliases": ["fresh"]}}),
    ("POST", ALIAS, _set("9"), 404, {"error_code": MISSING}),
    ("POST", ALIAS, _set("x"), 400, {"error_code": INVALID}),
    ("POST", ALIAS, _set("1", "nobody"), 404, {"error_code": MISSING}),
    ("GET", f"{ALIAS}?name=nobody&alias=fresh", None, 404, {"error_code": MISSING}),
]
KSERVE = [
    ("GET", "/v2/health/live", None, 200, {"live": True}),
    ("GET", "/v2/health/ready", None, 200, {"ready": True}),
    ("GET", "/v2/models/v2/ready", None, 200, {"name": "v2", "ready": True}),
    ("GET", "/v2/models/v1/ready", None, 404, {"error": "Model with name v1 does not exist."}),
    ("POST", "/v2/repository/models/v1/load", None, 200, {"name": "v1", "load": True}),
    ("POST", "/v2/repository/models/v1/load", None, 200, {"name": "v1", "load": True}),
    ("GET", "/v2/models/v1/ready", None, 200, {"name": "v1", "ready": True}),
    ("POST", "/v2/repository/models/v2/unload", None, 200, {"name": "v2", "unload": True}),
    ("POST", "/v2/repository/models/v2/unload", None, 404, {"error": "Model with name v2 does not exist."}),
    ("POST", "/v2/repository/models/nope/load", None, 503, {}),
    ("POST", "/v2/repository/models/v1/unload", None, 200, {"name": "v1", "unload": True}),
    ("GET", "/v2/health/ready", None, 200, {"ready": True}),
]


def _holds(found, wanted):
    """Whether all of `wanted` is in `found`, which may say more."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_holds(found.get(key), value) for key, value in wanted.items())
    return set(wanted) <= set(found) if isinstance(wanted, list) else found == wanted


def _differs(ask, recording):
    for method, path, body, status, document in recording:
        found = ask(method, path, body)
        if found[0] != status or not _holds(found[1], document):
            yield method, path, body, found


def _of(fake):
    def ask(method, path, body):
        status, answer = fake(method, path, {}, b"" if body is None else json.dumps(body).encode())
        return status, json.loads(answer)

    return ask


def test_the_fakes_answer_as_was_recorded():
    repository = Repository({"v1", "v2", "v3"})
    repository.loaded = {"v2"}
    assert list(_differs(_of(Mlflow("delays", 3)), MLFLOW)) == []
    assert list(_differs(_of(repository), KSERVE)) == []


@pytest.mark.parametrize(("server", "recording"), [("real_mlflow", MLFLOW), ("real_kserve", KSERVE)])
def test_the_real_server_answers_as_was_recorded(request, server, recording):
    port = request.getfixturevalue(server)
    if server == "real_mlflow":
        call(port, "DELETE", ALIAS, {"name": "delays", "alias": "fresh"})
    else:
        call(port, "POST", "/v2/repository/models/v2/load")
        call(port, "POST", "/v2/repository/models/v1/unload")
    assert list(_differs(lambda *asked: call(port, *asked), recording)) == []
