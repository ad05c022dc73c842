"""What a sender meets whose token has a rate or an end: over HTTP, on both routes that rows come in by."""

import json

import pyarrow as pa
import pytest
from ingest_service import NOW

from monitor.ingest.counters import AdmissionReason, Claim
from monitor.ingest.decode import ARROW
from monitor.ingest.limits import Limits

KINDS = ["application/json", "application/x-ndjson", ARROW]


def rows(count, first=0):
    return [{"id": f"r-{first + at}", "prediction": "late"} for at in range(count)]


def body(kind, sent):
    if kind == ARROW:
        table, sink = pa.Table.from_pylist(sent), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return sink.getvalue().to_pybytes()
    return json.dumps(sent).encode() if kind == "application/json" else "\n".join(map(json.dumps, sent)).encode()


def send(service, count, kind="application/json", token="slow", **headers):
    return service.predictions(body(kind, rows(count)), token=token, kind=kind, **headers)


def refused(service, reason):
    return service.counters.refused[AdmissionReason(reason)]


@pytest.mark.parametrize("kind", KINDS)
def test_over_its_rate_a_token_is_told_when_to_come_again_and_nothing_is_written(service, kind):
    assert send(service, 4, kind).status_code == 200
    early = send(service, 4, kind)
    assert (early.status_code, early.headers["retry-after"]) == (429, "2")
    assert early.json()["type"] == "urn:tocsin:problem:rows_per_second"
    assert (len(service.journal.submissions), refused(service, "rows_per_second")) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_who_waits_as_told_is_taken(service, kind):
    send(service, 4, kind)
    service.clock.step(NOW + int(send(service, 4, kind).headers["retry-after"]))
    assert send(service, 4, kind).status_code == 200


def test_rows_that_are_refused_are_charged_too(service):
    assert service.predictions([{"id": "x"}] * 5, token="slow").status_code == 422
    assert send(service, 1).status_code == 429


def test_labels_and_predictions_of_a_token_come_out_of_one_bucket(service):
    assert send(service, 3).status_code == 200
    labels = [{"id": f"r-{at}", "label": "late"} for at in range(3)]
    assert service.labels(labels, token="slow").status_code == 429


def test_a_token_that_has_spent_all_is_refused_unread(service):
    send(service, 5)
    counted = service.counters.body_bytes
    assert send(service, 1).status_code == 429
    assert service.counters.body_bytes == counted


def test_more_rows_than_the_token_may_send_at_once_are_too_large(service):
    assert send(service, 6).status_code == 413
    assert refused(service, "too_many_rows") == 1
    assert send(service, 5).status_code == 200


def test_a_repeated_request_is_charged_again_for_it_was_read_again(service):
    assert send(service, 2, idempotency_key="k").status_code == 200
    assert send(service, 2, idempotency_key="k").status_code == 200
    assert send(service, 2, idempotency_key="k").status_code == 429


def test_other_tokens_go_on(service):
    send(service, 5)
    assert send(service, 5).status_code == 429
    assert send(service, 1_000, token="gateway").status_code == 200


def test_the_settings_may_bound_every_token_that_has_no_rate(open_service):
    service = open_service(limits=Limits(rows_per_second=1))
    assert send(service, 11, token="gateway").status_code == 413
    assert send(service, 10, token="gateway").status_code == 200
    assert send(service, 1, token="gateway").headers["retry-after"] == "1"
    assert send(service, 5).status_code == 200


def test_an_expired_token_is_told_so_and_counted(service):
    service.clock.step(NOW + 3_600)
    late = send(service, 1)
    assert (late.status_code, late.headers["www-authenticate"]) == (401, "Bearer")
    assert late.json()["type"] == "urn:tocsin:problem:token_expired"
    assert (refused(service, "token_expired"), refused(service, "unauthenticated")) == (1, 0)


def test_a_key_that_came_twice_is_counted_with_the_request(service):
    sent = b'{"id": "a", "id": "b", "prediction": "late", "features": {"hour": NaN}}'
    assert service.predictions(sent).status_code == 200
    assert service.journal.rows[0].id == "b"
    assert service.counters.snapshot().dropped[Claim.REPEATED_KEY] == 1
