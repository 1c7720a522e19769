"""Builds `/openapi.json` from the decorators of the views, and adds what all operations have in common.

A view declares its body, its answers and its headers. This module adds the rest in one place: the problems that a
body, a query or an internal error can lead to, the `Prefer` header of operations that can wait, and the body of a
start for each process.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import cached_property
from typing import Any

from flask import Response, current_app
from flask_smorest import Api

from app.openapi.definitions import FREE_VARIABLES, typed_starts
from app.responses.problem import MEDIA_TYPE
from app.schemas.fields import correlation_id_schema
from settings import Settings

Document = dict[str, Any]

#: headers of a 202
#: members of the answer to the dry run of a rerun; any other answer to a rerun has the members of a start's answer
PLANNED = ["dryRun", "wouldStart"]
LOCATION = {"Location": {"description": "The polling URL.", "required": True, "schema": {"type": "string"}}}
#: header of the answer to a repeated start
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` if this start joined an earlier start with the same correlation id.",
        "schema": {"type": "string", "const": "true"},
    }
}

_RETRY_AFTER = {
    "Retry-After": {
        "description": "Send the request again after this many seconds.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
#: headers of every counted answer, see :mod:`app.security.rate_limits`
_RATE_LIMIT = {
    "RateLimit-Policy": {
        "description": "The quota `q` and its window `w` in seconds (draft-ietf-httpapi-ratelimit-headers).",
        "schema": {"type": "string", "pattern": r'^"default";q=\d+;w=\d+$', "example": '"default";q=600;w=60'},
    },
    "RateLimit": {
        "description": "How much of the quota remains (`r`), and for how many seconds (`t`).",
        "schema": {"type": "string", "pattern": r'^"default";r=\d+;t=\d+$', "example": '"default";r=599;t=58'},
    },
}
_PREFERENCE_APPLIED = {
    "Preference-Applied": {
        "description": "The preference that the server applied (RFC 7240).",
        "schema": {"type": "string"},
    }
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: wait N seconds at most. `respond-async`: do not wait. The server ignores other "
    "preferences (RFC 7240).",
    "schema": {"type": "string"},
}

#: header of a client that opens a stream again
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "The `id` of the last event that you received. Only the `id` of an `end` event has an effect: the "
    "answer is 204. The server ignores any other text.",
    "schema": {"type": "string"},
}
#: headers that accept any text
_FREE_HEADERS = frozenset({"Prefer", "Last-Event-ID"})

_BODY = {
    400: "The body is not valid JSON",
    408: "The body did not arrive in time",
    413: "The body is too large",
    415: "The body must be application/json",
    422: "Some fields are invalid",
}
_TOO_MANY = {429: "The caller sent too many requests; send the request again after Retry-After seconds"}
_KEYS_AWAY = {503: "The token cannot be checked now: the server has not received the issuer's keys yet"}
_FAULT = {500: "The server has an internal error, and has logged it"}
_AWAY = {503: "The database is unavailable; `detail` tells you whether the request may have been carried out"}
#: an id in a path; other text gets 404. Reserved words are not excluded, because they lead to another operation
_PATH_ID = {name: part for name, part in correlation_id_schema().items() if name != "not"} | {
    "not": {"pattern": r"^\.+$"}
}
#: parts of a path
_PATH_PARAMETERS: dict[str, Document] = {
    "correlation_id": {
        "description": "The correlation id: your own, or the one in the answer to the start.",
        "schema": _PATH_ID,
        "example": "order-4711",
    },
    "topic": {
        "description": "The topic, `<process key>.<step name>`; `GET /api/process/topics` lists all topics.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "example": "onboard-user.validate-user-information",
    },
    "traceability_id": {
        "description": "The traceability id: your own from `X-Traceability-Id`, or the one in the answer to the start.",
        "schema": _PATH_ID,
        "example": "trace-4711",
    },
}
#: operations that do not need the database
_WITHOUT_STORE = frozenset({"/api/process/definitions", "/health/live", "/health/ready"})
_PREFIX = "/api/"
_START = "/api/process/start"
#: the members that go with each status of `POST /api/process/complete`
_ENDINGS: list[Document] = [
    {"properties": {"status": {"const": "ok"}, "error": {"type": "null"}}},
    {"properties": {"status": {"const": "error"}, "data": {"type": "null"}}},
]
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})


class DocumentedApi(Api):
    """flask-smorest's API, with the complete document."""

    # No default error: app.responses.errors answers every error, and each status is documented.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Register none: app.responses.errors answers every error."""

    @cached_property
    def _document(self) -> str:
        return json.dumps(
            complete(self.spec.to_dict(), current_app.config["SETTINGS"]),
            ensure_ascii=False,
            separators=(",", ":"),
        )

    def _openapi_json(self) -> Response:
        return Response(self._document, mimetype="application/json")


def complete(document: Document, settings: Settings) -> Document:
    """Return `document` with everything that the decorators do not declare, for these settings."""
    # The decorators own the parts of the document and share them with other apps of this process, so copy them.
    document = deepcopy(document)
    schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for parameter in item.get("parameters", []):
            parameter.update(_PATH_PARAMETERS.get(parameter["name"], {}))
    for path, method, operation in operations(document):
        operation["operationId"] = _operation_id(method, path)
        _add_parameters(operation)
        _add_problems(path, operation, settings)
    _link_start(document)
    if not settings.callback_hosts:
        # Webhooks are off, so no start has a `callbackUrl`. The document never lists the allowed hosts.
        for name in ("StartRequest", "RerunRequest"):
            del schemas[name]["properties"]["callbackUrl"]
    _type_starts(document)
    schemas["CompleteRequest"]["anyOf"] = _ENDINGS
    schemas["LimitsRequest"]["minProperties"] = 1
    schemas["MessageRequest"]["properties"]["variables"] = {
        **FREE_VARIABLES,
        "description": "They become variables of the process instance.",
    }
    edited = schemas["RerunRequest"]["properties"]["variables"]
    schemas["RerunRequest"]["properties"]["variables"] = {
        "anyOf": [FREE_VARIABLES, {"type": "null"}],
        "description": edited["description"],
    }
    for name, schema in schemas.items():
        if name.endswith("Answer") and not name.startswith("Problem"):
            # An answer always has all its members, null where there is no value. Clients must ignore new members.
            schema["required"] = sorted(schema["properties"])
            schema.pop("additionalProperties", None)
    rerun = schemas["RerunAnswer"]
    rerun["oneOf"] = [{"required": part} for part in (PLANNED, sorted(set(rerun.pop("required")) - set(PLANNED)))]
    # flask-smorest's own error schemas, which nothing refers to
    document["components"].pop("responses", None)
    for name in ("Error", "PaginationMetadata"):
        schemas.pop(name, None)
    return document


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation object of each operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in _METHODS:
                yield path, method, operation


def _add_parameters(operation: Document) -> None:
    responses = operation["responses"]
    if "202" in responses:
        operation.setdefault("parameters", []).append(_PREFER)
        for status in {"200", "202"} & set(responses):
            responses[status].setdefault("headers", {}).update(_PREFERENCE_APPLIED)
        responses["202"]["headers"].update(_RETRY_AFTER)


def _add_problems(path: str, operation: Document, settings: Settings) -> None:
    responses = operation["responses"]
    implied: dict[int, str] = {}
    if "requestBody" in operation:
        implied |= _BODY
    if any(
        parameter.get("in") in ("query", "header") and parameter["name"] not in _FREE_HEADERS
        for parameter in _parameters(operation)
    ):
        implied |= {422: _BODY[422]}
    if path.startswith(_PREFIX):
        implied |= _FAULT
        if settings.rate_limit:
            implied |= _TOO_MANY
        if settings.auth != "off" and settings.jwt_jwks_url:
            implied |= _KEYS_AWAY
        if path not in _WITHOUT_STORE:
            implied |= _AWAY
    for status, description in implied.items():
        if "$ref" in responses.setdefault(str(status), {}):
            responses[str(status)] = {}
        responses[str(status)].setdefault("description", description)
    for status, response in responses.items():
        if status >= "400" and _is_problem(response):
            response["content"] = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
            if status in ("429", "503"):
                response.setdefault("headers", {}).update(_RETRY_AFTER)
        if path.startswith(_PREFIX) and settings.rate_limit:
            response.setdefault("headers", {}).update(_RATE_LIMIT)
    operation["responses"] = dict(sorted(responses.items()))


def _parameters(operation: Document) -> list[Document]:
    found: list[Document] = operation.get("parameters", [])
    return found


def _is_problem(response: Document) -> bool:
    """True unless the view declares another schema for the answer."""
    schemas = [media.get("schema", {}).get("$ref", "") for media in response.get("content", {}).values()]
    return all(schema == "" or schema.endswith(("/ProblemAnswer", "/Error")) for schema in schemas)


def _link_start(document: Document) -> None:
    """Link the answer of a start to the operation that reads its status (OpenAPI 3.1, 4.8.20)."""
    link = {
        "operationId": _operation_id("get", "/api/process/status/{correlation_id}"),
        "parameters": {"path.correlation_id": "$response.body#/correlationId"},
    }
    for status in ("200", "202"):
        document["paths"][_START]["post"]["responses"][status]["links"] = {"status": link}


def _type_starts(document: Document) -> None:
    schemas = document["components"]["schemas"]
    choice, parts, examples = typed_starts(schemas["StartRequest"])
    schemas["StartRequest"] = choice
    schemas.update(parts)
    if examples:
        document["paths"][_START]["post"]["requestBody"]["content"]["application/json"]["examples"] = examples


def _operation_id(method: str, path: str) -> str:
    """`GET /api/process/status/{correlation_id}` -> `getProcessStatusByCorrelationId`."""
    words = path.removeprefix(_PREFIX).replace("{", "by-").replace("}", "")
    return method + "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", words) if word)
