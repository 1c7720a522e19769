"""Formats values for pages: times, spans of time, and counts with an upper limit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from app.standing_text import wait_text
from store.clock import now
from store.histogram import BOUNDS_MS
from store.overview import COUNT_LIMIT
from tasks.webhooks.documents import rfc3339
from telemetry.logs.redaction import shown_text

#: each unit with its seconds, largest first
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def span(value: timedelta | float | None) -> str:
    """A span of time in its two largest units.

    Args:
        value: a number is in seconds; infinity means longer than the largest bucket of the histograms.
    """
    if value is None:
        return ""
    if value == math.inf:
        return f"> {span(BOUNDS_MS[-1] / 1000)}"
    seconds = max(0.0, value.total_seconds() if isinstance(value, timedelta) else value)
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    for place, (unit, size) in enumerate(_UNITS):
        if seconds >= size:
            whole, rest = divmod(round(seconds), size)
            if place + 1 < len(_UNITS) and (part := rest // _UNITS[place + 1][1]):
                return f"{whole} {unit} {part} {_UNITS[place + 1][0]}"
            return f"{whole} {unit}"
    return ""


def age(moment: datetime) -> str:
    """How long ago a time was."""
    return span(now() - moment)


def count(number: int) -> str:
    """A count that stops at :data:`store.overview.COUNT_LIMIT`."""
    return f"{COUNT_LIMIT:,}+" if number > COUNT_LIMIT else f"{number:,}"


def pretty(document: Any) -> str:
    """A document as indented JSON."""
    return json.dumps(document, ensure_ascii=False, indent=2)


def variables_template(wait: dict[str, Any]) -> str:
    """The variables that a message needs, as JSON to fill in."""
    return pretty(_template(wait["fields"]))


def _template(fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        item["name"]: _template(item["fields"]) if "fields" in item else _EMPTY.get(item["type"])
        for item in fields
        if item["required"]
    }


def needs_text(wait: dict[str, Any]) -> str:
    """The fields that a message needs or may have, with their types; empty if none is known."""
    return ", ".join(_needs(wait["fields"], ""))


def _needs(fields: list[dict[str, Any]], path: str) -> Iterator[str]:
    for item in fields:
        name = f"{path}{item['name']}"
        yield f"{name} ({item['type'] or 'any'}{'' if item['required'] else ', optional'})"
        yield from _needs(item.get("fields", []), f"{name}.")


#: a value of each type of JSON, to be replaced
_EMPTY: dict[str | None, Any] = {"boolean": False, "integer": 0, "number": 0, "string": "", "array": [], "object": {}}

FILTERS: dict[str, Callable[..., str]] = {
    "span": span,
    "age": age,
    "count": count,
    "pretty": pretty,
    "rfc3339": rfc3339,
    "shown_text": shown_text,
    "wait_text": wait_text,
    "variables_template": variables_template,
    "needs_text": needs_text,
}
