"""Callbacks of processes, for the facade: checks a callback URL, and describes the delivery of its webhook."""

from __future__ import annotations

from typing import Any

from app.responses.problem import Problem
from app.responses.problem_types import INVALID_CALLBACK
from settings import Settings
from store.process_rows import ProcessRow
from tasks.errors import RefusedUrl
from tasks.runtime import runtime
from tasks.webhooks.documents import rfc3339
from tasks.webhooks.urls import check, shown


def check_callback(url: str | None, settings: Settings) -> None:
    """Check that webhooks may go to a `callbackUrl`. The IP addresses of its host are checked at each delivery.

    Raises:
        Problem: webhooks may not go there; `errors` has the reason.
    """
    if url is None:
        return
    try:
        check(url, settings)
    except RefusedUrl as error:
        raise Problem(INVALID_CALLBACK, "errors has the reason", errors={"callbackUrl": [str(error)]}) from None


def callback_document(row: ProcessRow) -> dict[str, Any] | None:
    """The delivery of the webhook about the last end of the process; None without a callback."""
    if row.callback_url is None:
        return None
    delivery = runtime().webhooks.latest(row.id)
    found: dict[str, Any] = {
        "url": shown(row.callback_url),
        "webhookId": None,
        "status": "waiting",
        "attempts": 0,
        "nextAt": None,
        "lastStatusCode": None,
        "lastError": None,
    }
    if delivery is not None:
        found |= {
            "webhookId": str(delivery.id),
            "status": delivery.status,
            "attempts": delivery.attempt,
            "nextAt": None if delivery.next_at is None else rfc3339(delivery.next_at),
            "lastStatusCode": delivery.last_status_code,
            "lastError": delivery.last_error,
        }
    return found
