"""Writes the messages of a schema, which are by field, as one sentence for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

#: marshmallow's name for a message about the whole object
_WHOLE = "_schema"


def sentence(messages: Any) -> str:
    """Each field with its messages: `amount: Not a valid integer; items.1: Not a valid date`."""
    return "; ".join(_lines(messages, ""))


def _lines(messages: Any, path: str) -> Iterator[str]:
    if isinstance(messages, dict):
        for name, inner in messages.items():
            yield from _lines(inner, path if name == _WHOLE else f"{path}.{name}" if path else str(name))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _lines(inner, path)
    else:
        text = str(messages).rstrip(".")
        yield f"{path}: {text}" if path else text
