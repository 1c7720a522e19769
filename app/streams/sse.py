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
        # JSON escapes line breaks, so the data is always one line.
        data = json.dumps(self.data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return f"id: {self.id}\nevent: {self.name}\ndata: {data}\n\n"


def retry(after_ms: int) -> str:
    """Set how long a client waits before it opens a lost stream again, in milliseconds."""
    return f"retry: {after_ms}\n\n"


def comment(text: str) -> str:
    """A comment, which clients ignore. It keeps proxies from closing an idle connection."""
    return f": {text}\n\n"
