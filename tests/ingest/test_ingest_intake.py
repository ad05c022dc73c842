import json

import pytest
from ingest_service import DELAYS, NOW

from monitor.errors import Transient
from monitor.facts import ModelName, RejectReason, RowKind
from monitor.ingest.counters import Claim
from monitor.ingest.intake import ENCODED_ROWS_MIN
from monitor.ingest.limits import Limits
from monitor.panes.batch import encode_labels, encode_predictions
from monitor.panes.decode import decode_predictions

ROW = {"id": "f-1", "prediction": "late", "features": {"hour": 5, "carrier": "UA"}}
MODEL = ModelName("delays")


def row(ident, **more):
    return ROW | {"id": ident} | more


def problem(answer):
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == answer.status_code
    return document["type"].removeprefix("urn:tocsin:problem:")


def test_takes_an_object_an_array_and_lines(service):
    assert service.predictions(row("a")).json()["accepted"] == 1
    assert service.predictions([row("b"), row("c")]).json()["accepted"] == 2
    lines = b"\r\n".join(json.dumps(row(ident)).encode() for ident in "de")
    assert service.lines(lines).json()["accepted"] == 2
    assert [r.id for r in service.journal.rows] == list("abcde")


def test_answers_as_the_wire_format_says(service):
    answer = service.predictions([row("a"), {"id": "b"}, row("a")])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == {
        "durable": True,
        "accepted": 1,
        "duplicates": 1,
        "rejected": [
            {
                "index": 1,
                "reason": "prediction_missing",
                "field": "prediction",
                "detail": "every prediction needs its outcome",
            }
        ],
        "rejected_count": 1,
    }


def test_hands_the_journal_one_submission_with_its_size(service):
    service.predictions([row("a"), row("b")])
    (submission,) = service.journal.submissions
    assert (submission.kind, submission.model, submission.idempotency) == (RowKind.PREDICTIONS, "delays", None)
    assert submission.size_bytes == len(json.dumps([row("a"), row("b")]))
    assert submission.rows[0].features == ROW["features"]


def test_labels_come_in_with_the_source_of_their_token(service):
    answer = service.labels({"id": "f-1", "label": "on_time", "time": "2013-03-01T10:00:00Z"})
    (truth,) = service.journal.rows
    assert answer.json()["accepted"] == 1
    assert (truth.label, truth.source, truth.time, truth.arrival) == (1, "ops", NOW - 900, NOW)


def test_a_repeated_label_is_a_correction_and_no_duplicate(service):
    answer = service.labels([{"id": "f-1", "label": "late"}, {"id": "f-1", "label": "on_time"}])
    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (2, 0)


def test_duplicates_reach_the_fold_which_counts_them(service):
    service.predictions([row("a"), row("a", prediction="on_time")])
    assert [r.output for r in service.journal.rows] == [0, 1]


def test_a_request_for_two_models_makes_two_submissions(two_models):
    body = [row("a", model="delays"), row("b", model="digits", prediction=2), row("c", model="delays"), row("d")]
    answer = two_models.predictions(body).json()
    assert (answer["accepted"], answer["rejected"][0]["reason"]) == (3, "model_missing")
    assert [(s.model, [r.id for r in s.rows]) for s in two_models.journal.submissions] == [
        ("delays", ["a", "c"]),
        ("digits", ["b"]),
    ]


def test_nothing_acceptable_is_a_422_with_the_reasons(service):
    answer = service.predictions([{"id": "a"}, 5])
    assert (answer.status_code, problem(answer)) == (422, "nothing_acceptable")
    assert [r["reason"] for r in answer.json()["rejected"]] == ["prediction_missing", "not_an_object"]
    assert (answer.json()["rejected_count"], service.journal.submissions) == (2, [])


@pytest.mark.parametrize(
    ("body", "kind"), [(b"[]", "application/json"), (b"", "application/x-ndjson"), (b"\n\r\n", "application/x-ndjson")]
)
def test_an_empty_batch_is_no_error(service, body, kind):
    answer = service.predictions(body, kind=kind)
    assert (answer.status_code, answer.json()["accepted"], service.journal.submissions) == (200, 0, [])


def test_the_list_of_rejections_is_capped_and_the_count_is_not(open_service):
    service = open_service(limits=Limits(rejections_max=2))
    answer = service.predictions([row("a"), *[{}] * 5]).json()
    assert (len(answer["rejected"]), answer["rejected_count"]) == (2, 5)


def test_a_large_body_goes_through_the_parser_thread_and_ends_the_same(open_service):
    service = open_service(limits=Limits(inline_bytes_max=10))
    answer = service.predictions([row("a"), {}])
    assert (answer.json()["accepted"], answer.json()["rejected_count"]) == (1, 1)
    assert (
        problem(open_service(limits=Limits(inline_bytes_max=10, rows_max=1)).predictions([ROW, ROW])) == "too_many_rows"
    )


def test_a_new_schema_is_used_at_once(service):
    service.predictions(row("a", prediction="early"))
    service.schemas[MODEL] = type(DELAYS)(MODEL, DELAYS.features, ("early", "late"), "late")
    service.predictions(row("b", prediction="early"))
    assert [r.output for r in service.journal.rows] == [2, 0]
    del service.schemas[MODEL]
    assert service.predictions(row("c", model="delays")).json()["rejected"][0]["reason"] == "model_unknown"


# ---------------------------------------------------------------- before the body is parsed


@pytest.mark.parametrize("kind", ["", "text/plain", "application/vnd.apache.arrow.file", "application/json2", b"\xff"])
def test_another_content_type_is_415(service, kind):
    answer = service.predictions(ROW, kind=kind)
    assert (answer.status_code, problem(answer)) == (415, "unsupported_type")


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON"])
def test_parameters_and_case_of_the_content_type_do_not_matter(service, kind):
    assert service.predictions(ROW, kind=kind).status_code == 200


def test_a_body_above_the_cap_is_413(open_service):
    service = open_service(limits=Limits(body_bytes_max=100))
    answer = service.predictions(row("x" * 100))
    assert (answer.status_code, problem(answer), service.journal.submissions) == (413, "body_too_large", [])


def test_over_the_budget_is_429_with_whole_seconds(open_service):
    service = open_service(limits=Limits(in_flight_bytes_max=50))
    answer = service.predictions(ROW)
    assert (answer.status_code, problem(answer), answer.headers["retry-after"]) == (429, "bytes_in_flight", "1")


def test_the_budget_is_free_again_after_every_end(service):
    service.predictions(ROW)
    service.predictions(b"{")
    service.journal.fault = Transient("full")
    service.predictions(ROW)
    assert (service.counters.in_flight_bytes, service.counters.in_flight_requests) == (0, 0)


# ---------------------------------------------------------------- the journal's answers


@pytest.mark.parametrize(("wish", "seconds"), [(None, "5"), (0.2, "1"), (7.0, "7"), (7.1, "8")])
def test_a_journal_that_cannot_write_is_a_503_and_acknowledges_nothing(service, wish, seconds):
    service.journal.fault = Transient("disk is nearly full at /secret/path", wish)
    answer = service.predictions([row("a"), {}])
    assert (answer.status_code, problem(answer), answer.headers["retry-after"]) == (503, "journal_busy", seconds)
    assert "secret" not in answer.text
    assert sum(service.counters.snapshot().accepted.values()) == 0


def test_the_same_key_again_answers_the_same_and_counts_nothing(service):
    body = [row("a"), {"id": "b"}, row("c", features={"salary": 1}, source="other")]
    first = service.predictions(body, idempotency_key="k-1")
    counted = service.counters.snapshot()
    service.clock.step(NOW + 1e6)
    assert service.predictions(body, idempotency_key="k-1").content == first.content
    again = service.counters.snapshot()
    assert len(service.journal.submissions) == 1
    assert (again.repeated_requests, again.accepted, again.rejected) == (1, counted.accepted, counted.rejected)
    assert (again.dropped, again.unknown_features) == (counted.dropped, counted.unknown_features)


def test_the_same_key_with_another_body_is_422_and_changes_nothing(service):
    service.predictions(row("a"), idempotency_key="k-1")
    answer = service.predictions(row("b"), idempotency_key="k-1")
    assert (answer.status_code, problem(answer)) == (422, "idempotency_conflict")
    assert [r.id for r in service.journal.rows] == ["a"]


def test_a_key_belongs_to_its_token(service):
    service.labels({"id": "a", "label": 1}, idempotency_key="k-1")
    service.labels({"id": "a", "label": 1, "source": "crowd/x"}, token="crowd", idempotency_key="k-1")
    assert len(service.journal.submissions) == 2


def test_without_a_key_the_same_rows_are_taken_again(service):
    service.predictions(ROW)
    service.predictions(ROW)
    assert len(service.journal.submissions) == 2


def test_the_answer_is_stored_with_the_key(service):
    answer = service.predictions(ROW, idempotency_key="k" * 255)
    promise = service.journal.submissions[0].idempotency
    assert (promise.key, promise.answer, len(promise.body_digest)) == ("k" * 255, answer.content, 16)


@pytest.mark.parametrize("key", ["", "k" * 256, "\x7f", "é", "a\tb"])
def test_an_unusable_key_is_a_400(service, key):
    answer = service.predictions(ROW, idempotency_key=key.encode("latin-1"))
    assert (answer.status_code, problem(answer), service.journal.submissions) == (400, "idempotency_key_invalid", [])


def test_under_a_key_two_models_are_completed_after_a_crash_between(two_models):
    body = [row("a", model="delays"), row("b", model="digits")]
    first = two_models.predictions(body, idempotency_key="k")
    lost = two_models.journal.submissions.pop()
    del two_models.journal._answers[lost.idempotency.token, lost.idempotency.key]
    assert two_models.predictions(body, idempotency_key="k").content == first.content
    assert [s.model for s in two_models.journal.submissions] == ["delays", "digits"]


def test_under_a_key_a_conflict_writes_nothing_for_any_model(two_models):
    two_models.predictions([row("a", model="delays")], idempotency_key="k")
    answer = two_models.predictions([row("b", model="digits"), row("c", model="delays")], idempotency_key="k")
    assert (answer.status_code, len(two_models.journal.submissions)) == (422, 1)


# ---------------------------------------------------------------- trust and counts


def test_a_claimed_source_does_not_count_and_is_counted(service):
    service.predictions(row("a", source="ops"))
    assert service.journal.rows[0].source == "gateway-1"
    assert service.counters.snapshot().dropped[Claim.SOURCE] == 1


def test_a_prefix_token_must_name_its_source(service):
    good = {"id": "a", "label": 1, "source": "crowd/alice"}
    answer = service.labels([good, good | {"source": "ops"}, {"id": "c", "label": 1}], token="crowd").json()
    assert [r.source for r in service.journal.rows] == ["crowd/alice"]
    assert [r["reason"] for r in answer["rejected"]] == ["source_forbidden"] * 2


def test_counts_what_came_and_what_became_of_it(service):
    service.predictions([row("a"), {"id": "b"}, row("c", features={"salary": 1}, segment=5)])
    service.labels({"id": "a", "label": 1})
    service.predictions(b"{")
    seen = service.counters.snapshot()
    assert seen.accepted == {(RowKind.PREDICTIONS, "delays"): 2, (RowKind.LABELS, "delays"): 1}
    assert seen.rejected[RejectReason.PREDICTION_MISSING] == seen.rejected[RejectReason.MALFORMED] == 1
    assert seen.requests == {("/v1/predictions", "2xx"): 1, ("/v1/labels", "2xx"): 1, ("/v1/predictions", "4xx"): 1}
    assert (seen.unknown_features, seen.dropped[Claim.SEGMENT]) == ({"delays": 1}, 1)
    assert seen.body_bytes > 0


def test_replay_judges_times_by_its_own_clock(service):
    service.clock.step(0.0)
    assert service.predictions(row("a", time=NOW)).json()["rejected"][0]["reason"] == "time_in_future"
    assert service.predictions(row("a")).json()["accepted"] == 1
    assert service.journal.rows[0].arrival == 0.0


def encode(kind, _model, rows):
    return encode_predictions(rows, DELAYS) if kind is RowKind.PREDICTIONS else encode_labels(rows)


@pytest.mark.parametrize("limits", [Limits(), Limits(inline_bytes_max=1)], ids=["inline", "parser thread"])
def test_many_rows_reach_the_journal_as_the_record_they_will_be(open_service, limits):
    service = open_service(limits=limits, encode=encode)
    answer = service.predictions([row(str(i)) for i in range(ENCODED_ROWS_MIN)])
    (submission,) = service.journal.submissions
    assert answer.json()["accepted"] == submission.count == submission.encoded.rows == ENCODED_ROWS_MIN
    assert decode_predictions(submission.encoded.body).ids.to_pylist() == [str(i) for i in range(ENCODED_ROWS_MIN)]
    assert (submission.rows, submission.encoded.arrival) == ([], NOW)
    assert service.counters.accepted[RowKind.PREDICTIONS, MODEL] == ENCODED_ROWS_MIN


def test_few_rows_are_left_to_the_journal_which_puts_requests_together(open_service):
    service = open_service(encode=encode)
    service.predictions([row(str(i)) for i in range(ENCODED_ROWS_MIN - 1)])
    (submission,) = service.journal.submissions
    assert (submission.encoded, len(submission.rows)) == (None, ENCODED_ROWS_MIN - 1)


def test_a_record_made_early_keeps_the_promise_of_its_key(open_service):
    service = open_service(encode=encode)
    rows = [row(str(i)) for i in range(ENCODED_ROWS_MIN)]
    first, again = (service.predictions(rows, idempotency_key="k").json() for _ in range(2))
    assert first == again
    assert len(service.journal.submissions) == 1
