"""The one JSON form of any value that clients, events and logs are shown: strict JSON by RFC 8259.

| Python | JSON |
|---|---|
| None, bool, int, finite float, str | itself |
| NaN, Infinity, -Infinity | their names as text: RFC 8259, 6, has no numbers for them |
| aware or naive datetime | `2026-01-02T03:04:05.000Z`, naive ones taken as UTC |
| date, time, UUID, Decimal | text |
| bytes | base64 text |
| Mapping; list, tuple, set | object; array |
| :class:`Presentable` | what it says of itself |

A lone surrogate becomes U+FFFD: UTF-8 has no form for it (RFC 8259, 8.1 and 8.2).
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

#: Levels of arrays and objects within each other. Python's `json` writes and reads about twice as many.
MAX_DEPTH = 500
TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"

_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


class Presentable:
    """A value that says itself what it looks like in JSON."""

    __slots__ = ()

    def json_form(self) -> Any:
        """Strict JSON."""
        raise NotImplementedError


def json_form(value: Any) -> Any:
    """`value` in strict JSON; a new object, and never an exception: what has no form is told by a text."""
    return _form(value, 0)


def parse_json(text: str) -> Any:
    """The document of a JSON text, in a form that can be written again.

    Other programs write NaN, Infinity, 1e999 and lone surrogates, and Java reads them: the numbers become their text,
    a surrogate U+FFFD.

    Raises:
        ValueError, RecursionError: the text is no JSON, or nested too deeply.
    """
    document = _DECODER.decode(text)
    if text.count("[") + text.count("{") > MAX_DEPTH and is_deeper(document, MAX_DEPTH):
        raise ValueError(TOO_DEEP)
    return _form(document, 0) if _SURROGATE.search(text) else document


def rfc3339(value: datetime) -> str:
    """A time in UTC with milliseconds: ``2026-01-02T03:04:05.000Z``. One without a zone is taken as UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        # An hour before or after the first or last year in UTC: its own zone says it as well (RFC 3339, 5.6).
        return value.isoformat(timespec="milliseconds")
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def well_formed(text: str) -> str:
    """`text` with U+FFFD in place of lone surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_deeper(document: Any, levels: int) -> bool:
    """True when arrays and objects stand in each other more than `levels` deep."""
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


def number_name(value: float) -> str:
    """What JSON writes in place of a number that it has none for, as the engine does for a Double."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER = json.JSONDecoder(parse_constant=str, parse_float=_number)


def _form(value: Any, depth: int) -> Any:
    # Loops, not comprehensions: one frame a level leaves room for MAX_DEPTH of them.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _form(value.value, depth)
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else number_name(value)
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth >= MAX_DEPTH:
            return f"[{TOO_DEEP}]"
        if not isinstance(value, Mapping):
            array = []
            for item in value:
                array.append(_form(item, depth + 1))  # noqa: PERF401
            return array
        document = {}
        # Of a dict that reads its values on first use, those it holds: showing it is no use of it.
        for name, item in dict.items(value) if isinstance(value, dict) else value.items():
            document[_key(name)] = _form(item, depth + 1)
        return document
    return _leaf(value)


def _leaf(value: Any) -> Any:
    if isinstance(value, Presentable):
        return value.json_form()
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, UUID | Decimal):
        return str(value)
    return f"[a {type(value).__name__}, which has no form in JSON]"


def _key(name: Any) -> str:
    if isinstance(name, str):
        return well_formed(name)
    shown = _form(name, 0) if not isinstance(name, Mapping | list | tuple | set | frozenset) else None
    return shown if isinstance(shown, str) else json.dumps(shown)
