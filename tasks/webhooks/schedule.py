"""What follows an attempt: it is delivered, it has failed for good, or it is tried again at a time."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from settings import Settings
from store.webhooks import DELIVERED, FAILED, PENDING, Outcome
from tasks.webhooks.posting import Answer

#: longest pause between two attempts, and longest `Retry-After` that is followed, in seconds
MAX_PAUSE_S = 6 * 3600.0
#: factor by which each pause is longer than the one before
GROWTH = 4.0
#: 410 Gone: the receiver wants no more attempts (Standard Webhooks)
GONE = 410


def outcome_of(answer: Answer, attempt: int, settings: Settings, moment: datetime) -> Outcome:
    """The outcome of attempt number `attempt` (from 1), which ended at `moment`."""
    if answer.error is None:
        return Outcome(DELIVERED, status_code=answer.status_code)
    if answer.status_code == GONE or attempt >= settings.callback_max_attempts:
        return Outcome(FAILED, status_code=answer.status_code, error=answer.error)
    asked_s = min(answer.retry_after_s or 0.0, MAX_PAUSE_S)
    next_at = moment + timedelta(seconds=max(pause_s(attempt, settings), asked_s))
    return Outcome(PENDING, next_at=next_at, status_code=answer.status_code, error=answer.error)


def pause_s(attempt: int, settings: Settings) -> float:
    """Seconds between attempt number `attempt` and the next: exponential, with jitter of a fifth either way."""
    grown = settings.callback_retry_base_ms / 1000 * GROWTH ** min(attempt - 1, 50)
    return float(min(grown, MAX_PAUSE_S) * random.uniform(0.8, 1.2))
