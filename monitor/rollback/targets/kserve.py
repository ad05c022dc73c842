"""A KServe InferenceService as a target: where its predictor loads the model from.

    /apis/serving.kserve.io/v1beta1/namespaces/{namespace}/inferenceservices/{name}
    spec.predictor.model.storageUri            the locator; or of another framework's old section: sklearn, xgboost ...
    spec.predictor.canaryTrafficPercent        taken out: the target is to get all the traffic, not a share of it

A canary under way is over with a rollback. If its share changes meanwhile the patch is refused, and looked at again.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from monitor.rollback.targets.calls import Caller
from monitor.rollback.targets.cluster import Field, ObjectTarget, Operation

CANARY = "canaryTrafficPercent"


def inference_service(caller: Caller, namespace: str, name: str, section: str = "model") -> ObjectTarget:
    """Make the target of one InferenceService; `section` is that of its predictor which holds `storageUri`."""
    path = f"/apis/serving.kserve.io/v1beta1/namespaces/{quote(namespace)}/inferenceservices/{quote(name)}"
    return ObjectTarget(caller, path, storage(section))


def storage(section: str) -> Callable[[Mapping[str, Any]], Field | None]:
    """Return what finds `storageUri` of a section of the predictor."""

    def find(document: Mapping[str, Any]) -> Field | None:
        spec = document.get("spec")
        predictor = spec.get("predictor") if isinstance(spec, dict) else None
        part = predictor.get(section) if isinstance(predictor, dict) else None
        value = part.get("storageUri") if isinstance(part, dict) else None
        if not isinstance(value, str) or not isinstance(predictor, dict):
            return None
        return Field(f"/spec/predictor/{section}/storageUri", value, _all_traffic(predictor))

    return find


def _all_traffic(predictor: Mapping[str, Any]) -> tuple[Operation, ...]:
    if CANARY not in predictor:
        return ()
    path = f"/spec/predictor/{CANARY}"
    return {"op": "test", "path": path, "value": predictor[CANARY]}, {"op": "remove", "path": path}
