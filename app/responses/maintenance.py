"""The maintenance of the service, as answers show it."""

from __future__ import annotations

from typing import Any

from store.maintenance import Maintenance
from tasks.webhooks.documents import rfc3339


def maintenance_document(found: Maintenance | None) -> dict[str, Any] | None:
    """The maintenance that holds; None while the service is not in maintenance."""
    if found is None:
        return None
    return {
        "since": rfc3339(found.since),
        "reason": found.reason,
        "starts": found.starts,
        "until": None if found.until is None else rfc3339(found.until),
    }
