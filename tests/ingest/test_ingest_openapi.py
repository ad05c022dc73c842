import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.ingest.decode import LabelRow, PredictionRow
from monitor.ingest.routes import ROUTES
from monitor.ingest.wire import LabelIn, PredictionIn


@pytest.fixture(scope="module")
def document(lasting):
    return lasting.call("GET", "/openapi.json").json()


def refs(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    for inner in value if isinstance(value, list) else []:
        yield from refs(inner)


def test_describes_every_route_with_its_scope(document):
    described = {
        (method.upper(), path): operation["security"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }
    assert described == {(s.method, s.path): [{"token": [s.scope.value]}] if s.scope else [] for s in ROUTES}


def test_every_reference_leads_somewhere(document):
    found = {ref.removeprefix("#/components/schemas/") for ref in refs(document)}
    assert {"PredictionIn", "LabelIn", "Accepted", "ProblemDetails"} <= found
    assert found <= set(document["components"]["schemas"])


def test_every_operation_has_an_id_of_its_own_and_names_its_path_parameters(document):
    operations = [(path, o) for path, each in document["paths"].items() for o in each.values()]
    assert len({o["operationId"] for _, o in operations}) == len(operations)
    for path, operation in operations:
        named = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert all(p["required"] for p in operation.get("parameters", []) if p["in"] == "path")


def test_the_schemas_are_complete_json_schema(document):
    assert document["openapi"].startswith("3.1.")
    assert set(document["components"]["schemas"]["PredictionIn"]["required"]) == {"id", "prediction"}
    assert document["components"]["schemas"]["Rejection"]["properties"]["reason"]["$ref"].endswith("/RejectReason")


@pytest.mark.parametrize(("described", "decoded"), [(PredictionIn, PredictionRow), (LabelIn, LabelRow)])
def test_describes_the_fields_that_are_decoded(described, decoded):
    assert set(described.__struct_fields__) == set(decoded.__struct_fields__)


@pytest.mark.parametrize(("row", "field"), [("PredictionIn", "prediction"), ("LabelIn", "label")])
def test_describes_the_answers_of_every_task(document, row, field):
    described = document["components"]["schemas"][row]["properties"][field]
    kinds = {each["type"] for each in described["anyOf"]}
    assert kinds == {"string", "integer", "number", "boolean", "array"}
    assert "by the model's task" in described["description"]


PROBABILITY = st.floats(0, 1)
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
DESCRIBED = st.fixed_dictionaries(
    {"id": UNICODE | st.integers(), "prediction": st.text() | st.integers() | st.booleans()},
    optional={
        "time": st.sampled_from(
            ["2013-03-01T10:15:00Z", "2013-03-01T05:15:00.5-05:00", 1_362_132_900, 1_362_132_900.5]
        ),
        "model": st.just("delays"),
        "features": st.dictionaries(st.text(), st.none() | st.booleans() | FINITE | st.text()),
        "scores": st.dictionaries(st.text(), PROBABILITY) | st.lists(PROBABILITY) | PROBABILITY,
        "segment": st.dictionaries(st.text(), st.text(max_size=128), max_size=8),
        "bundle": st.text(),
        "source": st.text(),
    },
)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(row=DESCRIBED)
def test_what_is_described_is_accepted(lasting, row):
    answer = lasting.predictions(json.dumps(row).encode())
    assert (answer.status_code, answer.json()["rejected_count"]) == (200, 0)


def test_a_page_is_described_as_html(document):
    answers = document["paths"]["/v1/evidence/{model}/{id}"]["get"]["responses"]
    assert (list(answers["200"]["content"]), "404" in answers) == (["text/html"], True)
