"""Turns any value into the strict JSON (RFC 8259) that clients, events and logs show.

| Python | JSON |
|---|---|
| None, bool, int, finite float, str | itself |
| NaN, Infinity, -Infinity | their names as text, because JSON has no numbers for them (RFC 8259, 6) |
| datetime | `2026-01-02T03:04:05.000Z`; one without a zone is taken as UTC |
| date, time, UUID, Decimal | text |
| bytes | base64 text |
| Mapping; list, tuple, set | object; array |
| :class:`Presentable` | the result of its `json_form()` |

A lone surrogate becomes U+FFFD, because UTF-8 can't encode it (RFC 8259, 8.1 and 8.2).
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

#: most nested levels of arrays and objects; Python's `json` can handle about twice as many
MAX_DEPTH = 500
TOO_DEEP = f"it is nested more than {MAX_DEPTH} levels deep"

_SURROGATE = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")


class Presentable:
    """Base of values that define their own JSON form."""

    __slots__ = ()

    def json_form(self) -> Any:
        """The value as strict JSON."""
        raise NotImplementedError


def json_form(value: Any) -> Any:
    """`value` as strict JSON, in a new object. Never raises: a value without a JSON form becomes a text about it."""
    return _form(value, 0)


def parse_json(text: str) -> Any:
    """Parse a JSON text into a document that can be written as strict JSON.

    Other programs write NaN, Infinity, 1e999 and lone surrogates, and Java reads them. Such numbers become text, and a
    surrogate becomes U+FFFD.

    Raises:
        ValueError, RecursionError: the text isn't JSON, or is nested too deeply.
    """
    document = _DECODER.decode(text)
    if text.count("[") + text.count("{") > MAX_DEPTH and is_deeper(document, MAX_DEPTH):
        raise ValueError(TOO_DEEP)
    return _form(document, 0) if _SURROGATE.search(text) else document


def rfc3339(value: datetime) -> str:
    """A time in UTC with milliseconds: ``2026-01-02T03:04:05.000Z``. A time without a zone is taken as UTC."""
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        # In UTC the year would be below 1 or above 9999. With its own zone the time is valid too (RFC 3339, 5.6).
        return value.isoformat(timespec="milliseconds")
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def well_formed(text: str) -> str:
    """`text` with U+FFFD in place of lone surrogates."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_deeper(document: Any, levels: int) -> bool:
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


def number_name(value: float) -> str:
    """The text for a float that JSON has no number for, such as `NaN`; the engine writes the same for a Double."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _number(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER = json.JSONDecoder(parse_constant=str, parse_float=_number)


def _form(value: Any, depth: int) -> Any:
    # Loops instead of comprehensions: with one stack frame a level, MAX_DEPTH levels fit on the stack.
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
        # dict.items() doesn't read the lazy values of a Values object: showing it must not cost requests.
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
    return f"[a {type(value).__name__}, which has no JSON form]"


def _key(name: Any) -> str:
    if isinstance(name, str):
        return well_formed(name)
    shown = _form(name, 0) if not isinstance(name, Mapping | list | tuple | set | frozenset) else None
    return shown if isinstance(shown, str) else json.dumps(shown)
