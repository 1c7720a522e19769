"""Invalid request bodies are refused with a status for the reason, and nothing is written."""

from __future__ import annotations

import pytest

from app.parsing import MAX_DEPTH
from tests.support.facade import USER, Facade, problem

PATHS = ["/api/process/start", "/api/process/complete"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nothing",
        b'{"a": 1}}',
        b"{'a': 1}",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": ' + b"1" * 5_000 + b"}",
        b'{"a": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"a": "\x00"}',
        "{}".encode("utf-16"),
    ],
    ids=lambda raw: repr(raw)[:30],
)
def test_body_that_is_no_json_is_refused(facade: Facade, path: str, raw: bytes) -> None:
    problem(facade.post(path, raw=raw), 400, "invalid-json")
    assert facade.rows() == []


@pytest.mark.parametrize("depth", [100, MAX_DEPTH - 1, MAX_DEPTH, *range(900, 1_000, 7), 5_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":[', b"]}")])
def test_nested_values_are_either_accepted_or_refused(
    facade: Facade, depth: int, opening: bytes, closing: bytes
) -> None:
    facade.start("order-1", Prefer="respond-async")
    levels_each = len(closing)
    nested = opening * (depth // levels_each) + closing * (depth // levels_each)
    raw = b'{"correlationId": "order-1", "status": "ok", "data": ' + nested + b"}"
    response = facade.post("/api/process/complete", raw=raw)
    # The body itself is one more level.
    if depth // levels_each * levels_each < MAX_DEPTH:
        assert response.status_code == 200
        assert b'"data":' + nested in response.data
    else:
        problem(response, 400, "invalid-json")
        assert facade.rows()[0].status == "pending"


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json"]
)  # fmt: skip
def test_other_content_types_are_refused(facade: Facade, path: str, content_type: str) -> None:
    problem(facade.post(path, {}, Content_Type=content_type), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.example+json"]
)
def test_other_spellings_of_json_are_accepted(facade: Facade, content_type: str) -> None:
    assert facade.start("order-1", Prefer="respond-async", Content_Type=content_type).status_code == 202


@pytest.mark.parametrize("path", PATHS)
def test_body_over_the_limit_is_refused(facade: Facade, path: str) -> None:
    raw = b'{"a": "' + b"x" * facade.settings.max_body_kb * 1024 + b'"}'
    body = problem(facade.post(path, raw=raw), 413, "body-too-large")
    assert "64 KiB" in body["detail"]


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"text"', b"1", b"true"])
def test_body_that_is_no_object_is_refused(facade: Facade, raw: bytes) -> None:
    body = problem(facade.post("/api/process/start", raw=raw), 422, "invalid-fields")
    assert list(body["errors"]) == ["body"]


def test_text_of_any_language_is_accepted(facade: Facade) -> None:
    user = {**USER, "firstName": "Ἀδα 👩‍🔬", "lastName": "洛夫莱斯\u0000"}
    facade.start("order-1", user, Prefer="respond-async")
    (row,) = facade.rows()
    assert row.variables == user
