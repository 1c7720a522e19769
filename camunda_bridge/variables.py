"""Converts Python values to typed variables of the engine; :mod:`camunda_bridge.reading` converts them back.

| Python | engine | note |
|---|---|---|
| None, bool, float | Null, Boolean, Double | |
| int | Integer within 32 bits, Long within 64 | larger: :class:`VariableError` |
| str | String up to 4,000 UTF-16 code units, else Json | the column of the engine holds no more |
| dict, list, tuple | Json | NaN and Infinity, which other programs write, are read as text |
| datetime | Date | `yyyy-MM-dd'T'HH:mm:ss.SSSZ`; one without a zone is taken as UTC |
| bytes | Bytes | base64 in requests |
| :class:`File` | File | with name, MIME type and encoding |
| dict, list | Object, serialised as JSON, or as Java if the engine can turn it into JSON | only read; written as Json |
| :class:`Raw` | any other type, Double without a number | read and written unchanged |

The format of Date and of typed values: https://docs.camunda.org/manual/7.24/reference/rest/overview/variables/
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from camunda_bridge.context import CONTEXT_VARIABLE
from camunda_bridge.errors import VariableError
from camunda_bridge.json_form import MAX_DEPTH, TOO_DEEP, is_deeper, json_form, rfc3339
from camunda_bridge.kinds import File, Raw, Typed, format_date, parse_date, with_rfc3339_dates
from camunda_bridge.reading import Contents, from_document, from_engine, input_types, to_document
from camunda_bridge.values import Values

__all__ = [
    "MAX_NAME",
    "MAX_STRING",
    "Contents",
    "File",
    "Raw",
    "Typed",
    "Values",
    "format_date",
    "from_document",
    "from_engine",
    "input_types",
    "json_form",
    "outgoing",
    "parse_date",
    "to_document",
    "to_engine",
    "utf16_length",
    "with_rfc3339_dates",
]

#: longest text of a String variable, in UTF-16 code units, as the engine counts
MAX_STRING = 4_000
#: longest name of a variable, in UTF-16 code units: the columns NAME_ of ACT_RU_VARIABLE and ACT_HI_VARINST
MAX_NAME = 255

#: longest name, MIME type and encoding of a file, in UTF-16 code units; the engine sends them in HTTP headers,
#: percent-encoded
MAX_FILE_INFO = 255

_MIME_TYPE = re.compile(r"[\w!$&^.+-]+/[\w!$&^.+-]+(?:\s*;\s*[^#\r\n]*)?", re.ASCII)  # RFC 6838, 4.2
_ENCODING = re.compile(r"[\w:.+-]+", re.ASCII)


def to_engine(values: Mapping[str, Any]) -> dict[str, Typed]:
    """Typed variables for the engine.

    Raises:
        VariableError: the engine can't store a name or a value, or a value can't be read; the message names it.
    """
    return {_checked_name(name): _typed(name, value) for name, value in values.items()}


def outgoing(values: Mapping[str, Any]) -> dict[str, Typed]:
    """Typed variables of a handler, a start or a message, which must not use reserved names.

    Raises:
        VariableError: as :func:`to_engine`, and for the name of the execution context, which is reserved.
    """
    if CONTEXT_VARIABLE in values:
        raise VariableError(f"variable name {CONTEXT_VARIABLE!r} is reserved; use another name")
    return to_engine(values)


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise VariableError(f"variable name {name!r} must be text")
    _check_text(name, name)
    if not name:
        raise VariableError("a variable has an empty name; the name must have at least one character")
    if (length := utf16_length(name)) > MAX_NAME:
        raise VariableError(f"variable name {name[:30]!r}… has {length} characters; at most {MAX_NAME} are allowed")
    return name


def utf16_length(text: str) -> int:
    """The length of a text in UTF-16 code units, as Java and the columns of the engine count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _check_text(name: str, text: str) -> None:
    # JSON in requests is UTF-8, which can't encode lone surrogates.
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise VariableError(f"variable {name!r}: {error}") from None


def _typed(name: str, value: Any) -> Typed:
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return {"type": "Null", "value": None}
    if isinstance(value, bool):
        return {"type": "Boolean", "value": value}
    if isinstance(value, int):
        return _whole(name, value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise VariableError(f"variable {name!r}: {value} has no JSON form")
        return {"type": "Double", "value": value}
    if isinstance(value, str):
        _check_text(name, value)
        # A text of at most half the length is short enough in UTF-16; only longer ones must be measured.
        if len(value) <= MAX_STRING // 2 or utf16_length(value) <= MAX_STRING:
            return {"type": "String", "value": value}
        return {"type": "Json", "value": _json(name, value)}
    if isinstance(value, Mapping | list | tuple):
        return {"type": "Json", "value": _json(name, value)}
    if isinstance(value, datetime):
        return {"type": "Date", "value": format_date(value)}
    if isinstance(value, bytes):
        return {"type": "Bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, date | UUID | Decimal):
        return {"type": "String", "value": str(value)}
    if isinstance(value, File):
        return _file(name, value)
    if isinstance(value, Raw):
        # Through JSON and back, to check and copy it: it is sent to the engine and stored for a later attempt.
        text = _json(name, {"type": value.type, "value": value.value, "valueInfo": value.value_info})
        return json.loads(text)  # type: ignore[no-any-return]
    raise VariableError(f"variable {name!r}: the engine can't store a {type(value).__name__}")


def _file(name: str, file: File) -> Typed:
    info = {"filename": file.filename, "mimeType": file.mimetype, "encoding": file.encoding}
    kept = {key: text for key, text in info.items() if text is not None or key == "filename"}
    for key, text in kept.items():
        if not isinstance(text, str):
            raise VariableError(f"variable {name!r}: the {key} of a file must be text, not {type(text).__name__}")
        _check_text(name, text)
        if (length := utf16_length(text)) > MAX_FILE_INFO:
            raise VariableError(
                f"variable {name!r}: the {key} of the file has {length} characters; at most {MAX_FILE_INFO} are allowed"
            )
    if file.mimetype and not _MIME_TYPE.fullmatch(file.mimetype):
        # The engine would store the file, but its requests for the content would then fail.
        raise VariableError(f"variable {name!r}: {file.mimetype[:80]!r} must be a MIME type, such as text/plain")
    if file.encoding and not _ENCODING.fullmatch(file.encoding):
        raise VariableError(f"variable {name!r}: {file.encoding[:80]!r} must be the name of an encoding, such as utf-8")
    try:
        content = file.read()
    except VariableError as error:
        raise VariableError(f"variable {name!r}: {error}") from None
    return {"type": "File", "value": base64.b64encode(content).decode(), "valueInfo": kept}


def _whole(name: str, value: int) -> Typed:
    if -(2**31) <= value < 2**31:
        return {"type": "Integer", "value": value}
    if -(2**63) <= value < 2**63:
        return {"type": "Long", "value": value}
    raise VariableError(f"variable {name!r}: {value} does not fit into 64 bits; send it as text")


def _json(name: str, value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise VariableError(f"variable {name!r}: {error}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and is_deeper(json.loads(text), MAX_DEPTH):
        raise VariableError(f"variable {name!r}: {TOO_DEEP}")
    _check_text(name, text)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date | UUID | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"a {type(value).__name__} has no JSON form")
