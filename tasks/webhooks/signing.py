"""A delivery as the receiver gets it: a CloudEvent 1.0 in structured JSON, signed by Standard Webhooks 1.0."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterable

from settings.webhooks import CALLBACK_SECRET
from store.webhooks import Delivery
from tasks.webhooks.documents import rfc3339

EVENT_TYPE = "celery-camunda.process.ended"
MEDIA_TYPE = "application/cloudevents+json; charset=utf-8"


def event(delivery: Delivery, source: str) -> bytes:
    """The body, the same in every attempt."""
    document = {
        "specversion": "1.0",
        "id": str(delivery.id),
        "source": source,
        "type": EVENT_TYPE,
        "subject": delivery.correlation_id,
        "time": rfc3339(delivery.created_at),
        "datacontenttype": "application/json",
        "data": delivery.payload,
    }
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def signed_headers(message_id: str, body: bytes, *, secrets: Iterable[str], timestamp: int) -> dict[str, str]:
    """The headers that sign a body; `timestamp` in seconds since the epoch.

    One signature a secret: while a secret is replaced, receivers may check with the old or the new one.
    """
    signatures = " ".join(f"v1,{_sign(secret, f'{message_id}.{timestamp}.'.encode() + body)}" for secret in secrets)
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": signatures}


def _sign(secret: str, content: bytes) -> str:
    match = CALLBACK_SECRET.match(secret)
    if match is None:
        raise ValueError("a secret is whsec_ and base64")
    return base64.b64encode(hmac.new(base64.b64decode(match["key"]), content, hashlib.sha256).digest()).decode()
