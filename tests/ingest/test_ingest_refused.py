"""What intake says of rows that it did not take: the volume detector must not mistake them for silence."""

import pytest
from ingest_service import NOW

from monitor.errors import Transient
from monitor.ingest.limits import Limits
from monitor.panes.volume import MANY

GOOD = {"id": "a", "prediction": "late"}
BROKEN = {"id": "b"}


def test_rows_that_are_taken_are_not_refused(service):
    service.predictions([GOOD])
    assert service.refused == []


@pytest.mark.parametrize("body", [[BROKEN, BROKEN], [GOOD, BROKEN, BROKEN]], ids=["all", "some"])
def test_rejected_rows_are_counted(service, body):
    service.predictions(body)
    assert service.refused == [2]


def test_rejected_lines_are_counted_however_they_are_read(service):
    service.lines(b'{"id": "a", "prediction": "late"}\n' * 300 + b'{"id": "b"}\n')
    assert service.refused == [1]


def test_a_journal_that_cannot_write_refuses_nobody_knows_how_many(service):
    service.journal.fault = Transient("full")
    assert service.predictions([GOOD, BROKEN]).status_code == 503
    assert service.refused == [MANY]


def test_so_does_a_full_house(open_service):
    service = open_service(limits=Limits(in_flight_bytes_max=10))
    assert service.predictions([GOOD]).status_code == 429
    assert service.refused == [MANY]


def test_labels_that_are_refused_are_no_rows(service):
    service.labels([{"id": "a"}])
    service.journal.fault = Transient("full")
    assert service.labels([{"id": "a", "label": "late"}]).status_code == 503
    assert service.refused == []


@pytest.mark.parametrize(
    ("body", "token", "kind", "status"),
    [
        ([GOOD], "read", "application/json", 403),
        ([GOOD], None, "application/json", 401),
        (b"{", "gateway", "application/json", 422),
        (b"{}", "gateway", "text/plain", 415),
    ],
)
def test_a_senders_own_fault_is_nobodys_silence_but_its_own(service, body, token, kind, status):
    assert service.predictions(body, token=token, kind=kind).status_code == status
    assert MANY not in service.refused


def test_a_request_that_was_answered_before_refuses_nothing(service):
    body = [GOOD | {"time": NOW}]
    assert [service.predictions(body, idempotency_key="k").status_code for _ in range(2)] == [200, 200]
    assert service.refused == []
