"""The wire format of server-sent events (WHATWG HTML, 9.2.5)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

MEDIA_TYPE = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `data` is sent as one line of JSON."""

    id: str
    name: str
    data: dict[str, Any]

    def __str__(self) -> str:
        # JSON escapes line ends, so that one line is enough whatever a text holds.
        data = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return f"id: {self.id}\nevent: {self.name}\ndata: {data}\n\n"


def retry(after_ms: int) -> str:
    """How long a client that lost the stream waits before it comes back, in milliseconds."""
    return f"retry: {after_ms}\n\n"


def comment(text: str) -> str:
    """A line that clients ignore: it keeps proxies from closing a quiet connection."""
    return f": {text}\n\n"
