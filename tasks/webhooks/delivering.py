"""The tasks of webhooks: beat's tick enqueues the deliveries that are due, and `deliver_webhook` makes one attempt."""

from __future__ import annotations

import logging
import math
import random
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded

from settings import get_settings
from store.clock import now
from store.errors import DatabaseUnavailable
from store.retrying import retrying
from store.webhooks import DELIVERED, FAILED, PENDING, Claim, Delivery, Outcome
from tasks import app
from tasks.beat.rounds import isolated_part, process_rows
from tasks.beat.ticks import is_first_tick
from tasks.broker.publish import WEBHOOKS_QUEUE, send_delivery
from tasks.errors import RefusedUrl, TimeLimitPassed
from tasks.interruption import interruptible, runs_in_thread
from tasks.runtime import runtime
from tasks.webhooks.outbox import queued_for_s
from tasks.webhooks.posting import Answer, post
from tasks.webhooks.receivers import Receivers
from tasks.webhooks.schedule import outcome_of
from tasks.webhooks.signing import MEDIA_TYPE, event, signed_headers
from tasks.webhooks.urls import check, shown
from telemetry import log_context
from telemetry.crash_points import crash_point
from telemetry.metrics import declared

log = logging.getLogger(__name__)

#: deliveries that one tick enqueues, and messages that may stand in the queue
BATCH, MAX_QUEUED = 200, 1_000
#: seconds that an attempt may take, with DNS and slow answers; then seconds after which a prefork child is killed
ATTEMPT_S = 2 * math.ceil(get_settings().callback_timeout_ms / 1000) + 1
KILL_S = ATTEMPT_S + 2
#: seconds after which another attempt may begin if this one wrote no outcome
HELD_FOR_S = KILL_S + 1
#: seconds for which an outcome waits for an unavailable database; after that the webhook is sent again
RECORD_S = 1.0
#: shortest and longest pause before a delivery is tried again that a slow receiver was spared, in seconds
SPARED_S = (5.0, 15.0)


@app.task(name="webhooks", send_events=False)
def webhooks() -> None:
    """Enqueue the deliveries that are due, in one tick."""
    if not is_first_tick("webhooks", runtime().settings.callback_interval_ms):
        return
    with isolated_part("webhooks"):
        enqueue_due()


def enqueue_due() -> int:
    """Enqueue the deliveries that are due, up to the limit of the queue; their number."""
    queued = int(runtime().redis.llen(WEBHOOKS_QUEUE))  # type: ignore[arg-type]
    free = min(BATCH, MAX_QUEUED - queued)
    if free <= 0:
        return 0
    claims = runtime().webhooks.claim_due(limit=free, for_s=queued_for_s())
    if claims:
        crash_point("webhook: due delivery claimed, not enqueued")
    process_rows("webhooks", claims, send_delivery, key=lambda claim: str(claim.id), release=runtime().webhooks.release)
    return len(claims)


@app.task(name="deliver_webhook", soft_time_limit=ATTEMPT_S, time_limit=KILL_S)
def deliver_webhook(delivery_id: str, token: str, correlation_id: str | None = None) -> None:
    """Make one attempt. If the worker dies here, the webhook is posted again with the same id."""
    log_context.bind(correlation_id=correlation_id)
    try:
        begun = runtime().webhooks.begin(Claim(uuid.UUID(delivery_id), token), for_s=HELD_FOR_S)
    except DatabaseUnavailable as error:
        log.warning("webhook %s postponed, the next tick sends it again: database unavailable: %s", delivery_id, error)
        return
    if begun is None:
        log.info("webhook %s skipped: claimed by another worker, or ended", delivery_id)
        return
    delivery, claim = begun
    crash_point("webhook: attempt begun, not posted")
    outcome = _attempt(delivery)
    declared.WEBHOOK_ATTEMPTS.labels(_counted_as(outcome)).inc()
    crash_point("webhook: posted, not recorded")
    try:
        retrying(lambda: runtime().webhooks.record(claim, outcome), for_s=RECORD_S)
    except DatabaseUnavailable as error:
        log.warning("outcome of webhook %s not written, it is sent again: %s", delivery_id, error)


def _within_limit(attempt: Callable[[], Answer]) -> Answer:
    """Make the attempt; it is interrupted after `ATTEMPT_S` seconds.

    Raises:
        TimeLimitPassed, SoftTimeLimitExceeded: in a thread, in a child of a prefork pool.
    """
    return interruptible.run(attempt, limit_s=ATTEMPT_S) if runs_in_thread() else attempt()


def _counted_as(outcome: Outcome) -> str:
    if outcome.status == PENDING:
        return "retry" if outcome.counted else "spared"
    return "delivered" if outcome.status == DELIVERED else "failed"


def _attempt(delivery: Delivery) -> Outcome:
    settings = runtime().settings
    if delivery.attempt > settings.callback_max_attempts:
        return Outcome(FAILED, error="the result of the last attempt is unknown")
    try:
        target = check(delivery.url, settings)
    except RefusedUrl as error:
        return Outcome(FAILED, error=f"the URL is not allowed any more: {error}")
    receivers = Receivers(runtime().redis)
    if not receivers.may_call(target, for_s=HELD_FOR_S):
        return Outcome(PENDING, next_at=now() + timedelta(seconds=random.uniform(*SPARED_S)), counted=False)
    begun = time.monotonic()
    try:
        body = event(delivery, settings.callback_source)
        headers = signed_headers(
            str(delivery.id), body, secrets=settings.callback_secrets, timestamp=int(now().timestamp())
        )
        headers |= {"Content-Type": MEDIA_TYPE, "User-Agent": "celery-camunda"}
        answer = _within_limit(lambda: post(target, body, headers, settings))
    except (SoftTimeLimitExceeded, TimeLimitPassed):
        answer = Answer(error=f"no answer within {ATTEMPT_S} s")
    took_s = time.monotonic() - begun
    declared.WEBHOOK_SECONDS.observe(took_s)
    receivers.note(target, took_s=took_s)
    outcome = outcome_of(answer, delivery.attempt, settings, now())
    if outcome.status != PENDING or answer.error:
        log.info(
            "webhook %s to %s, attempt %d: %s", delivery.id, shown(delivery.url), delivery.attempt,
            answer.error or outcome.status,
        )  # fmt: skip
    return outcome
