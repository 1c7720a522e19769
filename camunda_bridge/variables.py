"""Python values <-> the engine's typed variables.

| Python | engine | note |
|---|---|---|
| None, bool, float | Null, Boolean, Double | |
| int | Integer within 32 bits, Long within 64 | larger: :class:`VariableError` |
| str | String up to 4,000 UTF-16 code units, else Json | the engine's column holds no more |
| dict, list, tuple | Json | |
| datetime | Date | `yyyy-MM-dd'T'HH:mm:ss.SSSZ`; without a zone it is taken as UTC |
| bytes | Bytes | base64 on the wire |
| :class:`File` | File | name, MIME type and encoding are kept |
| :class:`Raw` | any other type, Double without a number | carried unchanged, both ways |

The format of Date and of typed values: https://docs.camunda.org/manual/7.24/reference/rest/overview/variables/
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from camunda_bridge.errors import VariableError

#: longest text of a String variable, in UTF-16 code units, as the engine counts
MAX_STRING = 4_000

Typed = dict[str, Any]

#: types whose value is the same in JSON
_PLAIN_TYPES = frozenset({"Null", "Boolean", "Integer", "Long", "Double", "String"})


@dataclass(frozen=True, slots=True)
class File:
    """A file variable. `content` is None when the engine sent only its metadata, as it does when it fetches a task."""

    filename: str
    content: bytes | None = None
    mimetype: str | None = None
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class Raw:
    """A variable of a type that Python has no equal for, such as Object: its typed value, unchanged."""

    type: str
    value: Any
    value_info: Mapping[str, Any]


def to_engine(values: Mapping[str, Any]) -> dict[str, Typed]:
    """Typed variables for the engine.

    Raises:
        VariableError: names the variable whose value has no equal in the engine.
    """
    return {_checked_name(name): _typed(name, value) for name, value in values.items()}


def from_engine(variables: Mapping[str, Typed]) -> dict[str, Any]:
    """Python values of typed variables.

    Raises:
        VariableError: names the variable whose content is not what its type says.
    """
    return {name: _value(name, typed) for name, typed in variables.items()}


def to_document(variables: Mapping[str, Typed]) -> tuple[dict[str, Any], bool]:
    """Typed variables as a JSON document, and whether that document alone gives the same variables back.

    What JSON has no form for (Date, Bytes, File, other types) stands in it as its typed value.
    """
    document: dict[str, Any] = {}
    exact = True
    for name, typed in variables.items():
        kind, value = typed["type"], typed["value"]
        if kind in _PLAIN_TYPES:
            document[name] = value
        elif kind == "Json":
            document[name] = json.loads(value)
        else:
            document[name] = dict(typed)
            exact = False
    return document, exact


def _checked_name(name: Any) -> str:
    if not isinstance(name, str):
        raise VariableError(f"{name!r} is no name of a variable: it must be text")
    _check_text(name, name)
    return name


def _check_text(name: str, text: str) -> None:
    # The engine's REST API, like every JSON on a wire, is UTF-8, which has no lone surrogates.
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
            raise VariableError(f"variable {name!r}: {value!r} has no form in JSON")
        return {"type": "Double", "value": value}
    if isinstance(value, str):
        _check_text(name, value)
        # Most texts are short enough in any encoding; only the others are measured as the engine does.
        if len(value) <= MAX_STRING // 2 or len(value.encode("utf-16-le", "surrogatepass")) <= MAX_STRING * 2:
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
        if value.content is None:
            raise VariableError(
                f"variable {name!r}: file {value.filename!r} has no content; the engine sends only names"
            )
        info = {"filename": value.filename, "mimeType": value.mimetype, "encoding": value.encoding}
        return {
            "type": "File",
            "value": base64.b64encode(value.content).decode(),
            "valueInfo": {key: text for key, text in info.items() if text is not None},
        }
    if isinstance(value, Raw):
        return {"type": value.type, "value": value.value, "valueInfo": dict(value.value_info)}
    raise VariableError(f"variable {name!r}: a {type(value).__name__} cannot be carried by the engine")


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
    _check_text(name, text)
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def format_date(value: datetime) -> str:
    """A time as the engine writes it: milliseconds and a zone without colon."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    # strftime's %Y does not pad years below 1000 on glibc, and the engine reads four digits
    return (
        f"{value.year:04d}-{value.month:02d}-{value.day:02d}T{value.hour:02d}:{value.minute:02d}:{value.second:02d}"
        f".{value.microsecond // 1000:03d}{value.strftime('%z')[:5]}"
    )


def parse_date(value: str) -> datetime:
    """A time of the engine's, aware."""
    return datetime.strptime(value, "%Y-%m-%dT%H:%M:%S.%f%z")


def _value(name: str, typed: Typed) -> Any:
    kind = typed.get("type")
    value: Any = typed.get("value")
    try:
        if kind in ("String", "Boolean", "Null", "Integer", "Long", "Short"):
            return value
        if value is None and kind in ("Double", "Date", "Json", "Bytes"):
            return None
        if kind == "Double" and math.isfinite(number := float(value)):
            return number
        if kind == "Json":
            return json.loads(value) if isinstance(value, str) else value
        if kind == "Date":
            return parse_date(value)
        if kind == "Bytes":
            return base64.b64decode(value)
        if kind == "File":
            info = typed.get("valueInfo") or {}
            content = None if value is None else base64.b64decode(value)
            return File(info.get("filename", name), content, info.get("mimeType"), info.get("encoding"))
    except (TypeError, ValueError, RecursionError) as error:
        raise VariableError(f"variable {name!r} is no {kind}: {error}") from None
    return Raw(str(kind), value, typed.get("valueInfo") or {})
