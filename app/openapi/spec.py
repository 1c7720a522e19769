"""`/openapi.json`: what the decorators of the views say, completed by what is true of every operation.

A view says what is its own: its body, its answers, its headers. What follows from that is added here, once: the
problems that any body, query or fault leads to, the `Prefer` header of what can wait, a start's body by process.
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

#: headers of an answer that tells where to go on
LOCATION = {"Location": {"description": "Where to poll.", "required": True, "schema": {"type": "string"}}}
#: header of an answer to a start that came before
REPLAYED = {
    "Idempotency-Replayed": {
        "description": "`true` when this start joined an earlier one of the same correlation id.",
        "schema": {"type": "string", "const": "true"},
    }
}

_RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which to ask again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    }
}
_PREFERENCE_APPLIED = {
    "Preference-Applied": {
        "description": "The preference that was followed (RFC 7240).",
        "schema": {"type": "string"},
    }
}
_PREFER = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: wait N seconds at most. `respond-async`: do not wait. Others are ignored (RFC 7240).",
    "schema": {"type": "string"},
}

#: header of a client that comes back to a stream
LAST_EVENT_ID = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "`id` of the last event that was seen. Only that of an `end` matters; any other text is ignored.",
    "schema": {"type": "string"},
}
#: headers of which any text is taken
_FREE_HEADERS = frozenset({"Prefer", "Last-Event-ID"})

_BODY = {
    400: "The body is no JSON document",
    408: "The body did not arrive in time",
    413: "The body is larger than this service takes",
    415: "The body must be application/json",
    422: "Some fields are not as they must be",
}
_TOO_MANY = {429: "This caller made too many requests; try again after Retry-After"}
_KEYS_AWAY = {503: "A token cannot be checked, since the keys of its issuer are not known yet"}
_FAULT = {500: "Something went wrong here; it was logged"}
_AWAY = {503: "The store cannot be reached; `detail` says whether anything may have been done"}
#: Other text names nothing, and is answered 404. Words of the API's own are not excluded: they lead to another call.
_PATH_ID = {name: part for name, part in correlation_id_schema().items() if name != "not"} | {
    "not": {"pattern": r"^\.+$"}
}
#: parts of a path
_PATH_PARAMETERS: dict[str, Document] = {
    "correlation_id": {
        "description": "What the start was given, or was answered.",
        "schema": _PATH_ID,
        "example": "order-4711",
    },
    "topic": {
        "description": "`<process key>.<step>`, as `GET /api/process/topics` lists it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        "example": "onboard-user.validate-user-information",
    },
    "traceability_id": {
        "description": "What the start was given in X-Traceability-Id, or was answered.",
        "schema": _PATH_ID,
        "example": "trace-4711",
    },
}
#: operations that answer whatever is away
_WITHOUT_STORE = frozenset({"/api/process/definitions", "/health/live", "/health/ready"})
_PREFIX = "/api/"
_START = "/api/process/start"
#: what goes with which status when a process is ended from outside
_ENDINGS: list[Document] = [
    {"properties": {"status": {"const": "ok"}, "error": {"type": "null"}}},
    {"properties": {"status": {"const": "error"}, "data": {"type": "null"}}},
]
_METHODS = frozenset({"get", "put", "post", "delete", "patch"})


class DocumentedApi(Api):
    """flask-smorest's API with a document that is complete."""

    # app.problems shapes every error, and each status is documented by itself.
    DEFAULT_ERROR_RESPONSE_NAME = None

    def _register_error_handlers(self) -> None:
        """Left out: app.problems shapes every error."""

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
    """`document` with everything that the decorators do not say, as it is with these settings."""
    # Its parts belong to the decorators, which serve other apps of this process too.
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
        # Which hosts a callback may have is nobody's business; whether there are any is.
        del schemas["StartRequest"]["properties"]["callbackUrl"]
    _type_starts(document)
    schemas["CompleteRequest"]["anyOf"] = _ENDINGS
    schemas["LimitsRequest"]["minProperties"] = 1
    schemas["MessageRequest"]["properties"]["variables"] = {
        **FREE_VARIABLES,
        "description": "Become variables of the process.",
    }
    for name, schema in schemas.items():
        if name.endswith("Answer") and not name.startswith("Problem"):
            # An answer has all its members, null where there is nothing to tell; clients must bear new ones.
            schema["required"] = sorted(schema["properties"])
            schema.pop("additionalProperties", None)
    # flask-smorest's own errors, which nothing refers to any more
    document["components"].pop("responses", None)
    for name in ("Error", "PaginationMetadata"):
        schemas.pop(name, None)
    return document


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Path, method and operation of everything that can be called."""
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
    operation["responses"] = dict(sorted(responses.items()))


def _parameters(operation: Document) -> list[Document]:
    found: list[Document] = operation.get("parameters", [])
    return found


def _is_problem(response: Document) -> bool:
    """True unless the view says that the answer has another form."""
    schemas = [media.get("schema", {}).get("$ref", "") for media in response.get("content", {}).values()]
    return all(schema == "" or schema.endswith(("/ProblemAnswer", "/Error")) for schema in schemas)


def _link_start(document: Document) -> None:
    """Where an accepted start can be followed (OpenAPI 3.1, 4.8.20)."""
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
