"""Formats values for pages: times, spans of time, and counts with an upper limit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

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


FILTERS: dict[str, Callable[..., str]] = {
    "span": span,
    "age": age,
    "count": count,
    "pretty": pretty,
    "rfc3339": rfc3339,
    "shown_text": shown_text,
}
