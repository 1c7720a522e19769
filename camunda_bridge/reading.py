"""Turns typed variables of the engine into Python values for handlers, and into JSON for clients and events."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any, Protocol

from camunda_bridge.errors import VariableError
from camunda_bridge.json_form import json_form, parse_json, rfc3339
from camunda_bridge.kinds import File, Raw, Typed, parse_date
from camunda_bridge.values import Later, Values

#: types whose JSON value is the Python value
_PLAIN_TYPES = frozenset({"Null", "Boolean", "Integer", "Long", "Short", "Double", "String"})
#: types that `to_engine` gives back for the JSON value; a Short would become an Integer
_EXACT_TYPES = (_PLAIN_TYPES - {"Short"}) | {"Json"}
#: types whose Python value can be read from a JSON document without the name of the type
_UNTYPED = _EXACT_TYPES | {"Short"}
_JSON = "application/json"
_JAVA = "application/x-java-serialized-object"


class Contents(Protocol):
    """Fetches what the engine doesn't send with a task; see :class:`camunda_bridge.contents.TaskContents`."""

    def data(self, name: str) -> bytes:
        """The content of a file."""

    def value(self, name: str) -> Any:
        """A Java object, as JSON that the engine makes of it."""


def from_engine(variables: Mapping[str, Typed], contents: Contents | None = None) -> Values:
    """Python values of typed variables. Reading a value that has no Python form raises a VariableError.

    Args:
        contents: fetches what the engine didn't send; without it, reading such a value raises a VariableError.
    """
    found = Values()
    for name, typed in variables.items():
        found[name] = _value(name, typed, contents)
    return found


def to_document(variables: Mapping[str, Typed]) -> tuple[dict[str, Any], bool]:
    """Typed variables as a JSON document for clients and events, and whether the document is exact.

    A value that can't be read stands in the document as text. The document is exact when :func:`to_engine` makes the
    same variables from it, as it does for variables that it made from JSON values.
    """
    document = {name: _document(name, typed) for name, typed in variables.items()}
    exact = all(typed["type"] in _EXACT_TYPES and "valueInfo" not in typed for typed in variables.values())
    return document, exact


def input_types(variables: Mapping[str, Typed]) -> dict[str, str]:
    """Variable name -> type, for the types that a JSON document doesn't show; :func:`from_document` needs them."""
    return {
        name: typed["type"]
        for name, typed in variables.items()
        if typed["type"] not in _UNTYPED or (typed["type"] == "Double" and isinstance(typed["value"], str))
    }


def from_document(document: Mapping[str, Any], types: Mapping[str, str]) -> Values:
    """Python values of a document of :func:`to_document`; an event stores the input of its step as such a document.

    Contents of files and Java objects aren't in the document: reading them raises a VariableError.
    """
    found = Values()
    for name, shown in document.items():
        kind = types.get(name, "Json")
        value, info = shown, {}
        if kind == "Date" and isinstance(shown, str):
            value = shown.replace("Z", "+0000")
        elif kind == "File" and isinstance(shown, Mapping):
            value = shown.get("content")
            info = {"filename": shown.get("filename"), "mimeType": shown.get("mimetype"), "encoding": shown["encoding"]}
        elif kind == "Object" and isinstance(shown, str):
            info = {"serializationDataFormat": _JAVA, "objectTypeName": "a class that the event doesn't name"}
        if kind == "Json":
            found[name] = shown
        else:
            found[name] = _value(name, {"type": kind, "value": value, "valueInfo": info}, None)
    return found


def _value(name: str, typed: Typed, contents: Contents | None) -> Any:
    """The Python value, or a lazy value: reading it costs a request, or raises a VariableError."""
    try:
        return _read(name, typed, contents)
    except (TypeError, ValueError, RecursionError) as error:
        why = f"variable {name!r} can't be read as {typed.get('type')}: {error}"

    def fail() -> Any:
        raise VariableError(why)

    return Later(_document(name, typed), fail)


def _read(name: str, typed: Typed, contents: Contents | None) -> Any:
    kind = typed.get("type")
    value: Any = typed.get("value")
    if kind == "File":
        content = None if value is None else base64.b64decode(value, validate=True)
        return _given_file(name, typed.get("valueInfo") or {}, content, contents)
    if value is None:
        return None
    if kind == "String":
        return json_form(value)
    if kind in ("Boolean", "Integer", "Long", "Short"):
        return value
    if kind == "Double" and math.isfinite(number := float(value)):
        return number
    if kind == "Date":
        return parse_date(value)
    if kind == "Bytes":
        return base64.b64decode(value, validate=True)
    info = typed.get("valueInfo") or {}
    written_as = info.get("serializationDataFormat")
    if kind in ("Json", "Object") and not isinstance(value, str):
        # history returns a Java object as parsed JSON
        return json_form(value)
    if kind == "Json" or (kind == "Object" and written_as == _JSON):
        return parse_json(value)
    if kind == "Object" and written_as == _JAVA:
        return Later(json_form(value), lambda: _java_object(name, info, contents))
    return Raw(str(kind), value, info)


def _given_file(name: str, info: Mapping[str, Any], content: bytes | None, contents: Contents | None) -> File:
    fetch = None if contents is None else lambda: contents.data(name)
    return File(info.get("filename", name), content, info.get("mimeType"), info.get("encoding"), fetch)


def _java_object(name: str, info: Mapping[str, Any], contents: Contents | None) -> Any:
    what = f"variable {name!r} is a Java object of {info.get('objectTypeName')}"
    if contents is None:
        raise VariableError(f"{what}, and there is no engine to fetch it from as JSON")
    try:
        return json_form(contents.value(name))
    except VariableError as error:
        raise VariableError(f"{what}, which the engine can't send as JSON: {error}") from None


def _document(name: str, typed: Typed) -> Any:
    kind, value = typed.get("type"), typed.get("value")
    info = typed.get("valueInfo") or {}
    try:
        if kind == "File":
            content = None if value is None else base64.b64decode(value, validate=True)
            return _given_file(name, info, content, None).json_form()
        if kind == "Date" and value is not None:
            return rfc3339(parse_date(value))
        if isinstance(value, str) and (kind == "Json" or info.get("serializationDataFormat") == _JSON):
            return parse_json(value)
    except (TypeError, ValueError, RecursionError):
        # A value that can't be read is shown as text.
        return json_form(value)
    return json_form(value)
