"""Facts about calls that are wrong as HTTP: a client must understand all of these answers."""

from __future__ import annotations

import pytest

from tests.contract.engine import Engine

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/external-task/fetchAndLock", "{oops"),
        ("/message", "{oops"),
        ("/external-task/fetchAndLock", "[]"),
        ("/external-task/fetchAndLock", '{"maxTasks": "x"}'),
        ("/history/process-instance", '{"finishedAfter": "yesterday"}'),
    ],
)
def test_a_body_that_does_not_parse_answers_400_as_json_without_message_or_as_plain_text(
    engine: Engine, path: str, body: str
) -> None:
    answer = engine.call("POST", path, data=body, headers=JSON)
    assert answer.status_code == 400
    # Two exception mappers compete, so it changes from one start of the engine to the next.
    if answer.headers["Content-Type"].startswith("application/json"):
        assert answer.json() == {"type": "InvalidRequestException", "message": "", "code": None}
    else:
        assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/external-task/fetchAndLock", "/message", "/deployment/create"])
def test_a_wrong_content_type_answers_415(engine: Engine, path: str) -> None:
    answer = engine.refused("POST", path, data="x", headers={"Content-Type": "text/plain"})
    assert answer[:2] == (415, "NotSupportedException")


def test_an_unknown_path_answers_404_with_another_type_than_an_unknown_thing(engine: Engine) -> None:
    assert engine.refused("GET", "/nope")[:2] == (404, "NotFoundException")
    assert engine.refused("GET", "/external-task/nope")[:2] == (404, "RestException")


def test_a_wrong_method_answers_405(engine: Engine) -> None:
    assert engine.refused("DELETE", "/external-task")[:2] == (405, "NotAllowedException")


def test_an_unknown_query_parameter_is_ignored(engine: Engine) -> None:
    assert engine.get("/external-task", topicName=engine.key, noSuchParameter="x") == []


def test_a_query_parameter_that_is_no_number_answers_404(engine: Engine) -> None:
    assert engine.refused("GET", "/external-task", params={"maxResults": "x"})[:2] == (404, "QueryParamException")


def test_a_wrong_sort_key_answers_400(engine: Engine) -> None:
    params = {"sortBy": "nope", "sortOrder": "asc"}
    assert engine.refused("GET", "/external-task", params=params)[:2] == (400, "InvalidRequestException")


def test_the_engine_tells_its_version_and_name(engine: Engine) -> None:
    assert engine.get("/version")["version"]
    assert "default" in {one["name"] for one in engine.get("/engine")}
