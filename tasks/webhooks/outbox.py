"""The outbox of webhooks: a delivery is written in the transaction that ends its process, and enqueued afterwards."""

from __future__ import annotations

import logging
import uuid

from sqlalchemy.engine import Connection

from store.webhooks import Claim
from tasks.broker.publish import send_delivery
from tasks.errors import BrokerUnavailable
from tasks.runtime import runtime
from tasks.webhooks.documents import row_document

log = logging.getLogger(__name__)


def write_delivery(connection: Connection, process_id: uuid.UUID) -> Claim | None:
    """Write the delivery of a process that `connection` has just ended, as it ended; None when it has no callback."""
    row = runtime().processes.by_id(process_id, connection=connection)
    if row is None or row.callback_url is None:
        return None
    return runtime().webhooks.add(
        connection,
        process_id=row.id,
        correlation_id=row.correlation_id,
        url=row.callback_url,
        payload=row_document(row),
        for_s=queued_for_s(),
    )


def enqueue(claim: Claim) -> None:
    """Enqueue the first attempt. If the broker is unavailable, beat's tick does it once the claim has expired."""
    try:
        send_delivery(claim)
    except BrokerUnavailable as error:
        log.info("webhook %s left to the next tick: %s", claim.id, error)


def queued_for_s() -> float:
    """Seconds for which a message may wait in its queue before a tick sends it again."""
    return float(runtime().settings.resend_after_s)
