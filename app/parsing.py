"""Parses request bodies and queries strictly: an error names each wrong field, and unknown fields are refused."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import flask
import marshmallow as ma
from webargs.flaskparser import FlaskParser

from app.responses.problem import Problem
from app.responses.problem_types import INVALID_FIELDS, INVALID_IDEMPOTENCY_KEY, INVALID_JSON, NOT_JSON

#: levels of nested arrays and objects; Python's JSON module handles about twice as many before it hits RecursionError
MAX_DEPTH = 500
#: header of a start, see :class:`app.schemas.starts.StartHeaders`
IDEMPOTENCY_KEY = "Idempotency-Key"
_TOO_DEEP = f"the document is nested more than {MAX_DEPTH} levels deep"


class StrictParser(FlaskParser):
    """webargs' parser with this API's problems: 415 for another media type, 400 for invalid JSON, 422 for fields."""

    # Refuse unknown query parameters: a misspelt filter would otherwise be ignored and list too much.
    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": ma.RAISE}  # noqa: RUF012

    def load_json(self, req: flask.Request, schema: ma.Schema) -> Any:
        """Parse the body as JSON (RFC 8259: no NaN, no Infinity; RFC 8259, 8.2: no lone surrogates).

        Raises:
            Problem: the media type is not JSON, or the body is not valid JSON.
        """
        if getattr(schema, "body_is_optional", False) and not req.get_data():
            return {}
        if req.mimetype != "application/json" and not req.mimetype.endswith("+json"):
            raise Problem(NOT_JSON, f"the Content-Type is {req.mimetype or 'missing'}, it must be application/json")
        try:
            text = req.get_data(cache=False).decode("utf-8")
            body = json.loads(text, parse_constant=_no_number)
            # `loads` accepts 1e999 (as infinity) and lone surrogates; writing the body again raises an error for both.
            json.dumps(body, ensure_ascii=False, allow_nan=False).encode("utf-8")
        except RecursionError:
            raise Problem(INVALID_JSON, _TOO_DEEP) from None
        except ValueError as error:
            raise Problem(INVALID_JSON, str(error)) from None
        if text.count("{") + text.count("[") > MAX_DEPTH and _is_deeper(body, MAX_DEPTH):
            raise Problem(INVALID_JSON, _TOO_DEEP)
        if not isinstance(body, dict):
            raise Problem(INVALID_FIELDS, "the body must be an object", errors={"body": ["Must be an object."]})
        return body

    def handle_error(
        self,
        error: ma.ValidationError,
        req: flask.Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Any,
    ) -> NoReturn:
        """Raise a problem with the messages of each wrong field.

        webargs nests the messages below the location (json, query, headers); the answer leaves the location out.
        """
        ((location, errors),) = error.messages_dict.items()
        if location == "headers" and (wrong := errors.get(IDEMPOTENCY_KEY)):
            raise Problem(INVALID_IDEMPOTENCY_KEY, f"{IDEMPOTENCY_KEY}: {' '.join(wrong)}", errors=errors)
        raise Problem(INVALID_FIELDS, "errors names each wrong field", errors=errors)


def _is_deeper(document: Any, levels: int) -> bool:
    """True when arrays and objects are nested more than `levels` deep."""
    within = [document]
    for _ in range(levels):
        inner: list[Any] = []
        for node in within:
            if isinstance(node, dict):
                inner += node.values()
            elif isinstance(node, list):
                inner += node
        within = [node for node in inner if isinstance(node, dict | list)]
        if not within:
            return False
    return True


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
