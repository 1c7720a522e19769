"""Who does what ops do: the name that the event log shows."""

from __future__ import annotations


def actor() -> str:
    """The actor of the current request. All callers look alike, so it is the way that they came."""
    return "api"
