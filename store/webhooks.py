"""The statements on `webhook_delivery`: add a delivery, claim due ones, begin an attempt, record its outcome.

Until `next_at`, only the holder of the `claim_token` may attempt a pending delivery. After that any worker may claim
it, because its message was lost or the worker that held the claim has crashed.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from store.clock import now
from store.database import Database
from store.models import webhook_delivery
from store.types import Constant, changing_locked_rows, length_of, locking_rows, truncated, without_nones

PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"

_d = webhook_delivery.c
# A constant instead of a parameter: see store/process_queries.py.
_IS_PENDING = _d.status == Constant(PENDING)
_HELD = (_d.id == bindparam("the_id"), _d.claim_token == bindparam("token"), _IS_PENDING)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to one attempt of a delivery: its id, the claim token, and the correlation id if known."""

    id: uuid.UUID
    token: str
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of `webhook_delivery`."""

    id: uuid.UUID
    process_id: uuid.UUID
    correlation_id: str
    url: str
    payload: Any
    status: str
    attempt: int
    next_at: datetime | None
    last_status_code: int | None
    last_error: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of an attempt. `status` is pending when another attempt follows, at `next_at`.

    `counted`: False when nothing was sent, so that it doesn't count as an attempt.
    """

    status: str
    next_at: datetime | None = None
    status_code: int | None = None
    error: str | None = None
    counted: bool = True


def _held(**values: Any) -> sa.Update:
    """The update of a delivery under the claim of the caller."""
    return sa.update(webhook_delivery).where(*_HELD).values(**values, updated_at=bindparam("moment"))


_SELECT: sa.Select[Any] = sa.select(*(_d[item.name] for item in fields(Delivery)))
_BEGIN = _held(attempt=_d.attempt + 1, claim_token=bindparam("new_token"), next_at=bindparam("until"))
_NOT_BEGUN = _held(attempt=_d.attempt - 1, claim_token=sa.null(), next_at=bindparam("until"))


@cache
def _attempted(new: frozenset[str], has_ended: bool) -> sa.Update:
    """The update that records an attempt; `new`: which of `last_status_code` and `last_error` are not NULL."""
    last = {name: bindparam(f"new_{name}") if name in new else sa.null() for name in ("last_status_code", "last_error")}
    if has_ended:
        over = dict.fromkeys(("payload", "claim_token", "next_at"), sa.null())
        return _held(status=bindparam("new_status"), **over, **last)
    return _held(claim_token=sa.null(), next_at=bindparam("until"), **last)


class WebhookStore:
    """The webhook deliveries of one database.

    Every method raises :class:`store.errors.DatabaseUnavailable` when the database is unavailable.
    """

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(
        self,
        connection: Connection,
        *,
        process_id: uuid.UUID,
        correlation_id: str,
        url: str,
        payload: Any,
        for_s: float,
    ) -> Claim:
        """Write a delivery in the transaction of the caller, who holds its claim for `for_s` seconds."""
        claim = Claim(uuid.uuid4(), uuid.uuid4().hex, correlation_id)
        moment = now()
        connection.execute(
            sa.insert(webhook_delivery).inline(),
            {
                "id": claim.id,
                "process_id": process_id,
                "correlation_id": correlation_id,
                "url": url,
                "payload": payload,
                "status": PENDING,
                "attempt": 0,
                "next_at": moment + timedelta(seconds=for_s),
                "claim_token": claim.token,
                "created_at": moment,
                "updated_at": moment,
            },
        )
        return claim

    def claim_due(self, *, limit: int, for_s: float) -> list[Claim]:
        """Claim due deliveries, longest due first, for `for_s` seconds."""
        moment = now()
        token = uuid.uuid4().hex
        query = (
            locking_rows(sa.select(_d.seq, _d.id, _d.correlation_id), "ix_webhook_delivery_due")
            .where(_IS_PENDING, _d.next_at <= moment)
            .order_by(_d.next_at)
            .limit(limit)
        )
        with self._db.write() as connection:
            rows = connection.execute(query).all()
            if rows:
                change = sa.update(webhook_delivery).where(_d.seq.in_([row.seq for row in rows]), _IS_PENDING)
                until = moment + timedelta(seconds=for_s)
                claimed = change.values(claim_token=token, next_at=until, updated_at=moment)
                connection.execute(changing_locked_rows(claimed))
        return [Claim(row.id, token, row.correlation_id) for row in rows]

    def begin(self, claim: Claim, *, for_s: float) -> tuple[Delivery, Claim] | None:
        """Begin an attempt that ends within `for_s` seconds; returns the delivery, and the claim to record its outcome.

        None when the claim is no longer valid: the message was a duplicate, or came too late.
        """
        moment = now()
        mine = Claim(claim.id, uuid.uuid4().hex, claim.correlation_id)
        with self._db.write() as connection:
            values = {
                "the_id": claim.id,
                "token": claim.token,
                "new_token": mine.token,
                "until": moment + timedelta(seconds=for_s),
                "moment": moment,
            }
            if connection.execute(_BEGIN, values).rowcount != 1:
                return None
            row = connection.execute(_SELECT.where(_d.id == bindparam("the_id")), {"the_id": claim.id}).one()
            return Delivery(*row), mine

    def record(self, claim: Claim, outcome: Outcome) -> bool:
        """Write the outcome of an attempt; False when the claim is no longer valid."""
        values: dict[str, Any] = {"the_id": claim.id, "token": claim.token, "moment": now()}
        error = None if outcome.error is None else truncated(outcome.error, length_of(_d.last_error))
        last = without_nones({"last_status_code": outcome.status_code, "last_error": error})
        has_ended = outcome.status != PENDING
        values |= {"new_status": outcome.status} if has_ended else {"until": outcome.next_at}
        if has_ended or outcome.counted:
            statement = _attempted(frozenset(last), has_ended)
            values |= {f"new_{name}": value for name, value in last.items()}
        else:
            statement = _NOT_BEGUN
        with self._db.write_one() as connection:
            return connection.execute(statement, values).rowcount == 1

    def release(self, claims: Sequence[Claim]) -> None:
        """Undo :meth:`claim_due` for deliveries whose message couldn't be sent, so that the next round gets them."""
        moment = now()
        with self._db.write() as connection:
            for claim in claims:
                connection.execute(
                    sa.update(webhook_delivery)
                    .where(_d.id == claim.id, _d.claim_token == claim.token, _IS_PENDING)
                    .values(claim_token=sa.null(), next_at=moment)
                )

    def latest(self, process_id: uuid.UUID) -> Delivery | None:
        """The newest delivery of a process; None without one. A process that is ok after an error has two."""
        query = _SELECT.where(_d.process_id == process_id).order_by(_d.seq.desc()).limit(1)
        with self._db.read() as connection:
            found = connection.execute(query).first()
        return None if found is None else Delivery(*found)
