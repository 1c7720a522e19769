"""The one clock of the project: everything that stores or compares a time asks here, so that tests can stand still."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present, in UTC."""
    return datetime.now(UTC)
