"""The schemas of requests: every invalid field is named, and nothing is written for a refused request."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from app.schemas.fields import check_correlation_id
from store.correlation_ids import RESERVED_WORDS
from tests.support.facade import USER, Facade, problem

START: dict[str, Any] = {"processKey": "onboard-user", "correlationId": "order-1", "variables": USER}
LONG = "x" * 201


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"processKey": None}, {"processKey"}),
        ({"processKey": 5}, {"processKey"}),
        ({"processKey": ""}, {"processKey"}),
        ({"processKey": LONG}, {"processKey"}),
        ({"correlationId": None}, {"correlationId"}),
        ({"correlationId": ""}, {"correlationId"}),
        ({"correlationId": LONG}, {"correlationId"}),
        ({"correlationId": 5}, {"correlationId"}),
        ({"correlationId": "a b"}, {"correlationId"}),
        ({"correlationId": "a\n"}, {"correlationId"}),
        ({"correlationId": "a/b"}, {"correlationId"}),
        ({"correlationId": "ä"}, {"correlationId"}),
        ({"variables": None}, {"variables"}),
        ({"variables": []}, {"variables"}),
        ({"variables": "x"}, {"variables"}),
        ({"callback": "x"}, {"callback"}),
        ({"processkey": "x", "Variables": {}}, {"processkey", "Variables"}),
        ({"processKey": 1, "correlationId": "a b", "other": 1}, {"processKey", "correlationId", "other"}),
    ],
)
def test_wrong_fields_of_a_start_are_named(facade: Facade, change: dict[str, Any], fields: set[str]) -> None:
    body = problem(facade.post("/api/process/start", {**START, **change}), 422, "invalid-fields")
    assert set(body["errors"]) == fields
    assert facade.rows() == []


def test_missing_process_key_is_named(facade: Facade) -> None:
    assert set(problem(facade.post("/api/process/start", {}), 422, "invalid-fields")["errors"]) == {"processKey"}


def test_unknown_process_is_not_found(facade: Facade) -> None:
    response = facade.post("/api/process/start", {**START, "processKey": "nobody-knows"})
    assert "nobody-knows" in problem(response, 404, "unknown-process")["detail"]
    assert facade.rows() == []


def test_variables_are_checked_by_the_processs_own_schema(facade: Facade) -> None:
    body = problem(facade.start(variables={"userId": "u", "email": "none", "extra": 1}), 422, "invalid-fields")
    assert set(body["errors"]["variables"]) == {
        "email", "firstName", "lastName", "dateOfBirth", "country", "extra",
    }  # fmt: skip
    assert facade.rows() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("executionContext", {}),
        ("", 1),
        (LONG, 1),
        ("amount", 2**63),
        ("amount", -(2**63) - 1),
    ],
)
def test_variable_that_the_engine_cannot_store_is_named(facade: Facade, name: str, value: Any) -> None:
    body = problem(facade.start(variables={**USER, name: value}), 422, "invalid-fields")
    assert set(body["errors"]["variables"]) == {name}


@pytest.mark.parametrize("word", [*sorted(RESERVED_WORDS), "..", "..."])
def test_words_of_the_apis_paths_are_no_correlation_ids(facade: Facade, word: str) -> None:
    assert "correlationId" in problem(facade.start(word), 422, "invalid-fields")["errors"]


@pytest.mark.parametrize("value", ["a", "A-Z.a_z:0~9", "All", "x" * 200, "~", "a..b"])
def test_good_correlation_ids_are_accepted(value: str) -> None:
    check_correlation_id(value)


@pytest.mark.parametrize("value", ["", "é", "a b", "a\x00", "a\n", "%41", "x" * 201])
def test_bad_correlation_ids_are_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        check_correlation_id(value)


@pytest.mark.parametrize("header", ["X-Traceability-Id", "X-Batch-Id", "X-Application-Id"])
def test_wrong_labels_are_named(facade: Facade, header: str) -> None:
    response = facade.start("order-1", **{header: "a b"})
    assert set(problem(response, 422, "invalid-fields")["errors"]) == {header}
    assert facade.rows() == []


def test_labels_are_kept(facade: Facade) -> None:
    facade.start("order-1", X_Traceability_Id="t", X_Batch_Id="b", X_Application_Id="a", Prefer="respond-async")
    (row,) = facade.rows()
    assert (row.traceability_id, row.batch_id, row.application_id) == ("t", "b", "a")


COMPLETE: dict[str, Any] = {"correlationId": "order-1", "status": "ok"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"correlationId", "status"}),
        ({**COMPLETE, "status": "cancelled"}, {"status"}),
        ({**COMPLETE, "status": None}, {"status"}),
        ({**COMPLETE, "result": 1}, {"result"}),
        ({**COMPLETE, "error": {"message": "m"}}, {"error"}),
        ({**COMPLETE, "status": "error", "data": 1}, {"data"}),
        ({**COMPLETE, "status": "error", "error": "text"}, {"error"}),
        ({**COMPLETE, "status": "error", "error": {}}, {"error"}),
        ({**COMPLETE, "status": "error", "error": {"message": 5}}, {"error"}),
        ({**COMPLETE, "correlationId": "a b"}, {"correlationId"}),
    ],
)
def test_wrong_fields_of_a_completion_are_named(facade: Facade, body: dict[str, Any], fields: set[str]) -> None:
    facade.start("order-1", Prefer="respond-async")
    assert set(problem(facade.post("/api/process/complete", body), 422, "invalid-fields")["errors"]) == fields
    assert facade.rows()[0].status == "pending"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=done", "status"),
        ("status=", "status"),
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=x", "limit"),
        ("processKey=", "processKey"),
        ("identifier=", "identifier"),
        ("identifier=4711", "identifier"),
        ("identifier=orderId:", "identifier"),
        ("identifier=orderId:*", "identifier"),
        ("identifier=:4711", "identifier"),
        ("identifier=iban:DE00", "identifier"),
        (f"identifier=orderId:{'x' * 300}", "identifier"),
        ("status=ok,done", "status"),
        ("incident=yes", "incident"),
        ("count=1", "count"),
        ("batchId=", "batchId"),
        ("errorCode=", "errorCode"),
        ("q=", "q"),
        ("q=+%09", "q"),
        (f"q={'x' * 201}", "q"),
        ("Status=ok", "Status"),
    ],
)
def test_wrong_queries_are_named(facade: Facade, query: str, field: str) -> None:
    response = facade.http.get(f"/api/process/status/all?{query}")
    assert set(problem(response, 422, "invalid-fields")["errors"]) == {field}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "from=1"])
def test_wrong_event_queries_are_refused(facade: Facade, query: str) -> None:
    problem(facade.http.get(f"/api/process/event-log/trace?{query}"), 422, "invalid-fields")
