"""The OpenAPI document is complete: the start of each process has its own schema, and every answer has a schema."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from app.openapi.json_schema import describe, ecma_pattern
from app.openapi.spec import operations
from camunda_bridge.definition import define_process
from camunda_bridge.registry import Registry
from tests.support.facade import USER, Facade


class Address(Schema):
    """An address."""

    street = fields.String(required=True, validate=validate.Length(1, 50))
    zip = fields.String(validate=[validate.Regexp(r"[0-9]+\Z"), validate.Regexp(r"^\S{5}$")])


class Loose(Schema):
    class Meta:
        unknown = EXCLUDE

    note = fields.String()


class Order(Schema):
    """An order.

    More about the order.
    """

    number = fields.Integer(required=True, strict=True, validate=validate.Range(1, 10, max_inclusive=False))
    kind = fields.String(validate=validate.OneOf(["a", "b"]))
    colour = fields.String(validate=validate.NoneOf(["red"]), allow_none=True)
    site = fields.URL()
    addresses = fields.List(fields.Nested(Address), required=True, validate=validate.Length(min=1))
    loose = fields.Nested(Loose)


GOOD: dict[str, Any] = {"number": 1, "addresses": [{"street": "s", "zip": "12345"}]}


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {**GOOD, "number": 0},
        {**GOOD, "number": 10},
        {**GOOD, "number": "1"},
        {**GOOD, "kind": "c"},
        {**GOOD, "colour": "red"},
        {**GOOD, "addresses": []},
        {**GOOD, "addresses": [{"street": ""}]},
        {**GOOD, "addresses": [{"street": "s", "zip": "x2345"}]},
        {**GOOD, "addresses": [{"street": "s", "zip": "1234"}]},
        {**GOOD, "addresses": [{"street": "s", "surplus": 1}]},
        {**GOOD, "surplus": 1},
    ],
)
def test_json_schema_refuses_what_the_schema_refuses(wrong: dict[str, Any]) -> None:
    validator = Draft202012Validator(describe(Order(), "Order").alone())

    assert not validator.is_valid(wrong)
    if wrong.get("number") != "1":
        with pytest.raises(ValidationError):
            Order().load(wrong)


@pytest.mark.parametrize("good", [GOOD, {**GOOD, "colour": None, "kind": "a"}, {**GOOD, "loose": {"other": 1}}])
def test_json_schema_accepts_what_the_schema_accepts(good: dict[str, Any]) -> None:
    Draft202012Validator(describe(Order(), "Order").alone()).validate(good)
    Order().load(good)


def test_nested_schemas_are_named_and_described() -> None:
    described = describe(Order(), "Variables.order")

    assert set(described.parts) == {"Variables.order.Address", "Variables.order.Loose"}
    assert described.root["description"] == "An order."
    assert described.root["properties"]["site"]["format"] == "uri"


@pytest.mark.parametrize(
    ("regex", "pattern"),
    [(r"^a$", r"^a$"), (r"\Aa\Z", r"^a$"), (r"a", r"^(?:a)"), (r"^a|b", r"^(?:^a|b)"), (r"a\\A", r"^(?:a\\A)")],
)
def test_patterns_match_from_the_beginning(regex: str, pattern: str) -> None:
    assert ecma_pattern(regex) == pattern


@pytest.mark.parametrize("limit", ["1_0", "\u0661", " 5", "+5", "1.0", "x"])
def test_limit_is_a_number_as_json_writes_it(facade: Facade, limit: str) -> None:
    answer = facade.http.get("/api/process/status/all", query_string={"limit": limit})

    assert answer.status_code == 422, answer.text
    assert "limit" in (answer.json or {})["errors"]


def test_start_is_a_choice_by_process_key(facade: Facade) -> None:
    document = facade.http.get("/openapi.json").json or {}
    schemas = document["components"]["schemas"]
    media = document["paths"]["/api/process/start"]["post"]["requestBody"]["content"]["application/json"]

    assert media["schema"] == {"$ref": "#/components/schemas/StartRequest"}
    keys = ["loan-approval", "onboard-user", "order-fulfilment"]
    refs = {key: f"#/components/schemas/Start.{key}" for key in keys}
    assert schemas["StartRequest"]["discriminator"] == {"propertyName": "processKey", "mapping": refs}
    assert sorted(choice["$ref"] for choice in schemas["StartRequest"]["oneOf"]) == sorted(refs.values())
    validator = Draft202012Validator({**media["schema"], "components": document["components"]})
    for key in keys:
        validator.validate(media["examples"][key]["value"])
    example = media["examples"]["onboard-user"]["value"]
    validator.validate(example)
    validator.validate({"processKey": "onboard-user", "variables": USER, "correlationId": "order-1"})
    for wrong in (
        {"processKey": "onboard-user"},
        {"processKey": "other", "variables": USER},
        {"processKey": "onboard-user", "variables": {**USER, "surplus": 1}},
        {"processKey": "onboard-user", "variables": {**USER, "country": "gb"}},
        {"processKey": "onboard-user", "variables": USER, "correlationId": "all"},
        {"processKey": "onboard-user", "variables": USER, "surplus": 1},
    ):
        assert not validator.is_valid(wrong), wrong
    assert facade.post("/api/process/start", example, Prefer="respond-async").status_code == 202


def test_definitions_contain_steps_schema_and_example(facade: Facade) -> None:
    processes = (facade.http.get("/api/process/definitions").json or {})["processes"]

    for each in processes:
        Draft202012Validator(each["startSchema"]).validate(each["example"])
    (process,) = [each for each in processes if each["key"] == "onboard-user"]
    assert (process["key"], process["name"], process["queue"]) == (
        "onboard-user",
        "User onboarding",
        "steps.onboard-user",
    )
    assert [step["name"] for step in process["steps"]] == [
        "validate-user-information",
        "run-background-check",
        "call-onboarding-api",
        "prepare-response",
        "handle-error",
    ]
    assert process["steps"][3] == {
        "name": "prepare-response",
        "topic": "onboard-user.prepare-response",
        "order": 4,
        "retries": 3,
        "outcome": "ok",
    }


def test_process_without_a_schema_takes_any_variables(facade: Facade, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry()
    registry.add(define_process("free"))
    monkeypatch.setattr("service.catalogue.registry", registry)

    (process,) = (facade.http.get("/api/process/definitions").json or {})["processes"]
    validator = Draft202012Validator(process["startSchema"])
    validator.validate({"anything": [1, {"a": None}]})
    assert not validator.is_valid({"executionContext": {}})
    assert not validator.is_valid({"x" * 201: 1})


def test_every_error_is_a_problem_and_every_answer_has_a_schema(facade: Facade) -> None:
    document = facade.http.get("/openapi.json").json or {}

    assert document["openapi"].startswith("3.1")
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            name = f"{method.upper()} {path} {status}"
            if status == "204":
                assert "content" not in response, name
                continue
            (media,) = response["content"]
            assert response["description"], name
            if status >= "400" and path != "/health/ready":
                assert media == "application/problem+json", name
                assert response["content"][media]["schema"] == {"$ref": "#/components/schemas/ProblemAnswer"}, name
            if status == "503" and path.startswith("/api/"):
                assert "Retry-After" in response["headers"], name


def test_rate_limit_documents_its_headers_in_every_answer_that_is_counted(facade: Facade) -> None:
    def documented() -> set[tuple[str, str]]:
        return {
            (path, status)
            for path, _, operation in operations(facade.http.get("/openapi.json").json or {})
            for status, response in operation["responses"].items()
            if {"RateLimit", "RateLimit-Policy"} <= set(response.get("headers", {}))
        }

    assert documented() == set()
    facade.change(rate_limit="2/hour")
    paths = {path for path, _ in documented()}
    assert ("/api/process/start", "202") in documented()
    assert ("/api/process/start", "429") in documented()
    assert paths
    assert all(path.startswith("/api/") for path in paths)


def test_what_can_wait_documents_prefer_and_where_to_poll(facade: Facade) -> None:
    start = (facade.http.get("/openapi.json").json or {})["paths"]["/api/process/start"]["post"]

    assert {"Prefer", "Idempotency-Key", "X-Traceability-Id", "X-Batch-Id", "X-Application-Id"} <= {
        parameter["name"] for parameter in start["parameters"]
    }
    assert {"Location", "Retry-After", "Preference-Applied", "Idempotency-Replayed"} <= set(
        start["responses"]["202"]["headers"]
    )
