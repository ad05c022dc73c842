"""A real KServe Python server with a repository of files; run by the Python of KServe's own environment.

python kserve_server.py FOLDER PORT NAME     loads NAME at start
"""

import sys
from pathlib import Path

from kserve import Model, ModelServer
from kserve.model_repository import ModelRepository


class Opaque(Model):
    def __init__(self, name, path):
        super().__init__(name)
        self.path = path

    def load(self):
        self.path.read_bytes()
        self.ready = True
        return True


class Folder(ModelRepository):
    def load(self, name):
        model = Opaque(name, Path(self.models_dir, f"{name}.bin"))
        model.load()
        self.update(model)
        return model.ready


if __name__ == "__main__":
    folder, port, name = sys.argv[1:]
    repository = Folder(folder)
    repository.load(name)
    server = ModelServer(registered_models=repository, http_port=int(port), enable_grpc=False, workers=1)
    server.start(list(repository.get_models().values()))
