"""What can be a correlation id: it is a part of paths, log lines and keys."""

from __future__ import annotations

import re

#: characters of a correlation id: safe in a path, in a log line and in a key
CORRELATION_ID = re.compile(r"[A-Za-z0-9._:~-]{1,200}\Z")
#: words that some route uses at the position of the correlation id
RESERVED_WORDS = frozenset(
    {"all", "start", "complete", "status", "event-log", "definitions", "topics", "bulk", "insight", "."}
    | {"maintenance", "incidents"}
)


def fault_of(value: str) -> str | None:
    """Why a text cannot be a correlation id; None if it can."""
    if not CORRELATION_ID.match(value):
        return "Must be 1 to 200 characters of A-Z a-z 0-9 . _ : ~ -"
    if value in RESERVED_WORDS or set(value) == {"."}:
        return f"{value!r} is reserved by the API. Choose another id."
    return None
