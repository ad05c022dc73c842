"""The world of each kind of target; the real servers join where they are asked for."""

import pytest
from realtargets import ASKED, RealMlflowWorld, RealOpenInferenceWorld, kserve_server, mlflow_server
from targetworlds import FAKED, SymlinkWorld

REAL = {"mlflow, real": ("real_mlflow", RealMlflowWorld), "kserve, real": ("real_kserve", RealOpenInferenceWorld)}


@pytest.fixture(scope="session")
def real_mlflow(tmp_path_factory):
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as port:
        yield port


@pytest.fixture(scope="session")
def real_kserve(tmp_path_factory):
    with kserve_server(tmp_path_factory.mktemp("kserve")) as port:
        yield port


@pytest.fixture(params=["symlink", *FAKED, *(REAL if ASKED else ())])
def world(request, tmp_path, monkeypatch):
    folder = tmp_path / "world"
    folder.mkdir()
    if request.param in REAL:
        server, kind = REAL[request.param]
        made = kind(folder, request.getfixturevalue(server))
    else:
        made = SymlinkWorld(folder, monkeypatch) if request.param == "symlink" else FAKED[request.param](folder)
    yield made
    made.close()
